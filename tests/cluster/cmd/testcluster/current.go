package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"reconciliation-platform.dev/tests/cluster/internal/bootstrap"
)

// current tells whether the caller brings a cluster of its own.
func current() bool { return os.Getenv("CLUSTER") == "current" }

// runCurrent answers the commands for a cluster that is not ours to start, to
// stop or to load images into.
func runCurrent(command string) error {
	switch command {
	case "up", "status":
		return checkCurrent()
	case "down", "env":
		return nil
	case "load-image":
		return errors.New("load-image: with CLUSTER=current, images must be in a registry that the cluster can pull from: push them there and name them in the tests' settings")
	default:
		return fmt.Errorf("no command %q", command)
	}
}

func checkCurrent() error {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if err != nil {
		return fmt.Errorf("CLUSTER=current, but there is no usable kube context (set KUBECONFIG or call `kubectl config use-context`): %w", err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	crds, err := client.Resource(bootstrap.CRDs).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("CLUSTER=current, but the cluster at %s does not answer (try `kubectl get crds`): %w", config.Host, err)
	}
	present := map[string]bool{}
	for _, crd := range crds.Items {
		present[crd.GetName()] = true
	}
	for _, name := range []string{"externalsecrets.external-secrets.io", "clustersecretstores.external-secrets.io"} {
		if !present[name] {
			return fmt.Errorf("the cluster at %s has no CRD %s: install the External Secrets Operator there first (its Helm chart, https://external-secrets.io)", config.Host, name)
		}
	}
	fmt.Printf("using the cluster at %s\n", config.Host)
	return nil
}
