package debian

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestMissingKnowsPlainAndQualifiedNames(t *testing.T) {
	info := t.TempDir()
	for _, name := range []string{"plain", "qualified:" + runtime.GOARCH} {
		if err := os.WriteFile(filepath.Join(info, name+".md5sums"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A removed package whose configuration was kept.
	if err := os.WriteFile(filepath.Join(info, "removed.list"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got := missing(info, []string{"plain", "qualified", "removed"})
	if !slices.Equal(got, []string{"removed"}) {
		t.Errorf("got %v", got)
	}
}
