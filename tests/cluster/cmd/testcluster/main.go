// Command testcluster runs a real one-node Kubernetes for tests and the demo.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"reconciliation-platform.dev/tests/cluster/internal/cluster"
	"reconciliation-platform.dev/tests/cluster/internal/node"
)

const usage = `usage: testcluster COMMAND [--name NAME] …

  up                 start the cluster, or return at once when it is up
  down               stop it and leave nothing behind
  status             components, health and addresses; exit code 1 unless healthy
  env                shell lines for eval: KUBECONFIG, PATH
  load-image FILE…   bring docker-archive files into the cluster
  image KIND [FILE]  make an image: base, pause, postgres, server FILE, operator FILE
  kubectl …, helm …  call the tool on the cluster

NAME is "default" unless given; kubectl and helm take it from CLUSTER_NAME.
With CLUSTER=current the current kube context is used and nothing is started.
`

// errUnhealthy has been explained on standard output.
var errUnhealthy = errors.New("not healthy")

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, errUnhealthy) {
			fmt.Fprintln(os.Stderr, "testcluster:", err)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	command, rest := args[0], args[1:]
	switch command {
	case "help", "-h", "--help":
		fmt.Print(usage)
		return nil
	case node.OwnerCommand:
		return own(rest)
	case "kubectl", "helm":
		return callTool(command, rest)
	}
	flags := flag.NewFlagSet(command, flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("name", clusterName(), "")
	flags.Parse(rest)
	layout, err := cluster.NewLayout(*name)
	if err != nil {
		return err
	}
	// Images can be made for any cluster; it is the loading that differs.
	if current() && command != "image" {
		return runCurrent(command)
	}
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root, for namespaces and cgroups: call it again as root")
	}
	switch command {
	case "up":
		return up(layout)
	case "down":
		return down(layout)
	case "status":
		return status(layout)
	case "env":
		return env(layout)
	case "load-image":
		return loadImages(layout, flags.Args())
	case "image":
		return makeImage(flags.Args())
	default:
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("no command %q", command)
	}
}

// clusterName lets a test suite choose the cluster once for all its calls.
func clusterName() string {
	if name := os.Getenv("CLUSTER_NAME"); name != "" {
		return name
	}
	return cluster.DefaultName
}

// own is the life of a cluster's first process, see node.Spawn.
func own(args []string) error {
	if os.Getpid() != 1 || len(args) != 1 {
		return errors.New("this command is called by `up` alone")
	}
	layout, err := cluster.NewLayout(args[0])
	if err != nil {
		return err
	}
	inherited, err := node.Receive()
	if err != nil {
		return err
	}
	return node.Run(layout, inherited)
}

// repository is the checkout that the sources of all programs and images are
// in: given by the script that calls us, else looked for upwards.
func repository() (string, error) {
	if folder := os.Getenv("RECONCILIATION_REPOSITORY"); folder != "" {
		return folder, nil
	}
	folder, err := os.Getwd()
	for ; err == nil; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "tests", "cluster", "components")); err == nil {
			return folder, nil
		}
		if folder == "/" {
			err = errors.New("the sources were not found: call testcluster from inside the repository, or through tests/cluster/testcluster")
			return "", err
		}
	}
	return "", err
}
