package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/components"
)

// probeInterval is short, as start-up waits for these endpoints.
const probeInterval = 50 * time.Millisecond

// prober asks components for their health.
type prober struct{ client *http.Client }

// newProber authenticates as the administrator, for the API server. The servers
// it asks are our own processes in our own network namespace, and some have
// certificates that they signed themselves, so those are not verified.
func newProber(l cluster.Layout) (*prober, error) {
	certificate, err := tls.LoadX509KeyPair(l.PKI("admin.crt"), l.PKI("admin.key"))
	if err != nil {
		return nil, err
	}
	return &prober{&http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				Certificates:       []tls.Certificate{certificate},
				InsecureSkipVerify: true,
			},
			// The next probe may be hours later.
			DisableKeepAlives: true,
		},
	}}, nil
}

// check returns nil when the component serves.
func (p *prober) check(ctx context.Context, c components.Component) error {
	if socket, ok := c.Socket(); ok {
		connection, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err != nil {
			return err
		}
		return connection.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Health, nil)
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %.300s", c.Health, response.Status, body)
	}
	if !strings.Contains(string(body), c.Contains) {
		return errors.New("its controllers have not started")
	}
	return nil
}

// wait returns when the component serves, or with what was wrong with it last.
func (p *prober) wait(ctx context.Context, c components.Component) error {
	ticks := time.NewTicker(probeInterval)
	defer ticks.Stop()
	problem := errors.New("not asked yet")
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := p.check(attempt, c)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return componentError{c.Name, fmt.Sprintf("is not healthy: %v", problem)}
		}
		problem = err
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
}
