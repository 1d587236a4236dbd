package images

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/debian"
)

// rootfs is a file system made of Debian packages, as the base of an image.
type rootfs struct {
	name     string
	packages []string
	// prepare is a shell script that runs where the packages were unpacked. None
	// of their own scripts has run by then, nor will.
	prepare string
}

const suite = "bookworm"

// The directories and the bundle of certificates that scripts of the packages
// would have made. A merged /usr needs its links, as some packages have their
// programs in /bin.
const prepareAny = `
mkdir -p tmp etc/ssl/certs root home/nonroot run var
chmod 1777 tmp
[ -e var/run ] || ln -s /run var/run
cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > etc/passwd
printf 'root:x:0:\nnonroot:x:65532:\n' > etc/group
chown 65532:65532 home/nonroot
printf 'hosts: files dns\n' > etc/nsswitch.conf
rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/lintian etc/apt/sources.list*
`

var base = rootfs{
	name:     "base",
	packages: []string{"libc6", "libgcc-s1", "ca-certificates", "tzdata", "netbase"},
	prepare:  prepareAny,
}

var postgresBase = rootfs{
	name: "postgres-base",
	packages: append([]string{
		"postgresql-15", "libc-bin", "dash", "coreutils", "findutils", "sed",
	}, base.packages...),
	// Query compilation (LLVM) and the Perl tools around clusters are two thirds
	// of the size, and not used.
	prepare: prepareAny + `
printf 'postgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/sh\n' >> etc/passwd
printf 'postgres:x:999:\n' >> etc/group
mkdir -p var/lib/postgresql/data run/postgresql
chown -R 999:999 var/lib/postgresql run/postgresql
[ -e bin/sh ] || ln -s dash bin/sh
rm -rf usr/lib/x86_64-linux-gnu/libLLVM* usr/lib/x86_64-linux-gnu/libz3.so* usr/lib/llvm-* \
	usr/lib/postgresql/15/lib/llvmjit* usr/lib/postgresql/15/lib/bitcode \
	usr/share/perl* usr/lib/x86_64-linux-gnu/perl* usr/bin/perl*
`,
}

// key changes with what the file system is made from. It does not follow new
// versions of the packages: remove the archive from the cache to get those.
func (r rootfs) key() string {
	sum := sha256.Sum256([]byte(suite + strings.Join(r.packages, " ") + r.prepare))
	return hex.EncodeToString(sum[:])[:12]
}

// make returns the tar file with the file system, from the cache or new.
func (r rootfs) make(cache binaries.Cache, say func(string)) (string, error) {
	file := filepath.Join(cache.Images(), r.name+"-"+r.key()+".rootfs.tar")
	lock, err := cluster.Acquire(filepath.Join(cache.Images(), "."+r.name+".lock"))
	if err != nil {
		return "", err
	}
	defer lock.Release()
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := debian.Install(debian.Images, say); err != nil {
		return "", err
	}
	say("making " + r.name + " from Debian packages")
	unfinished := file + ".unfinished.tar"
	command := exec.Command("mmdebstrap", "--quiet", "--variant=extract", "--format=tar",
		"--include="+strings.Join(r.packages, ","),
		"--setup-hook="+mergeUsr,
		`--extract-hook=cd "$1" && set -eu`+r.prepare,
		suite, unfinished)
	// Equal packages make an equal file.
	command.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=0", "LC_ALL=C")
	if output, err := command.CombinedOutput(); err != nil {
		os.Remove(unfinished)
		return "", fmt.Errorf("mmdebstrap for %s (are the Debian package sources of this machine usable? try `apt-get update`): %w\n%s", r.name, err, output)
	}
	return file, os.Rename(unfinished, file)
}

// mergeUsr links the old top directories into /usr before anything is unpacked.
const mergeUsr = `for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d" && ln -sfn "usr/$d" "$1/$d"; done`
