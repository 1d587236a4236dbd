package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Owner is the process that is pid 1 of a cluster's pid namespace. A pid alone
// would not do: it may be recycled, or come from before a reboot. Start time
// and boot make it unique.
type Owner struct {
	PID       int
	StartTime uint64 // Clock ticks since boot, as in /proc/PID/stat.
	Boot      string
}

// Self is the calling process. It reads /proc/self, so that in a new pid
// namespace, as long as the old /proc is mounted, the pid is the host's.
func Self() (Owner, error) {
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return Owner{}, err
	}
	pid, err := strconv.Atoi(link)
	if err != nil {
		return Owner{}, err
	}
	return Observe(pid)
}

// WriteOwner records the process as the one to stop.
func WriteOwner(l Layout, o Owner) error { return writeJSON(l.Owner(), o) }

// RunningOwner returns the cluster's owner if that very process still runs.
func RunningOwner(l Layout) (Owner, bool, error) {
	var o Owner
	if err := readJSON(l.Owner(), &o); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return Owner{}, false, nil
		}
		return Owner{}, false, err
	}
	running, err := o.Running()
	return o, running, err
}

// Running tells whether the process is the recorded one and has not ended.
func (o Owner) Running() (bool, error) {
	now, err := Observe(o.PID)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return now == o && err == nil, err
}

// Kill ends the process and waits until it is gone. As it is pid 1 of its
// namespace, the kernel ends every other process in there before it.
func (o Owner) Kill(timeout time.Duration) error {
	// The descriptor is opened first and the identity checked after: from then
	// on it cannot come to mean another process.
	fd, err := unix.PidfdOpen(o.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", o.PID, err)
	}
	defer unix.Close(fd)
	if running, err := o.Running(); err != nil || !running {
		return err
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", o.PID, err)
	}
	deadline := time.Now().Add(timeout)
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("process %d did not end within %s of SIGKILL: something in it hangs in the kernel (see /proc/%d/stack)", o.PID, timeout, o.PID)
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if errors.Is(err, unix.EINTR) || (err == nil && n == 0) {
			continue
		}
		return err
	}
}

// Observe reads the identity of a process; one that has ended, also when it is
// still to be reaped, does not exist.
func Observe(pid int) (Owner, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, unix.ESRCH) {
		return Owner{}, os.ErrNotExist
	}
	if err != nil {
		return Owner{}, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Owner{}, err
	}
	state, start, err := parseStat(stat)
	if err != nil {
		return Owner{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return Owner{}, os.ErrNotExist
	}
	return Owner{PID: pid, StartTime: start, Boot: strings.TrimSpace(string(boot))}, nil
}

// parseStat reads state and start time, fields 3 and 22. The second field is
// the program's name in parentheses and may itself hold spaces and
// parentheses, so counting begins after the last one.
func parseStat(stat []byte) (state byte, start uint64, err error) {
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) < 20 {
		return 0, 0, fmt.Errorf("unexpected /proc stat line %q", stat)
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], start, err
}

// HostPIDs maps the pids in the owner's namespace to the host's.
func HostPIDs(o Owner) (map[int]int, error) {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", o.PID))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	pids := map[int]int{}
	for _, entry := range entries {
		outer, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if in, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", outer)); err != nil || in != namespace {
			continue
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", outer))
		if err != nil {
			continue // It ended meanwhile.
		}
		for line := range strings.Lines(string(status)) {
			if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
				all := strings.Fields(numbers)
				if inner, err := strconv.Atoi(all[len(all)-1]); err == nil {
					pids[inner] = outer
				}
			}
		}
	}
	return pids, nil
}
