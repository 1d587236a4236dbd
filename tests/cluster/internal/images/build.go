package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/debian"
)

// Image is a finished image.
type Image struct {
	Tag, Archive string
	kind         string
}

// recipe is what an image is made of: a Dockerfile, one file to copy, a base.
type recipe struct {
	dockerfile string
	// file is the name in the build context.
	file string
	base rootfs
}

var recipes = map[string]recipe{
	"server":   {"server.Dockerfile", "reconciliation-server", base},
	"operator": {"operator.Dockerfile", "reconciliation-operator", base},
	"postgres": {"postgres.Dockerfile", "postgres-entrypoint", postgresBase},
}

// Build makes the image of a kind. The program is the file that goes into it;
// "postgres" has its own. Its tag is a hash of all its content, so an image that
// exists is never made again, and two of the same name are the same.
func Build(cache binaries.Cache, repository, kind, program string, say func(string)) (Image, error) {
	if err := os.MkdirAll(cache.Images(), 0o755); err != nil {
		return Image{}, err
	}
	if kind == "base" {
		return buildBase(cache, say)
	}
	r, ok := recipes[kind]
	if !ok {
		return Image{}, fmt.Errorf("no image is called %q: there are base, pause, postgres, server and operator", kind)
	}
	sources := filepath.Join(repository, "images")
	if kind == "postgres" {
		program = filepath.Join(sources, r.file)
	}
	dockerfile := filepath.Join(sources, r.dockerfile)
	rootfs, err := r.base.make(cache, say)
	if err != nil {
		return Image{}, err
	}
	image, err := named(cache, kind, dockerfile, program, rootfs)
	if err != nil {
		return Image{}, err
	}
	return image, image.once(cache, func(s storage) error {
		context, err := os.MkdirTemp(s.dir, "context-")
		if err != nil {
			return err
		}
		if err := copyFile(program, filepath.Join(context, r.file)); err != nil {
			return err
		}
		baseTag, err := s.importBase(r.base, rootfs)
		if err != nil {
			return err
		}
		say("building " + image.Tag)
		return s.build(image.Tag, dockerfile, context, "--build-arg", "BASE="+baseTag)
	}, say)
}

func buildBase(cache binaries.Cache, say func(string)) (Image, error) {
	rootfs, err := base.make(cache, say)
	if err != nil {
		return Image{}, err
	}
	image, err := named(cache, base.name, rootfs)
	if err != nil {
		return Image{}, err
	}
	return image, image.once(cache, func(s storage) error {
		return s.importAs(image.Tag, rootfs)
	}, say)
}

// named gives the image a tag by the hash of the files it is made of.
func named(cache binaries.Cache, kind string, files ...string) (Image, error) {
	sum := sha256.New()
	for _, file := range files {
		digest, err := hashFile(file)
		if err != nil {
			return Image{}, fmt.Errorf("image %s: %w", kind, err)
		}
		fmt.Fprintln(sum, digest)
	}
	key := hex.EncodeToString(sum.Sum(nil))[:12]
	return Image{
		Tag:     "localhost/reconciliation-" + kind + ":" + key,
		Archive: filepath.Join(cache.Images(), kind+"-"+key+".tar"),
		kind:    kind,
	}, nil
}

// once makes the archive unless it exists, in a storage that is thrown away
// after, so that no layers pile up.
func (i Image) once(cache binaries.Cache, make func(storage) error, say func(string)) error {
	lock, err := cluster.Acquire(i.Archive + ".lock")
	if err != nil {
		return err
	}
	defer lock.Remove()
	// The time says when the archive was used last, for prune.
	now := time.Now()
	if err := os.Chtimes(i.Archive, now, now); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := debian.Install(debian.Images, say); err != nil {
		return err
	}
	if err := pruneBuilds(cache.Images()); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(cache.Images(), "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := storage{dir}
	if err := make(s); err != nil {
		return err
	}
	unfinished := filepath.Join(dir, "archive.tar")
	if err := s.buildah("push", "--quiet", i.Tag, "docker-archive:"+unfinished+":"+i.Tag); err != nil {
		return err
	}
	if err := os.Rename(unfinished, i.Archive); err != nil {
		return err
	}
	return prune(cache.Images(), i.kind)
}

// storage is where buildah keeps images during one build.
type storage struct{ dir string }

// importBase makes an image of a file system and returns its name.
func (s storage) importBase(r rootfs, file string) (string, error) {
	tag := "localhost/" + r.name + ":" + r.key()
	return tag, s.importAs(tag, file)
}

func (s storage) importAs(tag, file string) error {
	dockerfile := filepath.Join(s.dir, "base.Dockerfile")
	if err := os.WriteFile(dockerfile, []byte("FROM scratch\nADD rootfs.tar /\n"), 0o644); err != nil {
		return err
	}
	context, err := os.MkdirTemp(s.dir, "context-")
	if err != nil {
		return err
	}
	if err := os.Link(file, filepath.Join(context, "rootfs.tar")); err != nil {
		return err
	}
	return s.build(tag, dockerfile, context)
}

func (s storage) build(tag, dockerfile, context string, extra ...string) error {
	args := append([]string{
		"bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--pull-never",
		"--timestamp", "0", "--tag", tag, "--file", dockerfile,
	}, extra...)
	return s.buildah(append(args, context)...)
}

func (s storage) buildah(args ...string) error {
	command := exec.Command("buildah", append([]string{
		"--root", filepath.Join(s.dir, "root"), "--runroot", filepath.Join(s.dir, "run"),
		"--storage-driver", "vfs",
	}, args...)...)
	command.Env = append(os.Environ(), "TMPDIR="+s.dir)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("buildah %s: %w\n%s", args[0], err, output)
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
