// Package debian installs the packages that a test cluster runs on.
package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Cluster is what a node needs: the container runtime and what it, the network
// plugins and kube-proxy call.
var Cluster = []string{"containerd", "runc", "containernetworking-plugins", "iptables", "conntrack"}

// Images is what building images needs.
var Images = []string{"mmdebstrap", "buildah"}

// Missing lists the packages that are not installed. It looks at
// dpkg's own files instead of asking dpkg, which takes a quarter of a second;
// the checksums, unlike the list of files, go away with a removed package.
func Missing(packages []string) []string { return missing("/var/lib/dpkg/info", packages) }

func missing(info string, packages []string) []string {
	var absent []string
	for _, name := range packages {
		_, plain := os.Stat(filepath.Join(info, name+".md5sums"))
		_, qualified := os.Stat(filepath.Join(info, name+":"+runtime.GOARCH+".md5sums"))
		if plain != nil && qualified != nil {
			absent = append(absent, name)
		}
	}
	return absent
}

// Install installs what is missing.
func Install(packages []string, say func(string)) error {
	absent := Missing(packages)
	if len(absent) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine has no apt-get: install %s by its own means", strings.Join(absent, ", "))
	}
	say("installing " + strings.Join(absent, " "))
	if err := aptGet("update"); err != nil {
		return err
	}
	return aptGet(append([]string{"install", "--yes", "--no-install-recommends"}, absent...)...)
}

func aptGet(args ...string) error {
	command := exec.Command("apt-get", append([]string{"-o", "DPkg::Lock::Timeout=300", "--quiet"}, args...)...)
	// RUNLEVEL=1 tells maintainer scripts not to start services: the cluster
	// runs a containerd of its own.
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s failed; run it by hand to see more: %w\n%s", strings.Join(args, " "), err, lastLines(string(output), 15))
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
