package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/images"
	"reconciliation-platform.dev/tests/cluster/internal/node"
)

// status prints a line per component.
func status(l cluster.Layout) error {
	owner, running, err := cluster.RunningOwner(l)
	if err != nil {
		return err
	}
	if !running {
		fmt.Printf("cluster %s is down; start it with `testcluster up --name %s`\n", l.Name, l.Name)
		return errUnhealthy
	}
	plan, err := cluster.ReadPlan(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	status, err := node.AskStatus(ctx, l)
	if err != nil {
		return fmt.Errorf("ask process %d, which owns the cluster: %w", owner.PID, err)
	}
	pids, err := cluster.HostPIDs(owner)
	if err != nil {
		return err
	}
	fmt.Printf("cluster %s: %s, owner %d, API server %s, pods %s, Services %s, interface %s\n\n", l.Name, status.State,
		owner.PID, plan.Network.APIServer(), plan.Network.Pods(), plan.Network.Services(), plan.Network.HostInterface())
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tPID\tAGE\tRESTARTS\tHEALTH")
	for _, c := range status.Components {
		pid, age, health := "-", "-", "ok"
		if c.PID != 0 {
			pid = fmt.Sprint(pids[c.PID])
			age = time.Since(c.Started).Round(time.Second).String()
		}
		if c.Problem != "" {
			health = c.Problem
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", c.Name, pid, age, c.Restarts, health)
	}
	table.Flush()
	if !status.Healthy() {
		fmt.Printf("\nLogs: %s\n", filepath.Dir(l.Log("owner")))
		return errUnhealthy
	}
	return nil
}

// env prints lines for `eval`.
func env(l cluster.Layout) error {
	cache, err := binaries.DefaultCache()
	if err != nil {
		return err
	}
	if _, running, err := cluster.RunningOwner(l); err != nil {
		return err
	} else if !running {
		return notRunning(l)
	}
	fmt.Printf("export KUBECONFIG=%s\nexport PATH=%s:$PATH\n", l.AdminKubeconfig(), cache.Bin())
	return nil
}

func notRunning(l cluster.Layout) error {
	return fmt.Errorf("cluster %s is down; start it with `testcluster up --name %s`", l.Name, l.Name)
}

// loadImages imports archives that are not loaded yet and prints their images.
func loadImages(l cluster.Layout, archives []string) error {
	if len(archives) == 0 {
		return errors.New("load-image: name at least one docker-archive file")
	}
	if _, running, err := cluster.RunningOwner(l); err != nil {
		return err
	} else if !running {
		return notRunning(l)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for _, archive := range archives {
		tags, loaded, err := images.Load(ctx, l.ContainerdSocket(), l.Loaded(), archive)
		if err != nil {
			return err
		}
		verb := "already there:"
		if loaded {
			verb = "loaded"
		}
		fmt.Println(verb, strings.Join(tags, " "))
	}
	return nil
}

// callTool becomes kubectl or helm.
func callTool(tool string, args []string) error {
	cache, err := binaries.DefaultCache()
	if err != nil {
		return err
	}
	path := filepath.Join(cache.Bin(), tool)
	environment := os.Environ()
	if current() {
		if _, err := os.Stat(path); err != nil {
			// The one of the machine does as well for a cluster elsewhere.
			if path, err = exec.LookPath(tool); err != nil {
				return err
			}
		}
	} else {
		layout, err := cluster.NewLayout(clusterName())
		if err != nil {
			return err
		}
		if _, running, err := cluster.RunningOwner(layout); err != nil {
			return err
		} else if !running {
			return notRunning(layout)
		}
		environment = append(environment, "KUBECONFIG="+layout.AdminKubeconfig())
	}
	return syscall.Exec(path, append([]string{tool}, args...), environment)
}
