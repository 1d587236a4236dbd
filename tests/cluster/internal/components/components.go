// Package components says how each program of a test cluster is started and how
// its health is asked for. It only computes: the node package does the rest.
package components

import (
	"fmt"
	"strings"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// Component is one supervised program.
type Component struct {
	Name string
	// Args begins with the program's name: the Kubernetes binary decides by it
	// which of its components to be.
	Binary string
	Args   []string
	// Health answers 200 when the component serves, as seen from the node.
	Health string
	// Contains, where set, must be in the body of the answer.
	Contains string
}

// Health of containerd is its socket: it has no HTTP endpoint.
const unixPrefix = "unix://"

// Socket returns the path if the health check is a socket to connect to.
func (c Component) Socket() (string, bool) { return strings.CutPrefix(c.Health, unixPrefix) }

// The names that other packages start or ask for one by one.
const (
	Containerd        = "containerd"
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	CoreDNS           = "coredns"
	ExternalSecrets   = "external-secrets"
)

// All lists the components in the order in which they can start.
func All(l cluster.Layout, p cluster.Plan) []Component {
	n := p.Network
	component := func(name, health string, args ...string) Component {
		return Component{Name: name, Binary: p.Binaries[name], Args: append([]string{name}, args...), Health: health}
	}
	kubeconfig := "--kubeconfig="
	eso := component(ExternalSecrets, "http://127.0.0.1:8080/metrics",
		"--metrics-addr=127.0.0.1:8080",
		// One node, little load: a second worker keeps one slow store from
		// holding up all others.
		"--concurrent=2",
	)
	// The endpoint is up before the controllers are; this one's metric is not.
	eso.Contains = `controller_runtime_max_concurrent_reconciles{controller="externalsecret"}`

	return []Component{
		component(Containerd, unixPrefix+l.ContainerdSocket(), "--config="+l.Config("containerd.toml")),
		component(Etcd, "http://127.0.0.1:2379/health",
			"--name="+cluster.NodeName,
			"--data-dir="+l.Data(Etcd),
			"--listen-client-urls=http://127.0.0.1:2379",
			"--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--initial-advertise-peer-urls=http://127.0.0.1:2380",
			"--initial-cluster="+cluster.NodeName+"=http://127.0.0.1:2380",
			// The data does not outlive the cluster, so it need not survive a
			// power cut; syncing would cost seconds at start-up.
			"--unsafe-no-fsync",
			"--log-level=warn",
		),
		component(APIServer, n.APIServer()+"/readyz",
			"--etcd-servers=http://127.0.0.1:2379",
			"--bind-address="+n.NodeIP().String(),
			"--advertise-address="+n.NodeIP().String(),
			"--service-cluster-ip-range="+n.Services().String(),
			"--client-ca-file="+l.PKI("ca.crt"),
			"--tls-cert-file="+l.PKI("kube-apiserver.crt"),
			"--tls-private-key-file="+l.PKI("kube-apiserver.key"),
			"--kubelet-client-certificate="+l.PKI("kube-apiserver-kubelet-client.crt"),
			"--kubelet-client-key="+l.PKI("kube-apiserver-kubelet-client.key"),
			"--kubelet-certificate-authority="+l.PKI("ca.crt"),
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file="+l.PKI("service-account.key"),
			"--service-account-signing-key-file="+l.PKI("service-account.key"),
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--audit-policy-file="+l.Config("audit-policy.yaml"),
			"--audit-log-path="+l.Log("audit"),
			"--audit-log-maxsize=100",
			"--audit-log-maxbackup=2",
		),
		component(ControllerManager, "https://127.0.0.1:10257/healthz",
			kubeconfig+l.Kubeconfig(ControllerManager),
			"--bind-address=127.0.0.1",
			"--use-service-account-credentials=true",
			"--service-account-private-key-file="+l.PKI("service-account.key"),
			"--root-ca-file="+l.PKI("ca.crt"),
			"--cluster-signing-cert-file="+l.PKI("ca.crt"),
			"--cluster-signing-key-file="+l.PKI("ca.key"),
			"--leader-elect=false",
		),
		component(Scheduler, "https://127.0.0.1:10259/healthz",
			kubeconfig+l.Kubeconfig(Scheduler),
			"--bind-address=127.0.0.1",
			"--leader-elect=false",
		),
		component(Kubelet, "http://127.0.0.1:10248/healthz",
			kubeconfig+l.Kubeconfig(Kubelet),
			"--config="+l.Config("kubelet.yaml"),
			"--root-dir="+l.Data(Kubelet),
			"--hostname-override="+cluster.NodeName,
			"--node-ip="+n.NodeIP().String(),
		),
		component(Proxy, "http://127.0.0.1:10256/healthz",
			"--config="+l.Config("kube-proxy.yaml"),
			"--hostname-override="+cluster.NodeName,
		),
		component(CoreDNS, "http://127.0.0.1:8181/ready", "-conf="+l.Config("Corefile")),
		eso,
	}
}

// Environment is what a component needs beside PATH. It is built up from
// nothing: a proxy or a KUBECONFIG of the caller must not reach the cluster.
func Environment(l cluster.Layout, name string) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
	}
	if name == ExternalSecrets {
		env = append(env, fmt.Sprintf("KUBECONFIG=%s", l.Kubeconfig(ExternalSecrets)))
	}
	return env
}
