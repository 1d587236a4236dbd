package bootstrap

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// AwaitEstablished waits until the API server serves all of the named CRDs.
func (o Objects) AwaitEstablished(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := await(ctx, o.client.Resource(CRDs), name, hasCondition("Established")); err != nil {
			return fmt.Errorf("CRD %s is not established: %w", name, err)
		}
	}
	return nil
}

// AwaitNode waits until pods can run.
func (o Objects) AwaitNode(ctx context.Context, name string) error {
	nodes := schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	if err := await(ctx, o.client.Resource(nodes), name, hasCondition("Ready")); err != nil {
		return fmt.Errorf("node %s is not ready: %w", name, err)
	}
	return nil
}

// AwaitDefaultServiceAccount waits for what the first pod of a new cluster
// would otherwise be refused for.
func (o Objects) AwaitDefaultServiceAccount(ctx context.Context) error {
	accounts := schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	present := func(*unstructured.Unstructured) bool { return true }
	if err := await(ctx, o.client.Resource(accounts).Namespace("default"), "default", present); err != nil {
		return fmt.Errorf("ServiceAccount default/default is missing: %w", err)
	}
	return nil
}

// await lists, then watches from there, until the object meets the condition.
// A watch that the server ends early begins again with a list.
func await(ctx context.Context, in dynamic.ResourceInterface, name string, met func(*unstructured.Unstructured) bool) error {
	only := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()}
	for {
		list, err := in.List(ctx, only)
		if err != nil {
			return err
		}
		for i := range list.Items {
			if met(&list.Items[i]) {
				return nil
			}
		}
		from := only
		from.ResourceVersion = list.GetResourceVersion()
		events, err := in.Watch(ctx, from)
		if err != nil {
			return err
		}
		if awaitEvent(events, met) {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func awaitEvent(events watch.Interface, met func(*unstructured.Unstructured) bool) bool {
	defer events.Stop()
	for event := range events.ResultChan() {
		object, ok := event.Object.(*unstructured.Unstructured)
		if ok && (event.Type == watch.Added || event.Type == watch.Modified) && met(object) {
			return true
		}
	}
	return false
}

func hasCondition(kind string) func(*unstructured.Unstructured) bool {
	return func(object *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
		for _, entry := range conditions {
			condition, ok := entry.(map[string]any)
			if ok && condition["type"] == kind && condition["status"] == "True" {
				return true
			}
		}
		return false
	}
}
