package cluster

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock is an exclusive lock on a file. The kernel drops it with the last
// process that has the file open, so a killed holder blocks no one.
type Lock struct{ File *os.File }

// Acquire waits for the lock. Release may have removed the file that we waited
// on; then someone could lock a new file of the same name beside us, so we
// start over with that one.
func Acquire(path string) (*Lock, error) {
	for {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(file); err != nil {
			file.Close()
			return nil, err
		}
		held, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		if named, err := os.Stat(path); err == nil && os.SameFile(held, named) {
			return &Lock{File: file}, nil
		}
		file.Close()
	}
}

// Release gives the lock back and keeps the file.
func (l *Lock) Release() { l.File.Close() }

// Remove gives the lock back and leaves no file behind.
func (l *Lock) Remove() {
	os.Remove(l.File.Name())
	l.File.Close()
}

func flock(file *os.File) error {
	for {
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}
