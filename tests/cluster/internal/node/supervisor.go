package node

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/components"
)

// restartDelay keeps a component that cannot start from taking a whole core.
const restartDelay = time.Second

// supervisor starts components, and reaps every process of the namespace: as
// pid 1 it inherits containers' shims, so it cannot leave waiting to os/exec,
// which would compete for the same exits.
type supervisor struct {
	layout cluster.Layout

	mu      sync.Mutex
	exits   map[int]chan syscall.WaitStatus
	running map[string]Process
	// lasting is set once the cluster is up: from then on a component that ends
	// is started again; before, its end is the cluster's failure.
	lasting bool
	failed  chan error
}

// Process is a component as it runs.
type Process struct {
	// PID is the one in the cluster's namespace.
	PID      int
	Restarts int
	Started  time.Time
}

func newSupervisor(l cluster.Layout) *supervisor {
	s := &supervisor{
		layout:  l,
		exits:   map[int]chan syscall.WaitStatus{},
		running: map[string]Process{},
		failed:  make(chan error, 16),
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go s.reap(children)
	return s
}

func (s *supervisor) reap(children <-chan os.Signal) {
	for range children {
		s.mu.Lock()
		// One signal may stand for many exits.
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if err == syscall.EINTR {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			if exit, ok := s.exits[pid]; ok {
				exit <- status
				delete(s.exits, pid)
			}
		}
		s.mu.Unlock()
	}
}

// start runs the component from now on.
func (s *supervisor) start(c components.Component) error {
	exit, err := s.spawn(c, 0)
	if err != nil {
		return err
	}
	go s.keep(c, exit)
	return nil
}

func (s *supervisor) keep(c components.Component, exit <-chan syscall.WaitStatus) {
	for restarts := 1; ; restarts++ {
		status := <-exit
		s.mu.Lock()
		delete(s.running, c.Name)
		lasting := s.lasting
		s.mu.Unlock()
		if !lasting {
			s.failed <- componentError{c.Name, fmt.Sprintf("ended during start-up (%s)", describe(status))}
			return
		}
		for {
			time.Sleep(restartDelay)
			var err error
			if exit, err = s.spawn(c, restarts); err == nil {
				break
			}
			fmt.Fprintf(os.Stderr, "start %s again: %v\n", c.Name, err)
		}
	}
}

func (s *supervisor) spawn(c components.Component, restarts int) (<-chan syscall.WaitStatus, error) {
	log, err := os.OpenFile(s.layout.Log(c.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	// Under the lock, so that reap cannot see the exit of a process which is
	// not in the table yet.
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := syscall.ForkExec(c.Binary, c.Args, &syscall.ProcAttr{
		Dir:   "/",
		Env:   components.Environment(s.layout, c.Name),
		Files: []uintptr{nothing.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, componentError{c.Name, fmt.Sprintf("cannot run %s: %v", c.Binary, err)}
	}
	exit := make(chan syscall.WaitStatus, 1)
	s.exits[pid] = exit
	s.running[c.Name] = Process{PID: pid, Restarts: restarts, Started: time.Now()}
	return exit, nil
}

func (s *supervisor) outlast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasting = true
}

func (s *supervisor) process(name string) (Process, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.running[name]
	return p, ok
}

// componentError names the component at fault, so that its log can be shown.
type componentError struct{ component, problem string }

func (e componentError) Error() string { return e.component + " " + e.problem }

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
