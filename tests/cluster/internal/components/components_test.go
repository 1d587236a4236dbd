package components

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"sigs.k8s.io/yaml"
)

func example(t *testing.T) (cluster.Layout, cluster.Plan) {
	t.Helper()
	l := cluster.Layout{Name: "example", Dir: t.TempDir()}
	if err := l.MakeDirectories(); err != nil {
		t.Fatal(err)
	}
	return l, cluster.Plan{Network: cluster.Network{Slot: 2}, PauseImage: "localhost/pause:1"}
}

func TestConfigsNameTheSlotsOwnAddresses(t *testing.T) {
	l, p := example(t)
	if err := WriteConfigs(l, p); err != nil {
		t.Fatal(err)
	}
	var kubelet, proxy struct {
		ClusterDNS  []string
		CgroupRoot  string
		ClusterCIDR string
	}
	for file, into := range map[string]any{"kubelet.yaml": &kubelet, "kube-proxy.yaml": &proxy} {
		content, err := os.ReadFile(l.Config(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(content, into); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(kubelet.ClusterDNS, []string{"10.87.2.2"}) || kubelet.CgroupRoot != "/rp-example" {
		t.Errorf("kubelet: %+v", kubelet)
	}
	if proxy.ClusterCIDR != "10.90.0.0/16" {
		t.Errorf("kube-proxy: %+v", proxy)
	}
}

func TestConfigsAreForRootAlone(t *testing.T) {
	l, p := example(t)
	if err := WriteConfigs(l, p); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"containerd.toml", "kubelet.yaml", "Corefile"} {
		if info, err := os.Stat(l.Config(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
}

// Every address that a component listens on is the node's or the loopback, never
// one that would be all interfaces.
func TestComponentsListenOnNamedAddresses(t *testing.T) {
	l, p := example(t)
	node := p.Network.NodeIP()
	for _, c := range All(l, p) {
		for _, arg := range c.Args {
			flag, value, _ := strings.Cut(arg, "=")
			if flag != "--bind-address" && flag != "--listen-client-urls" && flag != "--listen-peer-urls" && flag != "--metrics-addr" {
				continue
			}
			value = strings.TrimPrefix(value, "http://")
			if host, _, ok := strings.Cut(value, ":"); ok {
				value = host
			}
			address, err := netip.ParseAddr(value)
			if err != nil || (address != node && !address.IsLoopback()) {
				t.Errorf("%s: %s", c.Name, arg)
			}
		}
	}
}

func TestEnvironmentIsNotTheCallers(t *testing.T) {
	t.Setenv("KUBECONFIG", "/somewhere/else")
	t.Setenv("HTTPS_PROXY", "http://proxy")
	l, _ := example(t)
	for _, name := range []string{Kubelet, ExternalSecrets} {
		env := strings.Join(Environment(l, name), " ")
		if strings.Contains(env, "else") || strings.Contains(env, "proxy:") || strings.Contains(env, "PROXY") {
			t.Errorf("%s: %s", name, env)
		}
	}
}
