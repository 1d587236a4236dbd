package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/components"
)

// scratchName is a cluster beside the default one, which may be in use.
const scratchName = "down-test"

// driver builds the program under test and returns a function that calls it.
func driver(t *testing.T) func(args ...string) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a cluster needs root")
	}
	if current() {
		t.Skip("CLUSTER=current: no cluster is started on this machine")
	}
	program := filepath.Join(t.TempDir(), "testcluster")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	source, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) *exec.Cmd {
		command := exec.Command(program, args...)
		command.Env = append(os.Environ(), "RECONCILIATION_REPOSITORY="+source, "CLUSTER=", "CLUSTER_NAME="+scratchName)
		return command
	}
}

// upUntil starts the cluster and kills the driver with SIGKILL when it prints
// the text, which is a point in the start-up that does not depend on time.
func upUntil(t *testing.T, up *exec.Cmd, text string) {
	t.Helper()
	output, err := up.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems bytes.Buffer
	up.Stderr = &problems
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	var printed []string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		printed = append(printed, lines.Text())
		if strings.Contains(lines.Text(), text) {
			up.Process.Kill()
			up.Wait()
			return
		}
	}
	t.Fatalf("up never said %q: %v\n%s\n%s", text, up.Wait(), strings.Join(printed, "\n"), &problems)
}

func must(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, output)
	}
	return string(output)
}

// killComponents kills some of a cluster's components as the machine sees them.
func killComponents(t *testing.T, l cluster.Layout, names ...string) {
	t.Helper()
	owner, running, err := cluster.RunningOwner(l)
	if err != nil || !running {
		t.Fatalf("no owner: %v", err)
	}
	pids, err := cluster.HostPIDs(owner)
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, pid := range pids {
		line, _ := os.ReadFile("/proc/" + itoa(pid) + "/cmdline")
		for _, name := range names {
			if program, _, _ := bytes.Cut(line, []byte{0}); filepath.Base(string(program)) == name {
				process, err := os.FindProcess(pid)
				if err == nil {
					err = process.Kill()
				}
				if err != nil {
					t.Fatal(err)
				}
				killed++
			}
		}
	}
	if killed < len(names) {
		t.Fatalf("killed %d of %v", killed, names)
	}
}

// A pod whose process, mounts, interface and cgroups are all there to be left
// behind. It runs the one image that every cluster has.
func runPod(t *testing.T, run func(...string) *exec.Cmd, l cluster.Layout) {
	t.Helper()
	plan, err := cluster.ReadPlan(l)
	if err != nil {
		t.Fatal(err)
	}
	pod, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "left-behind"},
		"spec": map[string]any{
			"containers": []any{map[string]any{
				"name": "main", "image": plan.PauseImage, "imagePullPolicy": "Never",
				"volumeMounts": []any{map[string]any{"name": "memory", "mountPath": "/memory"}},
			}},
			"volumes": []any{map[string]any{"name": "memory", "emptyDir": map[string]any{"medium": "Memory"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	apply := run("kubectl", "apply", "-f", "-")
	apply.Stdin = bytes.NewReader(pod)
	must(t, apply)
	must(t, run("kubectl", "wait", "--for=condition=Ready", "pod/left-behind", "--timeout=60s"))
}

func TestDownLeavesNothingBehind(t *testing.T) {
	run := driver(t)
	l, err := cluster.NewLayout(scratchName)
	if err != nil {
		t.Fatal(err)
	}
	down := func() *exec.Cmd { return run("down") }
	must(t, down())
	t.Cleanup(func() { must(t, down()) })
	// The main cluster, where there is one, must not notice any of this.
	main, err := cluster.NewLayout(cluster.DefaultName)
	if err != nil {
		t.Fatal(err)
	}
	mainOwner, mainRunning, err := cluster.RunningOwner(main)
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		// arrive brings the cluster into a state and returns what was there of it.
		arrive func(t *testing.T) trace
	}{
		{"driver killed before anything was started", func(t *testing.T) trace {
			if err := errors.Join(l.MakeDirectories(), cluster.WritePlan(l, cluster.Plan{Network: cluster.Network{Slot: cluster.Slots - 1}})); err != nil {
				t.Fatal(err)
			}
			return trace{network: cluster.Network{Slot: cluster.Slots - 1}}
		}},
		{"driver killed when namespaces are made", func(t *testing.T) trace {
			upUntil(t, run("up"), "namespaces")
			return traces(t, l)
		}},
		{"driver killed halfway", func(t *testing.T) trace {
			upUntil(t, run("up"), "API server ready")
			return traces(t, l)
		}},
		{"components killed under a running pod", func(t *testing.T) trace {
			must(t, run("up"))
			runPod(t, run, l)
			seen := traces(t, l)
			killComponents(t, l, components.Kubelet, components.Containerd, components.Etcd)
			return seen
		}},
		{"owner killed under a running pod", func(t *testing.T) trace {
			must(t, run("up"))
			runPod(t, run, l)
			seen := traces(t, l)
			owner, _, err := cluster.RunningOwner(l)
			if err != nil {
				t.Fatal(err)
			}
			if err := owner.Kill(time.Minute); err != nil {
				t.Fatal(err)
			}
			return seen
		}},
		{"driver killed, and another up after it", func(t *testing.T) trace {
			upUntil(t, run("up"), "API server ready")
			must(t, run("up"))
			must(t, run("status"))
			return traces(t, l)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := observeMachine(t)
			seen := c.arrive(t)
			t.Logf("%d processes to end", len(seen.processes))
			must(t, down())
			seen.assertGone(t, l)
			before.assertRestored(t, observeMachine(t))
			must(t, down())
		})
	}
	if mainRunning {
		if owner, running, err := cluster.RunningOwner(main); err != nil || !running || owner != mainOwner {
			t.Errorf("the main cluster is another one now: %v, %v", owner, err)
		}
		status := run("status", "--name", cluster.DefaultName)
		if output, err := status.CombinedOutput(); err != nil {
			t.Errorf("the main cluster is not healthy: %v\n%s", err, output)
		}
	}
}

// After a reboot, or where a pid was recycled, the recorded pid is another
// process's, which must live.
func TestDownSparesAProcessWithARecycledPID(t *testing.T) {
	run := driver(t)
	l, err := cluster.NewLayout("recycled-test")
	if err != nil {
		t.Fatal(err)
	}
	bystander := exec.Command("sleep", "600")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer bystander.Wait()
	defer bystander.Process.Kill()
	if err := l.MakeDirectories(); err != nil {
		t.Fatal(err)
	}
	if err := cluster.WriteOwner(l, cluster.Owner{PID: bystander.Process.Pid, StartTime: 1, Boot: "earlier"}); err != nil {
		t.Fatal(err)
	}
	must(t, run("down", "--name", l.Name))
	if state, err := os.ReadFile("/proc/" + itoa(bystander.Process.Pid) + "/stat"); err != nil || strings.Contains(string(state), ") Z ") {
		t.Errorf("the other process was killed: %s, %v", state, err)
	}
	if _, err := os.Stat(l.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}
