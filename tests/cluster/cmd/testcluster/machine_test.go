package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/node"
)

func itoa(n int) string { return strconv.Itoa(n) }

// machine is what a cluster could leave behind outside of its namespaces.
type machine struct {
	mounts, interfaces, routes, rules map[string]bool
}

var counters = regexp.MustCompile(`\[\d+:\d+\]`)

func observeMachine(t *testing.T) machine {
	t.Helper()
	m := machine{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mountinfo)) {
		// Others on this machine may be mounting too, for builds in /tmp or in
		// a home; a cluster mounts in these places alone.
		point := strings.Fields(line)[4]
		for _, ours := range []string{"/run", "/var", "/proc", "/sys", cluster.Root} {
			if point == ours || strings.HasPrefix(point, ours+"/") {
				m.mounts[point] = true
			}
		}
	}
	// The interfaces of clusters that others start or stop meanwhile are theirs.
	others := map[string]bool{}
	taken, err := cluster.TakenSlots(cluster.Root)
	if err != nil {
		t.Fatal(err)
	}
	for slot := range taken {
		others[cluster.Network{Slot: slot}.HostInterface()] = true
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if name := link.Attrs().Name; !others[name] {
			m.interfaces[name] = true
			routes, err := netlink.RouteList(link, netlink.FAMILY_V4)
			if err != nil {
				t.Fatal(err)
			}
			for _, route := range routes {
				m.routes[route.String()] = true
			}
		}
	}
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		rules, err := exec.Command(program).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(rules)) {
			if !strings.HasPrefix(line, "#") {
				m.rules[program+" "+counters.ReplaceAllString(line, "")] = true
			}
		}
	}
	return m
}

func (m machine) assertRestored(t *testing.T, now machine) {
	t.Helper()
	for kind, pair := range map[string][2]map[string]bool{
		"mount":         {m.mounts, now.mounts},
		"interface":     {m.interfaces, now.interfaces},
		"route":         {m.routes, now.routes},
		"iptables rule": {m.rules, now.rules},
	} {
		for item := range pair[1] {
			if !pair[0][item] {
				t.Errorf("%s left behind: %s", kind, item)
			}
		}
		for item := range pair[0] {
			if !pair[1][item] {
				t.Errorf("%s is gone, but it was not ours: %s", kind, item)
			}
		}
	}
}

// trace is what a cluster had while it ran.
type trace struct {
	processes []cluster.Owner
	network   cluster.Network
}

// traces lists every process of the cluster, pods and their shims included: all
// descend from the owner, whichever namespace they are in.
func traces(t *testing.T, l cluster.Layout) trace {
	t.Helper()
	plan, err := cluster.ReadPlan(l)
	if err != nil {
		t.Fatal(err)
	}
	found := trace{network: plan.Network}
	owner, running, err := cluster.RunningOwner(l)
	if err != nil {
		t.Fatal(err)
	}
	if !running {
		t.Fatal("nothing runs, so nothing could be left behind")
	}
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // It ended meanwhile.
		}
		text := string(content)
		fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	for _, pid := range slices.Sorted(maps.Keys(parents)) {
		for at := pid; at > 1; at = parents[at] {
			if at == owner.PID {
				if process, err := cluster.Observe(pid); err == nil {
					found.processes = append(found.processes, process)
				}
				break
			}
		}
	}
	return found
}

func (tr trace) assertGone(t *testing.T, l cluster.Layout) {
	t.Helper()
	for _, process := range tr.processes {
		if running, err := process.Running(); running || err != nil {
			t.Errorf("process left behind: %d, %v", process.PID, err)
		}
	}
	// Whoever is not in that list still names the cluster, or is in its cgroups.
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		pid := filepath.Base(filepath.Dir(path))
		line, _ := os.ReadFile(path)
		groups, _ := os.ReadFile(fmt.Sprintf("/proc/%s/cgroup", pid))
		if strings.Contains(string(line), l.Dir+"/") || strings.Contains(string(groups), l.Cgroup()+"/") {
			t.Errorf("process left behind: %s %q", pid, line)
		}
	}
	groups, err := node.Cgroups(l)
	if err != nil || len(groups) == 0 {
		t.Fatalf("cgroups: %v, %v", groups, err)
	}
	for _, path := range append(groups, l.Dir, l.Lock()) {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("left behind: %s", path)
		}
	}
	if _, err := netlink.LinkByName(tr.network.HostInterface()); err == nil {
		t.Errorf("interface left behind: %s", tr.network.HostInterface())
	}
}
