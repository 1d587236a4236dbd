// Package node is the inside of a test cluster: the process that is pid 1 of
// the cluster's pid, mount and network namespaces, and starts and keeps all
// components in them. When it ends, the kernel ends all of it.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"reconciliation-platform.dev/tests/cluster/internal/bootstrap"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/components"
	"reconciliation-platform.dev/tests/cluster/internal/images"
	"reconciliation-platform.dev/tests/cluster/internal/pki"
	"reconciliation-platform.dev/tests/cluster/internal/provisioner"
)

// startTimeout bounds a start-up; a warm one takes about ten seconds, but the
// machine may be busy with builds.
const startTimeout = 5 * time.Minute

// Run is the life of the owner process. It returns only on failure to begin;
// a failure of the start-up is told through the control socket, and the process
// stays to be asked about it.
func Run(l cluster.Layout, inherited Inherited) error {
	owner, err := cluster.Self()
	if err != nil {
		return err
	}
	if err := cluster.WriteOwner(l, owner); err != nil {
		return err
	}
	// From here on `down` finds us, so it need not wait for us.
	inherited.Lock.Close()
	// `up` may be interrupted or killed, and its pipes with it; we stay.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)

	plan, err := cluster.ReadPlan(l)
	if err != nil {
		return err
	}
	if err := pki.Write(l, plan.Network); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := components.WriteConfigs(l, plan); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	probes, err := newProber(l)
	if err != nil {
		return err
	}
	c := &control{
		journal:    newJournal(),
		supervisor: newSupervisor(l),
		prober:     probes,
		components: components.All(l, plan),
	}
	go func() {
		if err := c.arrangeAndStart(l, plan, inherited.HostNetwork); err != nil {
			var at componentError
			errors.As(err, &at)
			c.journal.add(Failed, at.component, err.Error())
		}
	}()
	return c.serve(inherited.Control)
}

func (c *control) arrangeAndStart(l cluster.Layout, plan cluster.Plan, host *os.File) error {
	if err := makeCgroups(l); err != nil {
		return err
	}
	if err := arrangeMounts(l); err != nil {
		return err
	}
	err := arrangeNetwork(netns.NsHandle(host.Fd()), plan.Network)
	host.Close()
	if err != nil {
		return err
	}
	c.journal.step("namespaces, network and certificates made")
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.startAll(ctx, l, plan) }()
	select {
	case err := <-done:
		if err != nil {
			return err
		}
	case err := <-c.supervisor.failed:
		return err
	}
	c.supervisor.outlast()
	c.journal.add(Ready, "", "cluster ready")
	return nil
}

// startAll brings the components up, each as soon as what it needs is there.
func (c *control) startAll(ctx context.Context, l cluster.Layout, plan cluster.Plan) error {
	if err := c.start(components.Containerd, components.Etcd, components.APIServer); err != nil {
		return err
	}
	pause := make(chan error, 1)
	go func() {
		if err := c.await(ctx, components.Containerd); err != nil {
			pause <- err
			return
		}
		pause <- images.Import(ctx, l.ContainerdSocket(), plan.PauseArchive)
	}()
	if err := c.await(ctx, components.APIServer); err != nil {
		return err
	}
	c.journal.step("API server ready")

	// What only needs the API server.
	if err := c.start(components.ControllerManager, components.Scheduler, components.Proxy); err != nil {
		return err
	}
	if err := <-pause; err != nil {
		return fmt.Errorf("import the pause image: %w", err)
	}
	if err := c.start(components.Kubelet); err != nil {
		return err
	}
	objects, err := bootstrap.Connect(l.Kubeconfig("admin"))
	if err != nil {
		return err
	}
	if err := objects.CreateOwn(ctx); err != nil {
		return fmt.Errorf("create the cluster's own objects: %w", err)
	}
	if err := c.start(components.CoreDNS); err != nil {
		return err
	}
	if err := provisioner.Start(context.Background(), l.Kubeconfig("host-path-provisioner"), l.Volumes()); err != nil {
		return fmt.Errorf("start the volume provisioner: %w", err)
	}
	c.journal.step("StorageClass and its provisioner ready")

	crds, err := objects.CreateCRDs(ctx, plan.CRDs)
	if err != nil {
		return fmt.Errorf("create the CRDs of the External Secrets Operator: %w", err)
	}
	if err := objects.AwaitEstablished(ctx, crds); err != nil {
		return err
	}
	c.journal.step("CRDs of the External Secrets Operator established")
	if err := c.start(components.ExternalSecrets); err != nil {
		return err
	}
	if err := objects.AwaitNode(ctx, cluster.NodeName); err != nil {
		return componentError{components.Kubelet, err.Error()}
	}
	c.journal.step("node ready")
	if err := objects.AwaitDefaultServiceAccount(ctx); err != nil {
		return componentError{components.ControllerManager, err.Error()}
	}
	for _, component := range c.components {
		if err := c.prober.wait(ctx, component); err != nil {
			return err
		}
	}
	return nil
}

func (c *control) start(names ...string) error {
	for _, name := range names {
		if err := c.supervisor.start(c.component(name)); err != nil {
			return err
		}
	}
	return nil
}

func (c *control) await(ctx context.Context, name string) error {
	return c.prober.wait(ctx, c.component(name))
}

// component panics on a name that is not in the list: only constants get here.
func (c *control) component(name string) components.Component {
	for _, component := range c.components {
		if component.Name == name {
			return component
		}
	}
	panic("no component " + name)
}

// Inherited is what the owner gets from `up`, which made it outside of the
// namespaces.
type Inherited struct {
	Control     net.Listener
	HostNetwork *os.File
	Lock        *os.File
}

// The numbers of the inherited descriptors, as os/exec assigns them.
const (
	controlFD = 3 + iota
	hostNetworkFD
	lockFD
)

// Receive takes over the descriptors that Spawn passed.
func Receive() (Inherited, error) {
	for _, fd := range []int{controlFD, hostNetworkFD, lockFD} {
		// No component may inherit them in turn.
		unix.CloseOnExec(fd)
	}
	socket := os.NewFile(controlFD, "control")
	listener, err := net.FileListener(socket)
	socket.Close()
	return Inherited{
		Control:     listener,
		HostNetwork: os.NewFile(hostNetworkFD, "host network"),
		Lock:        os.NewFile(lockFD, "lock"),
	}, err
}
