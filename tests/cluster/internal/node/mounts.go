package node

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// kernelSettings are what the kubelet wants of the whole machine, and would set
// on it. They show inside the cluster as it wants them, by a file over each, so
// that the machine keeps its own.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// scratch are directories that components write to under names which cannot be
// configured. They become empty ones in memory, so two clusters and the machine
// do not meet there, and nothing is left behind.
var scratch = []string{"/run", "/var/lib", "/var/log"}

// arrangeMounts makes the file tree that the cluster sees. All of it is in our
// mount namespace and ends with it.
func arrangeMounts(l cluster.Layout) error {
	// First private, so that nothing done here reaches the machine; then shared
	// among our own, which mount propagation into pods needs.
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	// The cluster's own directory lies under /var/lib and has to stay reachable.
	own, err := unix.Open(l.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", l.Dir, err)
	}
	defer unix.Close(own)
	for _, dir := range scratch {
		if err := mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return err
	}
	if err := mount(fmt.Sprintf("/proc/self/fd/%d", own), l.Dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	return coverKernelSettings()
}

func coverKernelSettings() error {
	for name, value := range kernelSettings {
		setting := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(setting); err != nil {
			continue // Not in this kernel: the kubelet will not find it either.
		}
		cover := filepath.Join("/run/kernel-settings", name)
		if err := os.MkdirAll(filepath.Dir(cover), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(cover, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(cover, setting, "", unix.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}
