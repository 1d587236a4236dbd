package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

func certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(content)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestCertificatesSayWhoTheyAreFor(t *testing.T) {
	l := cluster.Layout{Name: "example", Dir: t.TempDir()}
	n := cluster.Network{Slot: 1}
	if err := l.MakeDirectories(); err != nil {
		t.Fatal(err)
	}
	if err := Write(l, n); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, l.PKI("ca.crt")))

	server := certificate(t, l.PKI("kube-apiserver.crt"))
	for _, name := range []string{n.NodeIP().String(), n.APIService().String(), "kubernetes.default.svc", "127.0.0.1"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("the API server as %s: %v", name, err)
		}
	}
	for _, id := range Identities {
		client := certificate(t, l.PKI(id.File+".crt"))
		if client.Subject.CommonName != id.User {
			t.Errorf("%s is %s", id.File, client.Subject.CommonName)
		}
		if privileged := len(client.Subject.Organization) > 0 && client.Subject.Organization[0] == "system:masters"; privileged != (id.File == "admin") {
			t.Errorf("%s is in %v", id.File, client.Subject.Organization)
		}
		usage := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := client.Verify(usage); err != nil {
			t.Errorf("%s as a client: %v", id.File, err)
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", l.AdminKubeconfig())
	if err != nil || config.Host != n.APIServer() {
		t.Errorf("kubeconfig: %v, %v", config, err)
	}
	files, err := filepath.Glob(filepath.Join(l.Dir, "pki", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, l.AdminKubeconfig()) {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is readable for others: %v, %v", file, info.Mode(), err)
		}
	}
}
