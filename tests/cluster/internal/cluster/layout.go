// Package cluster names what belongs to one test cluster: its directory, its
// files, its addresses and the process that owns it.
package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Root holds one directory per cluster, and a lock file beside each. It is on
// disk, not under /run: overlay file systems and etcd live below it.
const Root = "/var/lib/reconciliation-platform/clusters"

// DefaultName is the cluster that commands mean when no --name is given.
const DefaultName = "default"

// The limit leaves room for the name in a cgroup's and a socket's path.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$`)

// NodeName is the one node of every cluster.
const NodeName = "node-0"

// Layout gives the paths of one cluster.
type Layout struct {
	Name string
	Dir  string
}

// NewLayout fails on a name that could not be part of a path or a cgroup.
func NewLayout(name string) (Layout, error) {
	if !validName.MatchString(name) {
		return Layout{}, fmt.Errorf("cluster name %q: use 1 to 20 lower-case letters, digits and dashes", name)
	}
	return Layout{Name: name, Dir: filepath.Join(Root, name)}, nil
}

func (l Layout) path(elements ...string) string {
	return filepath.Join(append([]string{l.Dir}, elements...)...)
}

// Lock is held by whoever changes the cluster. It lies outside Dir, which goes
// away with the cluster.
func (l Layout) Lock() string { return filepath.Join(Root, l.Name+".lock") }

// Plan is what `up` decided: the slot and the binaries.
func (l Layout) Plan() string { return l.path("plan.json") }

// Owner identifies the process that is pid 1 of the cluster.
func (l Layout) Owner() string { return l.path("owner.json") }

// Control is the socket on which the owner answers.
func (l Layout) Control() string { return l.path("control.sock") }

// AdminKubeconfig is the one for people and tests.
func (l Layout) AdminKubeconfig() string { return l.path("admin.kubeconfig") }

// Kubeconfig is the one of a component.
func (l Layout) Kubeconfig(component string) string { return l.path("pki", component+".kubeconfig") }

// PKI is a certificate or a key.
func (l Layout) PKI(file string) string { return l.path("pki", file) }

// Config is a rendered configuration file.
func (l Layout) Config(file string) string { return l.path("config", file) }

// Log is what a component printed.
func (l Layout) Log(component string) string { return l.path("logs", component+".log") }

// Data is the directory that a component keeps its state in.
func (l Layout) Data(component string) string { return l.path("data", component) }

// ContainerdSocket also serves the CRI.
func (l Layout) ContainerdSocket() string { return l.path("containerd.sock") }

// Volumes holds the directories of the PersistentVolumes.
func (l Layout) Volumes() string { return l.path("volumes") }

// Loaded records the archives that were imported into containerd.
func (l Layout) Loaded() string { return l.path("loaded") }

// Cgroup is the parent of all pods' cgroups, below the root of every hierarchy.
func (l Layout) Cgroup() string { return "/rp-" + l.Name }

// MakeDirectories makes what components expect to exist. The directory itself
// is private, as keys are in it.
func (l Layout) MakeDirectories() error {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{"pki", "config", "logs", "data", "volumes", "loaded"} {
		if err := os.MkdirAll(l.path(dir), 0o700); err != nil {
			return err
		}
	}
	return nil
}
