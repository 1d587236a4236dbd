// Package images makes the container images that tests and the demo need, and
// brings them into a cluster's containerd.
package images

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// managed is the label that containerd's CRI plugin puts on an image once the
// kubelet can see it, which is a moment after the import.
const managed = "io.cri-containerd.image=managed"

// Import brings a docker-archive into containerd and returns when the kubelet
// can use its images.
func Import(ctx context.Context, socket, archive string) error {
	tags, err := Tags(archive)
	if err != nil {
		return err
	}
	if _, err := ctr(ctx, socket, "images", "import", archive); err != nil {
		return err
	}
	for {
		present, err := usable(ctx, socket, tags)
		if present || err != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s was imported but the kubelet does not see it: %w", archive, ctx.Err())
		}
	}
}

// Load is Import that does nothing for an archive whose very content was loaded
// before and is still there. It returns the image names, and whether it loaded.
func Load(ctx context.Context, socket, records, archive string) (tags []string, loaded bool, err error) {
	digest, err := hashFile(archive)
	if err != nil {
		return nil, false, err
	}
	tags, err = Tags(archive)
	if err != nil {
		return nil, false, err
	}
	// A tag may be given to other content later, so that each tag's record says
	// whose it is now.
	current := true
	for _, tag := range tags {
		recorded, err := os.ReadFile(recordPath(records, tag))
		current = current && err == nil && string(recorded) == digest
	}
	if current {
		present, err := usable(ctx, socket, tags)
		if present || err != nil {
			return tags, false, err
		}
	}
	if err := Import(ctx, socket, archive); err != nil {
		return nil, false, err
	}
	for _, tag := range tags {
		if err := os.WriteFile(recordPath(records, tag), []byte(digest), 0o600); err != nil {
			return nil, false, err
		}
	}
	return tags, true, nil
}

func recordPath(records, tag string) string {
	sum := sha256.Sum256([]byte(tag))
	return filepath.Join(records, hex.EncodeToString(sum[:16]))
}

// Tags reads the image names of a docker-archive.
func Tags(archive string) ([]string, error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	for members := tar.NewReader(file); ; {
		member, err := members.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s is not a docker-archive: it has no manifest.json (make one with images/build, `docker save` or `buildah push IMAGE docker-archive:FILE`)", archive)
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not a tar file: %w", archive, err)
		}
		if member.Name != "manifest.json" {
			continue
		}
		var manifest []struct{ RepoTags []string }
		if err := json.NewDecoder(members).Decode(&manifest); err != nil {
			return nil, fmt.Errorf("%s: manifest.json: %w", archive, err)
		}
		var tags []string
		for _, image := range manifest {
			tags = append(tags, image.RepoTags...)
		}
		if len(tags) == 0 {
			return nil, fmt.Errorf("%s names no image: save it with a name and a tag", archive)
		}
		return tags, nil
	}
}

// usable tells whether the kubelet sees all of the images.
func usable(ctx context.Context, socket string, tags []string) (bool, error) {
	list, err := ctr(ctx, socket, "images", "list")
	if err != nil {
		return false, err
	}
	seen := map[string]bool{}
	for line := range strings.Lines(list) {
		if name, rest, ok := strings.Cut(line, " "); ok {
			seen[name] = strings.Contains(rest, managed)
		}
	}
	for _, tag := range tags {
		if !seen[tag] {
			return false, nil
		}
	}
	return true, nil
}

func ctr(ctx context.Context, socket string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "ctr", append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)...)
	var failure strings.Builder
	command.Stderr = &failure
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(failure.String()))
	}
	return string(output), nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
