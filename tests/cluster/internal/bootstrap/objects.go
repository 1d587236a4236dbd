// Package bootstrap creates the objects that a new cluster begins with, and
// waits for those that its components make.
package bootstrap

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
)

//go:embed own.yaml
var own []byte

// resources maps the kinds that are created here, all cluster-scoped.
var resources = map[string]schema.GroupVersionResource{
	"StorageClass":             {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
	"ClusterRole":              {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"},
	"ClusterRoleBinding":       {Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"},
	"CustomResourceDefinition": CRDs,
}

// CRDs is the resource of CustomResourceDefinitions.
var CRDs = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// Objects is a connection to the cluster.
type Objects struct{ client dynamic.Interface }

// Connect does not talk to the cluster yet.
func Connect(kubeconfig string) (Objects, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return Objects{}, err
	}
	// There is one client and one cluster: no need to be polite to others.
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	return Objects{client}, err
}

// NewObjects is for a client made elsewhere.
func NewObjects(client dynamic.Interface) Objects { return Objects{client} }

// CreateOwn creates the StorageClass and what components may do.
func (o Objects) CreateOwn(ctx context.Context) error {
	objects, err := decode(bytes.NewReader(own))
	if err != nil {
		return err
	}
	return o.create(ctx, objects)
}

// CreateCRDs creates the CRDs of a file and returns their names.
func (o Objects) CreateCRDs(ctx context.Context, path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	objects, err := decode(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var names []string
	for _, crd := range objects {
		// No webhook server runs here, and none is needed: every object is made
		// in the version that is stored.
		unstructured.RemoveNestedField(crd.Object, "spec", "conversion")
		names = append(names, crd.GetName())
	}
	return names, o.create(ctx, objects)
}

// create runs four requests at a time: the API server spends its time on
// validating big schemas, and has two cores or more for it.
func (o Objects) create(ctx context.Context, objects []*unstructured.Unstructured) error {
	var (
		workers sync.WaitGroup
		slots   = make(chan struct{}, 4)
		errs    = make([]error, len(objects))
	)
	for i, object := range objects {
		resource, ok := resources[object.GetKind()]
		if !ok {
			return fmt.Errorf("%s %s: a kind that is not created here", object.GetKind(), object.GetName())
		}
		workers.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			_, err := o.client.Resource(resource).Create(ctx, object, metav1.CreateOptions{})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				errs[i] = fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

func decode(documents io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(documents, 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 { // An empty document between two dashes.
			objects = append(objects, object)
		}
	}
}
