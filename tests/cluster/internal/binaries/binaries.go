// Package binaries builds the programs of a test cluster from their Go modules,
// into a cache outside of the checkout. A program whose sources did not change
// is not built again.
package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// module is one Go module with a program in it.
type module struct {
	name string
	// folder is relative to the repository.
	folder string
	// program is the package to build: the folder itself unless it says else.
	program string
	flags   string
	// links are further names for the binary, which decides by them what to be.
	links []string
	// after gets the finished output folder, to put more beside the binary.
	after func(source, output string) error
}

const kubernetesVersion = "v1.34.4"

const versionVariable = "-X k8s.io/component-base/version.git"

var modules = []module{
	{
		name: "kubernetes", folder: "tests/cluster/components/kubernetes", program: ".",
		flags: "-s -w " + versionVariable + "Version=" + kubernetesVersion +
			" " + versionVariable + "Major=1 " + versionVariable + "Minor=34",
		links: []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"},
	},
	{name: "coredns", folder: "tests/cluster/components/coredns", program: ".", flags: "-s -w"},
	{name: "external-secrets", folder: "tests/cluster/components/external-secrets", program: ".", flags: "-s -w", after: copyCRDs},
	{name: "helm", folder: "tests/cluster/components/helm", program: "helm.sh/helm/v3/cmd/helm", flags: "-s -w"},
	{name: "pause", folder: "images/pause", program: ".", flags: "-s -w"},
}

// Tools are the programs that people call, under stable names in Cache.Bin.
var tools = []string{"kubectl", "helm"}

// Cache is where binaries and images are kept.
type Cache struct{ Dir string }

// DefaultCache follows the XDG convention.
func DefaultCache() (Cache, error) {
	base, err := os.UserCacheDir()
	return Cache{Dir: filepath.Join(base, "reconciliation-platform", "cluster")}, err
}

// Bin holds the tools under their own names, for PATH.
func (c Cache) Bin() string { return filepath.Join(c.Dir, "bin") }

// Images holds the archives and what they are built from.
func (c Cache) Images() string { return filepath.Join(c.Dir, "images") }

// Built gives the paths of what was built.
type Built struct {
	// Programs maps every name, links included, to an executable.
	Programs map[string]string
	// Keys maps a module to the hash of its sources.
	Keys map[string]string
	CRDs string
}

// Build builds what is not in the cache, one program at a time: each uses all
// cores already, and a linker takes gigabytes.
func Build(c Cache, repository string, say func(string)) (Built, error) {
	built := Built{Programs: map[string]string{}, Keys: map[string]string{}}
	lock, err := cluster.Acquire(filepath.Join(c.Bin(), ".lock"))
	if err != nil {
		return built, err
	}
	defer lock.Release()
	for _, m := range modules {
		source := filepath.Join(repository, m.folder)
		key, err := m.key(source)
		if err != nil {
			return built, err
		}
		output := filepath.Join(c.Bin(), m.name+"-"+key)
		if _, err := os.Stat(output); errors.Is(err, fs.ErrNotExist) {
			say("building " + m.name + " (minutes where Go's cache is empty)")
			if err := m.build(source, output); err != nil {
				return built, err
			}
		} else if err != nil {
			return built, err
		}
		built.Keys[m.name] = key
		for _, name := range append([]string{m.name}, m.links...) {
			built.Programs[name] = filepath.Join(output, name)
		}
		if m.after != nil {
			built.CRDs = filepath.Join(output, crdBundle)
		}
	}
	for _, tool := range tools {
		if err := link(built.Programs[tool], filepath.Join(c.Bin(), tool)); err != nil {
			return built, err
		}
	}
	return built, nil
}

// key is a hash of all that decides what the binary will be.
func (m module) key(source string) (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), m.program, m.flags, m.links)
	entries, err := os.ReadDir(source)
	if err != nil {
		return "", fmt.Errorf("sources of %s: %w (call testcluster from the repository)", m.name, err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !(strings.HasSuffix(name, ".go") || name == "go.mod" || name == "go.sum") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// build works in a folder of another name and renames it at the end, so that
// the output is complete or absent.
func (m module) build(source, output string) error {
	unfinished := output + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return err
	}
	compile := exec.Command("go", "build", "-trimpath", "-ldflags", m.flags, "-o", filepath.Join(unfinished, m.name), m.program)
	compile.Dir = source
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if text, err := compile.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s (`go build` in %s): %w\n%s", m.name, source, err, text)
	}
	for _, name := range m.links {
		if err := os.Symlink(m.name, filepath.Join(unfinished, name)); err != nil {
			return err
		}
	}
	if m.after != nil {
		if err := m.after(source, unfinished); err != nil {
			return err
		}
	}
	return os.Rename(unfinished, output)
}

const crdBundle = "crds.yaml"

// copyCRDs takes the CRDs from the very module that the controller was built
// from, so that the two cannot differ.
func copyCRDs(source, output string) error {
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/external-secrets/external-secrets")
	list.Dir = source
	list.Env = append(os.Environ(), "GOWORK=off")
	folder, err := list.Output()
	if err != nil {
		return fmt.Errorf("find the module of the External Secrets Operator: %w", err)
	}
	from, err := os.Open(filepath.Join(strings.TrimSpace(string(folder)), "deploy", "crds", "bundle.yaml"))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(filepath.Join(output, crdBundle))
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		return err
	}
	return to.Close()
}

// link replaces a symlink in one step.
func link(target, name string) error {
	if current, err := os.Readlink(name); err == nil && current == target {
		return nil
	}
	next := name + ".next"
	os.Remove(next)
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, name)
}
