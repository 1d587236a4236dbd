package node

import (
	"slices"
	"strings"
	"testing"
)

func TestCgroupHierarchiesOfBothVersions(t *testing.T) {
	mountinfo := `25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:9 master:2 - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`
	got, err := cgroupHierarchies(strings.NewReader(mountinfo))
	want := []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := cgroupHierarchies(strings.NewReader("nonsense\n")); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestJournalGivesLateReadersEverything(t *testing.T) {
	j := newJournal()
	if j.state() != Starting {
		t.Errorf("a new journal is %s", j.state())
	}
	_, changed := j.from(0)
	j.step("one")
	<-changed
	j.add(Failed, "etcd", "two")
	entries, _ := j.from(0)
	if len(entries) != 2 || entries[0].Text != "one" || entries[1].Component != "etcd" || j.state() != Failed {
		t.Errorf("got %+v", entries)
	}
}
