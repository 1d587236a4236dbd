package node

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// Spawn starts the owner of a planned cluster in namespaces of its own and
// returns at once; FollowProgress tells how it fares. The lock is passed on, so
// that no one else takes the cluster before its owner is on record, even if we
// are killed in between.
func Spawn(l cluster.Layout, lock *cluster.Lock) (*os.Process, error) {
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.Control(), Net: "unix"})
	if err != nil {
		return nil, err
	}
	// The socket is the owner's from now on and must outlast us.
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	control, err := listener.File()
	if err != nil {
		return nil, err
	}
	defer control.Close()
	network, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	defer network.Close()
	log, err := os.OpenFile(l.Log("owner"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	owner := exec.Command("/proc/self/exe", OwnerCommand, l.Name)
	owner.Dir = "/"
	owner.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	owner.Stdout, owner.Stderr = log, log
	owner.ExtraFiles = []*os.File{control, network, lock.File}
	owner.SysProcAttr = &syscall.SysProcAttr{
		// A session of its own, so that Ctrl-C on `up` does not reach it.
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	if err := owner.Start(); err != nil {
		return nil, fmt.Errorf("start the cluster's first process (this needs root and the right to make namespaces): %w", err)
	}
	return owner.Process, nil
}

// OwnerCommand is the hidden subcommand that Spawn calls.
const OwnerCommand = "own-cluster"
