package images

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSingleFileArchiveNamesItsImageAndIsReproducible(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "one.tar"), filepath.Join(t.TempDir(), "two.tar")
	for _, path := range []string{one, two} {
		if err := WriteSingleFile(path, "localhost/pause:1", "pause", []byte("program")); err != nil {
			t.Fatal(err)
		}
	}
	if tags, err := Tags(one); err != nil || !slices.Equal(tags, []string{"localhost/pause:1"}) {
		t.Errorf("got %v, %v", tags, err)
	}
	a, errA := hashFile(one)
	b, errB := hashFile(two)
	if a != b || errA != nil || errB != nil {
		t.Errorf("%s and %s differ (%v, %v)", a, b, errA, errB)
	}
}

func TestTagsExplainWhatIsNoArchive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for content, want := range map[string]string{
		"":                        "docker-archive",
		strings.Repeat("x", 2048): "not a tar file",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Tags(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
