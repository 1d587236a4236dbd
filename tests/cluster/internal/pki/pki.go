// Package pki makes the certificates and keys of one test cluster. They live as
// long as the cluster does; every file is readable by root alone.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"sigs.k8s.io/yaml"
)

// A demo may be left running for weeks, so certificates last a year.
const validity = 365 * 24 * time.Hour

// Identity is a user of the API: the common name, and the organisations, which
// Kubernetes reads as groups.
type Identity struct {
	File   string
	User   string
	Groups []string
}

// Identities are the clients of the API server. Apart from the administrator
// each may do only what RBAC grants it, as on any cluster.
var Identities = []Identity{
	{File: "admin", User: "kubernetes-admin", Groups: []string{"system:masters"}},
	{File: "kube-controller-manager", User: "system:kube-controller-manager"},
	{File: "kube-scheduler", User: "system:kube-scheduler"},
	{File: "kubelet", User: "system:node:" + cluster.NodeName, Groups: []string{"system:nodes"}},
	{File: "kube-proxy", User: "system:kube-proxy"},
	{File: "coredns", User: "reconciliation-platform:coredns"},
	{File: "external-secrets", User: "reconciliation-platform:external-secrets"},
	{File: "host-path-provisioner", User: "reconciliation-platform:host-path-provisioner"},
}

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	serial      int64
}

// Write makes the authority, the servers' and the clients' certificates, the
// ServiceAccount signing key, and a kubeconfig for every client.
func Write(l cluster.Layout, n cluster.Network) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	if err := writePEM(l.PKI("ca.crt"), "CERTIFICATE", ca.certificate.Raw); err != nil {
		return err
	}
	if err := writeKey(l.PKI("ca.key"), ca.key); err != nil {
		return err
	}
	servers := []struct {
		file, name string
		dns        []string
		ips        []net.IP
	}{
		{"kube-apiserver", "kube-apiserver",
			[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
			[]net.IP{net.IPv4(127, 0, 0, 1), n.NodeIP().AsSlice(), n.APIService().AsSlice()}},
		{"kubelet-server", "system:node:" + cluster.NodeName, []string{cluster.NodeName}, []net.IP{n.NodeIP().AsSlice()}},
	}
	for _, s := range servers {
		template := &x509.Certificate{
			Subject: pkix.Name{CommonName: s.name}, DNSNames: s.dns, IPAddresses: s.ips,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		if _, _, err := ca.issue(l, s.file, template); err != nil {
			return err
		}
	}
	// The API server is a client of the kubelet, for logs and exec.
	toKubelet := Identity{File: "kube-apiserver-kubelet-client", User: "kube-apiserver-kubelet-client", Groups: []string{"system:masters"}}
	for _, id := range append([]Identity{toKubelet}, Identities...) {
		template := &x509.Certificate{
			Subject:     pkix.Name{CommonName: id.User, Organization: id.Groups},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		cert, key, err := ca.issue(l, id.File, template)
		if err != nil {
			return err
		}
		config, err := kubeconfig(l.Name, n.APIServer(), ca.certificate.Raw, cert, key)
		if err != nil {
			return err
		}
		if err := os.WriteFile(l.Kubeconfig(id.File), config, 0o600); err != nil {
			return err
		}
		if id.File == "admin" {
			if err := os.WriteFile(l.AdminKubeconfig(), config, 0o600); err != nil {
				return err
			}
		}
	}
	// RSA, as clusters elsewhere have it: what verifies ServiceAccount tokens
	// in tests should meet RS256, the algorithm it will meet in production.
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	return writeKey(l.PKI("service-account.key"), signer)
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test-cluster-ca"},
		// An hour back, for a clock that is set while the cluster runs.
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate: certificate, key: key, serial: 1}, err
}

// issue signs the template for a new key, writes both and returns them as PEM.
func (a *authority) issue(l cluster.Layout, file string, template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore, template.NotAfter = a.certificate.NotBefore, a.certificate.NotAfter
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate %s: %w", file, err)
	}
	if err := writePEM(l.PKI(file+".crt"), "CERTIFICATE", der); err != nil {
		return nil, nil, err
	}
	if err := writeKey(l.PKI(file+".key"), key); err != nil {
		return nil, nil, err
	}
	keyPEM, err = os.ReadFile(l.PKI(file + ".key"))
	return encodePEM("CERTIFICATE", der), keyPEM, err
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, encodePEM(kind, der), 0o600)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

// kubeconfig carries its certificates inside, so that the file works wherever
// it is copied.
func kubeconfig(name, server string, ca, cert, key []byte) ([]byte, error) {
	entry := func(kind string, value any) []any { return []any{map[string]any{"name": name, kind: value}} }
	return yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": entry("cluster", map[string]any{"server": server, "certificate-authority-data": encodePEM("CERTIFICATE", ca)}),
		"users":    entry("user", map[string]any{"client-certificate-data": cert, "client-key-data": key}),
		"contexts": entry("context", map[string]any{"cluster": name, "user": name}),
	})
}
