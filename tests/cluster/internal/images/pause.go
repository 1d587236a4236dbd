package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
)

// Pause makes the image of a pod's sandbox, and returns its name and archive.
func Pause(cache binaries.Cache, built binaries.Built) (tag, archive string, err error) {
	tag = "localhost/reconciliation-pause:" + built.Keys["pause"]
	archive = filepath.Join(cache.Images(), "pause-"+built.Keys["pause"]+".tar")
	if _, err := os.Stat(archive); !errors.Is(err, fs.ErrNotExist) {
		return tag, archive, err
	}
	program, err := os.ReadFile(built.Programs["pause"])
	if err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(cache.Images(), 0o755); err != nil {
		return "", "", err
	}
	return tag, archive, WriteSingleFile(archive, tag, "pause", program)
}
