package cluster

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestParseStatCountsAfterTheName(t *testing.T) {
	stat := `7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 4711 0 0`
	state, start, err := parseStat([]byte(stat))
	if err != nil || state != 'S' || start != 4711 {
		t.Errorf("got %c, %d, %v", state, start, err)
	}
	if _, _, err := parseStat([]byte("nonsense")); err == nil {
		t.Error("nonsense was accepted")
	}
}

func TestKillEndsTheRecordedProcessAlone(t *testing.T) {
	process := exec.Command("sleep", "600")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()

	owner, err := Observe(process.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]Owner{
		"another process with a recycled pid": {owner.PID, owner.StartTime - 1, owner.Boot},
		"a process before a reboot":           {owner.PID, owner.StartTime, "an earlier boot"},
	} {
		if running, err := other.Running(); running || err != nil {
			t.Errorf("%s: running %v, %v", name, running, err)
		}
		if err := other.Kill(time.Second); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if running, err := owner.Running(); !running || err != nil {
		t.Fatalf("the process did not survive: %v", err)
	}
	if err := owner.Kill(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	<-ended
	if running, err := owner.Running(); running || err != nil {
		t.Errorf("still running: %v", err)
	}
	if err := owner.Kill(time.Second); err != nil {
		t.Errorf("killing once more: %v", err)
	}
}

func TestLockExcludesAndSurvivesRemoval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *Lock)
	go func() {
		lock, err := Acquire(path)
		if err != nil {
			t.Error(err)
		}
		second <- lock
	}()
	select {
	case <-second:
		t.Fatal("two holders at once")
	case <-time.After(50 * time.Millisecond):
	}
	// The waiter may hold the removed file now, and has to notice.
	first.Remove()
	held := <-second
	third := make(chan *Lock)
	go func() {
		lock, err := Acquire(path)
		if err != nil {
			t.Error(err)
		}
		third <- lock
	}()
	select {
	case <-third:
		t.Fatal("two holders after a removal")
	case <-time.After(50 * time.Millisecond):
	}
	held.Release()
	(<-third).Remove()
}
