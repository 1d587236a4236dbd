package components

import (
	"encoding/json"
	"fmt"
	"os"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"sigs.k8s.io/yaml"
)

// Bridge connects the pods, inside the cluster's network namespace.
const Bridge = "pods0"

// CNIDir is where containerd looks for the network configuration. It has a
// directory of its own, as containerd reads every file in it.
func CNIDir(l cluster.Layout) string { return l.Data("cni-config") }

// WriteConfigs renders every configuration file of the plan.
func WriteConfigs(l cluster.Layout, p cluster.Plan) error {
	if err := os.MkdirAll(CNIDir(l), 0o700); err != nil {
		return err
	}
	files := map[string][]byte{
		l.Config("containerd.toml"):       []byte(containerdConfig(l, p)),
		l.Config("kubelet.yaml"):          asYAML(kubeletConfig(l, p.Network)),
		l.Config("kube-proxy.yaml"):       asYAML(proxyConfig(l, p.Network)),
		l.Config("audit-policy.yaml"):     asYAML(auditPolicy()),
		l.Config("Corefile"):              []byte(corefile(l, p.Network)),
		l.Config("resolv.conf"):           []byte(resolvConf(p.Network)),
		CNIDir(l) + "/10-bridge.conflist": asJSON(cniConfig(p.Network)),
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func containerdConfig(l cluster.Layout, p cluster.Plan) string {
	// restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many virtual
	// machines and containers, no process can lower its own score, and the
	// sandbox would fail to start with "can't get final child's PID from pipe".
	return fmt.Sprintf(`version = 2
root = %[1]q
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = %[2]q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[3]q
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %[4]q
`, l.Data(Containerd), l.ContainerdSocket(), p.PauseImage, CNIDir(l))
}

func cniConfig(n cluster.Network) map[string]any {
	return map[string]any{
		"cniVersion": "0.4.0",
		"name":       "pods",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": Bridge, "isGateway": true, "hairpinMode": true,
				// No masquerading: the host has a route to the pods, so what a
				// pod sends to the host can be answered as it is.
				"ipMasq": false,
				"ipam": map[string]any{
					"type":   "host-local",
					"ranges": []any{[]any{map[string]any{"subnet": n.Pods().String()}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
		},
	}
}

func kubeletConfig(l cluster.Layout, n cluster.Network) map[string]any {
	return map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": l.PKI("ca.crt")},
		},
		"authorization":            map[string]any{"mode": "Webhook"},
		"address":                  n.NodeIP().String(),
		"tlsCertFile":              l.PKI("kubelet-server.crt"),
		"tlsPrivateKeyFile":        l.PKI("kubelet-server.key"),
		"containerRuntimeEndpoint": unixPrefix + l.ContainerdSocket(),
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               l.Cgroup(),
		"enforceNodeAllocatable":   []string{},
		"failSwapOn":               false,
		"failCgroupV1":             false,
		"clusterDNS":               []string{n.NodeIP().String()},
		"clusterDomain":            "cluster.local",
		"resolvConf":               l.Config("resolv.conf"),
		"podLogsDir":               l.Data("pod-logs"),
		// Images cannot be pulled again here, so none may be collected, and a
		// disk that others fill must not evict pods early.
		"imageGCHighThresholdPercent": 100,
		"evictionHard": map[string]any{
			"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
		},
		// Tests restart pods on purpose and should not wait for minutes.
		"crashLoopBackOff": map[string]any{"maxContainerRestartPeriod": "10s"},
		"featureGates":     map[string]any{"KubeletCrashLoopBackOffMax": true},
	}
}

func proxyConfig(l cluster.Layout, n cluster.Network) map[string]any {
	return map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "iptables",
		"clusterCIDR":        n.Pods().String(),
		"clientConnection":   map[string]any{"kubeconfig": l.Kubeconfig(Proxy)},
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
		// These limits belong to the whole machine and cannot be set, nor
		// should they be, from a namespace.
		"conntrack": map[string]any{
			"maxPerCore": 0, "min": 0,
			"tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s",
		},
	}
}

func auditPolicy() map[string]any {
	return map[string]any{
		"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
		"omitStages": []string{"RequestReceived"},
		"rules": []any{
			// Leases are renewed every few seconds and say nothing.
			map[string]any{"level": "None", "resources": []any{
				map[string]any{"group": "coordination.k8s.io", "resources": []string{"leases"}}},
				"userGroups": []string{"system:nodes"}},
			map[string]any{"level": "Metadata"},
		},
	}
}

func corefile(l cluster.Layout, n cluster.Network) string {
	return fmt.Sprintf(`.:53 {
  bind %s
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig %s
    pods insecure
  }
  cache 5
}
`, n.NodeIP(), l.Kubeconfig(CoreDNS))
}

// resolvConf is for pods that take the node's DNS settings. The machine's own
// file would bring its search domains into every pod.
func resolvConf(n cluster.Network) string { return fmt.Sprintf("nameserver %s\n", n.NodeIP()) }

// The values are literals of this file, so marshalling cannot fail.
func asYAML(value any) []byte {
	data, err := yaml.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

func asJSON(value any) []byte {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(err)
	}
	return data
}
