package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/debian"
	"reconciliation-platform.dev/tests/cluster/internal/images"
	"reconciliation-platform.dev/tests/cluster/internal/node"
)

// up starts the cluster unless it is up and healthy.
func up(l cluster.Layout) error {
	began := time.Now()
	say := func(text string) { fmt.Printf("%6.1fs  %s\n", time.Since(began).Seconds(), text) }
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	lock, err := cluster.Acquire(l.Lock())
	if err != nil {
		return err
	}
	defer lock.Release()
	if healthy, err := join(ctx, l, say); err != nil {
		return err
	} else if healthy {
		say("already up")
		return explain(l)
	}
	if err := clean(l); err != nil {
		return fmt.Errorf("clean up after an earlier cluster of this name: %w", err)
	}
	if err := debian.Install(debian.Cluster, say); err != nil {
		return err
	}
	plan, err := prepare(l, say)
	if err != nil {
		return err
	}
	if err := l.MakeDirectories(); err != nil {
		return err
	}
	if err := takeSlot(l, &plan); err != nil {
		return err
	}
	owner, err := node.Spawn(l, lock)
	if err != nil {
		return err
	}
	// Where the owner ends before us it must not stay a zombie, or it would
	// seem to run.
	go owner.Wait()
	if err := follow(ctx, l, say); err != nil {
		return err
	}
	return explain(l)
}

// join waits for a cluster that is starting and tells whether there is a
// healthy one. One that is not healthy is to be replaced.
func join(ctx context.Context, l cluster.Layout, say func(string)) (bool, error) {
	_, running, err := cluster.RunningOwner(l)
	if err != nil || !running {
		return false, err
	}
	last, err := node.FollowProgress(ctx, l, func(node.Entry) {})
	if err != nil || last.State != node.Ready {
		say("replacing a cluster that did not start")
		return false, ctx.Err()
	}
	status, err := node.AskStatus(ctx, l)
	if err == nil && status.Healthy() {
		return true, nil
	}
	for _, c := range status.Components {
		if c.Problem != "" {
			say("not healthy: " + c.Name + ": " + c.Problem)
		}
	}
	say("replacing a cluster that is not healthy")
	return false, ctx.Err()
}

// prepare builds what is not in the cache.
func prepare(l cluster.Layout, say func(string)) (cluster.Plan, error) {
	cache, err := binaries.DefaultCache()
	if err != nil {
		return cluster.Plan{}, err
	}
	source, err := repository()
	if err != nil {
		return cluster.Plan{}, err
	}
	built, err := binaries.Build(cache, source, say)
	if err != nil {
		return cluster.Plan{}, err
	}
	pause, archive, err := images.Pause(cache, built)
	if err != nil {
		return cluster.Plan{}, err
	}
	built.Programs["containerd"] = "/usr/bin/containerd"
	return cluster.Plan{
		Name: l.Name, Binaries: built.Programs, CRDs: built.CRDs,
		PauseImage: pause, PauseArchive: archive,
	}, nil
}

// takeSlot completes the plan with a network and records it. Two clusters that
// start at once take their slots one after the other.
func takeSlot(l cluster.Layout, plan *cluster.Plan) error {
	lock, err := cluster.Acquire(filepath.Join(cluster.Root, ".slots"))
	if err != nil {
		return err
	}
	defer lock.Remove()
	taken, err := cluster.TakenSlots(cluster.Root)
	if err != nil {
		return err
	}
	routed, err := node.RoutedByHost()
	if err != nil {
		return err
	}
	plan.Network, err = cluster.FreeSlot(taken, routed)
	if err != nil {
		return err
	}
	return cluster.WritePlan(l, *plan)
}

// follow shows the progress of the owner until the cluster is ready. What
// failed is stopped, but its logs stay until the next `up` or `down`.
func follow(ctx context.Context, l cluster.Layout, say func(string)) error {
	last, err := node.FollowProgress(ctx, l, func(entry node.Entry) {
		if entry.State != node.Failed {
			say(entry.Text)
		}
	})
	if err == nil && last.State == node.Ready {
		return nil
	}
	if stopErr := stop(l); stopErr != nil {
		fmt.Fprintln(os.Stderr, "testcluster:", stopErr)
	}
	if ctx.Err() != nil {
		return errors.New("interrupted; what was started has been stopped")
	}
	component := last.Component
	problem := last.Text
	if component == "" {
		component = "owner"
	}
	if err != nil {
		problem = fmt.Sprintf("the cluster's first process ended: %v", err)
	}
	return fmt.Errorf("the cluster did not start: %s\n%s\nAll logs: %s. If the cause is gone, call `testcluster up` again.",
		problem, tail(l.Log(component), 20), filepath.Dir(l.Log(component)))
}

// explain tells how to use the cluster.
func explain(l cluster.Layout) error {
	plan, err := cluster.ReadPlan(l)
	if err != nil {
		return err
	}
	cache, err := binaries.DefaultCache()
	if err != nil {
		return err
	}
	fmt.Printf("\nAPI server %s, pods %s, Services %s: all reachable from this machine.\n", plan.Network.APIServer(), plan.Network.Pods(), plan.Network.Services())
	fmt.Printf("Use it in this shell:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\n\n", l.AdminKubeconfig(), cache.Bin())
	return nil
}

// tail returns the last lines of a log, indented.
func tail(path string, n int) string {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "  (it printed nothing)"
	}
	if err != nil {
		return "  " + err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return fmt.Sprintf("last lines of %s:\n  %s", path, strings.Join(lines[max(0, len(lines)-n):], "\n  "))
}
