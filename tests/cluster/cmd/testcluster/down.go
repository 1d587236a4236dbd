package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/node"
)

// stopTimeout bounds how long the kernel may take to end all processes and to
// release their cgroups.
const stopTimeout = time.Minute

// down stops the cluster and removes all that is its own.
func down(l cluster.Layout) error {
	// An `up` that is under way holds the lock until its cluster is ready. It
	// gives up when the cluster goes, so that comes first.
	if err := stop(l); err != nil {
		return err
	}
	lock, err := cluster.Acquire(l.Lock())
	if err != nil {
		return err
	}
	if err := clean(l); err != nil {
		lock.Release()
		return err
	}
	lock.Remove()
	return nil
}

// stop ends the cluster's processes, and with them its mounts and network. Logs
// and data stay.
func stop(l cluster.Layout) error {
	owner, running, err := cluster.RunningOwner(l)
	if err != nil {
		return err
	}
	if running {
		if err := owner.Kill(stopTimeout); err != nil {
			return err
		}
	}
	return nil
}

// clean removes what a stopped, crashed or rebooted cluster leaves. The caller
// holds the lock.
func clean(l cluster.Layout) error {
	if err := stop(l); err != nil {
		return err
	}
	plan, err := cluster.ReadPlan(l)
	switch {
	case err == nil:
		if err := node.RemoveHostInterface(plan.Network); err != nil {
			return fmt.Errorf("remove interface %s: %w", plan.Network.HostInterface(), err)
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := node.RemoveCgroups(l, stopTimeout); err != nil {
		return err
	}
	return os.RemoveAll(l.Dir)
}
