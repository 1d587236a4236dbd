package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// uplink is the node's end of the link to the host.
const uplink = "host0"

// arrangeNetwork links our network namespace to the host's. The link and the
// host's routes over it vanish with the namespace, so a crash leaves none.
func arrangeNetwork(host netns.NsHandle, n cluster.Network) error {
	own, err := netns.Get()
	if err != nil {
		return err
	}
	defer own.Close()
	outside, err := netlink.NewHandleAt(host)
	if err != nil {
		return fmt.Errorf("reach the host's network: %w", err)
	}
	defer outside.Close()

	pair := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: n.HostInterface()},
		PeerName:      uplink,
		PeerNamespace: netlink.NsFd(own),
	}
	if err := outside.LinkAdd(pair); err != nil {
		return fmt.Errorf("add interface %s: %w", n.HostInterface(), err)
	}
	hostEnd, err := outside.LinkByName(n.HostInterface())
	if err != nil {
		return err
	}
	if err := outside.AddrAdd(hostEnd, onLink(n.HostIP(), n.Link())); err != nil {
		return err
	}
	if err := outside.LinkSetUp(hostEnd); err != nil {
		return err
	}
	if err := arrangeNode(n); err != nil {
		return err
	}
	for _, behind := range []netip.Prefix{n.Pods(), n.Services()} {
		route := &netlink.Route{LinkIndex: hostEnd.Attrs().Index, Dst: ipNet(behind), Gw: n.NodeIP().AsSlice()}
		if err := outside.RouteAdd(route); err != nil {
			return fmt.Errorf("route %s to the cluster: %w", behind, err)
		}
	}
	return nil
}

// arrangeNode sets up our own namespace. There is no default route: what is
// outside fails at once instead of running into a time-out.
func arrangeNode(n cluster.Network) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return err
	}
	nodeEnd, err := netlink.LinkByName(uplink)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(nodeEnd, onLink(n.NodeIP(), n.Link())); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(nodeEnd); err != nil {
		return err
	}
	// kube-proxy's rules apply when a packet is routed, so there must be a route
	// for Services even though no interface has their addresses.
	services := &netlink.Route{LinkIndex: loopback.Attrs().Index, Dst: ipNet(n.Services()), Scope: netlink.SCOPE_LINK, Src: n.NodeIP().AsSlice()}
	if err := netlink.RouteAdd(services); err != nil {
		return fmt.Errorf("route for Services: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// RoutedByHost lists the networks that the calling process's network namespace
// has addresses in or routes to.
func RoutedByHost() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var prefixes []netip.Prefix
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		address, ok := netip.AddrFromSlice(route.Dst.IP.To4())
		if bits, _ := route.Dst.Mask.Size(); ok {
			prefixes = append(prefixes, netip.PrefixFrom(address, bits))
		}
	}
	return prefixes, nil
}

// RemoveHostInterface removes the host's end of the link. The kernel does so
// itself some time after the namespace's last process has ended; this makes it
// happen now.
func RemoveHostInterface(n cluster.Network) error {
	link, err := netlink.LinkByName(n.HostInterface())
	if err != nil {
		return ignoreGone(err)
	}
	return ignoreGone(netlink.LinkDel(link))
}

func ignoreGone(err error) error {
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func onLink(address netip.Addr, link netip.Prefix) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(link.Bits(), 32)}}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}
