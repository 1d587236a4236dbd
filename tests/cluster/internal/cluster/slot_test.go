package cluster

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

func TestFreeSlotIsTheLowestThatNobodyUses(t *testing.T) {
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	for _, c := range []struct {
		name   string
		taken  []int
		routed []netip.Prefix
		want   int
	}{
		{"empty machine", nil, nil, 0},
		{"the default route is no conflict", nil, prefixes("0.0.0.0/0"), 0},
		{"other clusters", []int{0, 2}, nil, 1},
		{"a route into the pods of slot 0", nil, prefixes("10.88.7.0/24"), 1},
		{"a route around the Services of slots 0 and 1", nil, prefixes("10.96.0.0/15"), 2},
		{"a route onto the link of slot 0", nil, prefixes("10.87.0.0/30"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			taken := map[int]bool{}
			for _, slot := range c.taken {
				taken[slot] = true
			}
			network, err := FreeSlot(taken, c.routed)
			if err != nil || network.Slot != c.want {
				t.Errorf("got slot %d, %v; want %d", network.Slot, err, c.want)
			}
		})
	}
	if _, err := FreeSlot(nil, prefixes("10.0.0.0/8")); err == nil {
		t.Error("a machine that routes all of 10/8 has no free slot")
	}
}

func TestSlotsDoNotOverlap(t *testing.T) {
	var all []netip.Prefix
	for slot := range Slots {
		for _, ours := range (Network{slot}).Prefixes() {
			for _, theirs := range all {
				if ours.Overlaps(theirs) {
					t.Errorf("%s overlaps %s", ours, theirs)
				}
			}
			all = append(all, ours)
		}
	}
}

func TestNetworkAddressesAreInTheirNetworks(t *testing.T) {
	n := Network{Slot: 3}
	if !n.Link().Contains(n.HostIP()) || !n.Link().Contains(n.NodeIP()) {
		t.Error("both ends are on the link")
	}
	if got := n.APIService().String(); got != "10.99.0.1" {
		t.Errorf("API Service %s", got)
	}
}

func TestTakenSlotsCountsCrashedClusters(t *testing.T) {
	root := t.TempDir()
	crashed := Layout{Name: "crashed", Dir: filepath.Join(root, "crashed")}
	if err := os.MkdirAll(crashed.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WritePlan(crashed, Plan{Name: "crashed", Network: Network{Slot: 4}}); err != nil {
		t.Fatal(err)
	}
	taken, err := TakenSlots(root)
	if err != nil || len(taken) != 1 || !taken[4] {
		t.Errorf("got %v, %v", taken, err)
	}
}

func TestLayoutRefusesNamesThatAreNoPathElement(t *testing.T) {
	for _, name := range []string{"", "..", "a/b", "-a", "A", "a.b", "abcdefghijklmnopqrstu"} {
		if _, err := NewLayout(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if l, err := NewLayout("e2e-1"); err != nil || l.Cgroup() != "/rp-e2e-1" {
		t.Errorf("got %+v, %v", l, err)
	}
}
