package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Slots is how many clusters fit on one machine. Slot s has pods in
// 10.(88+s).0.0/16 and Services in 10.(96+s).0.0/16, so eight do not overlap.
const Slots = 8

// Network is the addresses of one slot. Host and node face each other over one
// veth pair; everything else is behind the node's end.
type Network struct{ Slot int }

func (n Network) address(second, third, fourth int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(second), byte(third), byte(fourth)})
}

// HostIP is the host's end of the link.
func (n Network) HostIP() netip.Addr { return n.address(87, n.Slot, 1) }

// NodeIP is the node's end. The API server and the DNS server listen on it.
func (n Network) NodeIP() netip.Addr { return n.address(87, n.Slot, 2) }

// Link is the network of the two ends.
func (n Network) Link() netip.Prefix { return netip.PrefixFrom(n.address(87, n.Slot, 0), 30) }

// Pods is where pods get their addresses from.
func (n Network) Pods() netip.Prefix { return netip.PrefixFrom(n.address(88+n.Slot, 0, 0), 16) }

// Services is where Services get their cluster IPs from.
func (n Network) Services() netip.Prefix { return netip.PrefixFrom(n.address(96+n.Slot, 0, 0), 16) }

// APIService is the cluster IP of Service default/kubernetes: always the first.
func (n Network) APIService() netip.Addr { return n.Services().Addr().Next() }

// APIServer is where the API is reached, from the host and from pods alike.
func (n Network) APIServer() string { return fmt.Sprintf("https://%s:6443", n.NodeIP()) }

// HostInterface is the only interface that a cluster has outside its own
// network namespace.
func (n Network) HostInterface() string { return fmt.Sprintf("rp%d", n.Slot) }

// Prefixes is all that the host routes to the node.
func (n Network) Prefixes() []netip.Prefix {
	return []netip.Prefix{n.Link(), n.Pods(), n.Services()}
}

// FreeSlot picks the lowest slot that no other cluster has and none of whose
// networks overlaps one that the host already reaches.
func FreeSlot(taken map[int]bool, routed []netip.Prefix) (Network, error) {
next:
	for slot := range Slots {
		if taken[slot] {
			continue
		}
		network := Network{Slot: slot}
		for _, ours := range network.Prefixes() {
			for _, theirs := range routed {
				// The default route overlaps everything and is no conflict.
				if theirs.Bits() > 0 && ours.Overlaps(theirs) {
					continue next
				}
			}
		}
		return network, nil
	}
	return Network{}, errors.New("no free slot for another cluster: all eight are taken by clusters or by routes of this host (see `ip route`); stop one with `testcluster down --name NAME`")
}

// Plan is what `up` decides before anything is started, and what the owner
// process then carries out.
type Plan struct {
	Name    string
	Network Network
	// Binaries maps a component to its executable.
	Binaries map[string]string
	// CRDs is the bundle of the External Secrets Operator.
	CRDs string
	// PauseArchive is the image that holds a pod's namespaces.
	PauseArchive string
	PauseImage   string
}

// WritePlan records the plan, and by that takes the slot.
func WritePlan(l Layout, p Plan) error { return writeJSON(l.Plan(), p) }

// ReadPlan returns os.ErrNotExist where no cluster of this name was started.
func ReadPlan(l Layout) (Plan, error) {
	var p Plan
	return p, readJSON(l.Plan(), &p)
}

// TakenSlots lists the slots of all clusters under root, running or not: one
// that crashed keeps its slot until `down` has cleaned up after it.
func TakenSlots(root string) (map[int]bool, error) {
	plans, err := filepath.Glob(filepath.Join(root, "*", "plan.json"))
	if err != nil {
		return nil, err
	}
	taken := map[int]bool{}
	for _, path := range plans {
		var p Plan
		if err := readJSON(path, &p); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				continue // Taken down since the listing.
			}
			return nil, err
		}
		taken[p.Network.Slot] = true
	}
	return taken, nil
}

// writeJSON replaces the file in one step: a reader, or a crash, sees the old
// or the new content and never half of it.
func writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	next := path + ".next"
	if err := os.WriteFile(next, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

func readJSON(path string, value any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
