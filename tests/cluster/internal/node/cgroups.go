package node

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
)

// Cgroups lists the directories of a cluster in every mounted hierarchy: one
// for cgroup v2, one for each controller of v1, or both where a machine mixes
// them. They need not exist.
func Cgroups(l cluster.Layout) ([]string, error) {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer mounts.Close()
	hierarchies, err := cgroupHierarchies(mounts)
	var dirs []string
	for _, hierarchy := range hierarchies {
		dirs = append(dirs, filepath.Join(hierarchy, l.Cgroup()))
	}
	return dirs, err
}

// cgroupHierarchies reads mountinfo: after six fields and any number of
// optional ones comes a dash, and after that the type of the file system.
func cgroupHierarchies(mountinfo io.Reader) ([]string, error) {
	var found []string
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kind) < 1 {
			return nil, fmt.Errorf("unexpected mountinfo line %q", lines.Text())
		}
		if kind[0] == "cgroup" || kind[0] == "cgroup2" {
			found = append(found, fields[4])
		}
	}
	return found, lines.Err()
}

// makeCgroups makes the parent of the pods' cgroups, which the kubelet expects
// to find.
func makeCgroups(l cluster.Layout) error {
	dirs, err := Cgroups(l)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := enableControllers(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
		// A v1 cpuset begins without processors and memory, and then no
		// process may enter it or any cgroup below it.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			inherited, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
			if err != nil {
				continue // Not this controller, or v2, where it is inherited.
			}
			if err := os.WriteFile(filepath.Join(dir, file), inherited, 0o644); err != nil {
				return fmt.Errorf("set up cgroup: %w", err)
			}
		}
	}
	return nil
}

// enableControllers lets the children of a v2 root have every controller that it
// has itself. Some systems begin with few, and the kubelet refuses a parent that
// lacks any. One may be refused, as in a container; the kubelet then says which.
func enableControllers(root string) error {
	available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // A v1 hierarchy.
	}
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(available)) {
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
	return nil
}

// RemoveCgroups removes a cluster's cgroups, deepest first. It is called when
// all their processes have ended; the kernel may take a moment to notice.
func RemoveCgroups(l cluster.Layout, timeout time.Duration) error {
	dirs, err := Cgroups(l)
	if err != nil {
		return err
	}
	for _, top := range dirs {
		var tree []string
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				tree = append(tree, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		deadline := time.Now().Add(timeout)
		for i := len(tree) - 1; i >= 0; i-- {
			for {
				err := unix.Rmdir(tree[i])
				if err == nil || errors.Is(err, unix.ENOENT) {
					break
				}
				if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
					return fmt.Errorf("remove cgroup %s: %w (its cgroup.procs lists what is still in it)", tree[i], err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	return nil
}
