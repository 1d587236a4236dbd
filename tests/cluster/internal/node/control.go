package node

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/components"
)

// Status is what the owner of a cluster says about it.
type Status struct {
	State      string
	Components []ComponentStatus
}

// ComponentStatus has an empty Problem when the component is healthy.
type ComponentStatus struct {
	Process
	Name    string
	Problem string
}

// Healthy is true when all is up and every component serves.
func (s Status) Healthy() bool {
	for _, c := range s.Components {
		if c.Problem != "" {
			return false
		}
	}
	return s.State == Ready
}

// control serves the two questions that the command line has for the owner.
type control struct {
	journal    *journal
	supervisor *supervisor
	prober     *prober
	components []components.Component
}

func (c *control) serve(listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /progress", c.progress)
	mux.HandleFunc("GET /status", c.status)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(listener)
}

// progress sends all entries so far and every later one until the start-up has
// ended.
func (c *control) progress(w http.ResponseWriter, r *http.Request) {
	lines := json.NewEncoder(w)
	for sent := 0; ; {
		entries, changed := c.journal.from(sent)
		for _, entry := range entries {
			if lines.Encode(entry) != nil {
				return
			}
			if entry.State != Starting {
				return
			}
		}
		sent += len(entries)
		http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (c *control) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	status := Status{State: c.journal.state(), Components: make([]ComponentStatus, len(c.components))}
	var checks sync.WaitGroup
	for i, component := range c.components {
		checks.Go(func() {
			found := ComponentStatus{Name: component.Name}
			process, running := c.supervisor.process(component.Name)
			found.Process = process
			if !running {
				found.Problem = "not running"
			} else if err := c.prober.check(ctx, component); err != nil {
				found.Problem = err.Error()
			}
			status.Components[i] = found
		})
	}
	checks.Wait()
	json.NewEncoder(w).Encode(status)
}

// client asks the owner of a cluster through its socket.
func client(l cluster.Layout) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Control())
		},
	}}
}

func ask(ctx context.Context, l cluster.Layout, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://owner"+path, nil)
	if err != nil {
		return nil, err
	}
	return client(l).Do(request)
}

// AskStatus asks the owner of a running cluster.
func AskStatus(ctx context.Context, l cluster.Layout) (Status, error) {
	var status Status
	response, err := ask(ctx, l, "/status")
	if err != nil {
		return status, err
	}
	defer response.Body.Close()
	return status, json.NewDecoder(response.Body).Decode(&status)
}

// FollowProgress calls show for every entry and returns the last one, which
// says how the start-up ended.
func FollowProgress(ctx context.Context, l cluster.Layout, show func(Entry)) (Entry, error) {
	response, err := ask(ctx, l, "/progress")
	if err != nil {
		return Entry{}, err
	}
	defer response.Body.Close()
	for lines := json.NewDecoder(response.Body); ; {
		var entry Entry
		if err := lines.Decode(&entry); err != nil {
			return Entry{}, err
		}
		show(entry)
		if entry.State != Starting {
			return entry, nil
		}
	}
}
