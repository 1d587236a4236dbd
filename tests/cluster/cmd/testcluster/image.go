package main

import (
	"errors"
	"fmt"
	"os"

	"reconciliation-platform.dev/tests/cluster/internal/binaries"
	"reconciliation-platform.dev/tests/cluster/internal/images"
)

// makeImage prints two lines, the image's reference and its archive; progress
// goes to standard error, so that scripts can read the first line.
func makeImage(args []string) error {
	if len(args) == 0 {
		return errors.New("image: say which: base, pause, postgres, server FILE, operator FILE")
	}
	kind, program := args[0], ""
	switch {
	case kind == "server" || kind == "operator":
		if len(args) != 2 {
			return fmt.Errorf("image %s: name the program to put in, as in `image %s target/release/reconciliation-%s`", kind, kind, kind)
		}
		program = args[1]
	case len(args) != 1:
		return fmt.Errorf("image %s takes no file", kind)
	}
	say := func(text string) { fmt.Fprintln(os.Stderr, text) }
	cache, err := binaries.DefaultCache()
	if err != nil {
		return err
	}
	source, err := repository()
	if err != nil {
		return err
	}
	var image images.Image
	if kind == "pause" {
		built, err := binaries.Build(cache, source, say)
		if err != nil {
			return err
		}
		image.Tag, image.Archive, err = images.Pause(cache, built)
		if err != nil {
			return err
		}
	} else if image, err = images.Build(cache, source, kind, program, say); err != nil {
		return err
	}
	fmt.Printf("%s\n%s\n", image.Tag, image.Archive)
	return nil
}
