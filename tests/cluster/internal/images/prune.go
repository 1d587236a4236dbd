package images

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// kept is how many archives of one kind stay in the cache. Every change of a
// program makes a new one, of a hundred megabytes for a debug build.
const kept = 4

// prune removes the archives of a kind that were used least recently.
func prune(folder, kind string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	// The whole name has to match: file systems and other kinds begin alike.
	ours := regexp.MustCompile(`^` + regexp.QuoteMeta(kind) + `-[0-9a-f]{12}\.tar$`)
	used := map[string]time.Time{}
	var names []string
	for _, entry := range entries {
		if !ours.MatchString(entry.Name()) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // Another call pruned it.
		}
		if err != nil {
			return err
		}
		names = append(names, entry.Name())
		used[entry.Name()] = info.ModTime()
	}
	slices.SortFunc(names, func(a, b string) int { return used[b].Compare(used[a]) })
	for _, name := range names[min(kept, len(names)):] {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// abandoned is how old a build's storage is when the build was surely killed.
const abandoned = time.Hour

// pruneBuilds removes what killed builds left.
func pruneBuilds(folder string) error {
	builds, err := filepath.Glob(filepath.Join(folder, "build-*"))
	if err != nil {
		return err
	}
	for _, build := range builds {
		if info, err := os.Stat(build); err == nil && time.Since(info.ModTime()) > abandoned {
			if err := os.RemoveAll(build); err != nil {
				return err
			}
		}
	}
	return nil
}
