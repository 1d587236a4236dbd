package images

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestPruneKeepsTheLastUsedOfOneKind(t *testing.T) {
	folder := t.TempDir()
	others := []string{"base-000000000000.rootfs.tar", "base-extra-000000000000.tar", "server-000000000000.tar"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	archive := func(i int) string { return filepath.Join(folder, fmt.Sprintf("base-%012x.tar", i)) }
	for i := range kept + 2 {
		if err := os.WriteFile(archive(i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		used := now.Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(archive(i), used, used); err != nil {
			t.Fatal(err)
		}
	}
	if err := prune(folder, "base"); err != nil {
		t.Fatal(err)
	}
	for i := range kept + 2 {
		if _, err := os.Stat(archive(i)); (err == nil) != (i < kept) {
			t.Errorf("archive %d: %v", i, err)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}
