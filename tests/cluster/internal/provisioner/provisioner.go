// Package provisioner makes PersistentVolumes of directories on the node, for
// the StorageClass that a test cluster has by default.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

// Name is what a StorageClass names to have its volumes made here.
const Name = "reconciliation-platform.dev/host-path"

// provisionedBy is the annotation by which Kubernetes leaves a released volume
// to its provisioner.
const provisionedBy = "pv.kubernetes.io/provisioned-by"

// key is what the queue holds: a claim to make a volume for, or a volume that
// may have been released.
type key struct{ namespace, claim, volume string }

// Provisioner is a controller with one worker.
type Provisioner struct {
	client    kubernetes.Interface
	directory string
	queue     workqueue.TypedRateLimitingInterface[key]
	claims    corelisters.PersistentVolumeClaimLister
	volumes   corelisters.PersistentVolumeLister
	classes   storagelisters.StorageClassLister
}

// Start runs a provisioner until the context ends. It returns when the caches
// are filled.
func Start(ctx context.Context, kubeconfig, directory string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = Run(ctx, client, directory)
	return err
}

// Run is Start for a client made elsewhere.
func Run(ctx context.Context, client kubernetes.Interface, directory string) (*Provisioner, error) {
	factory := informers.NewSharedInformerFactory(client, 10*time.Minute)
	claims := factory.Core().V1().PersistentVolumeClaims()
	volumes := factory.Core().V1().PersistentVolumes()
	classes := factory.Storage().V1().StorageClasses()
	p := &Provisioner{
		client:    client,
		directory: directory,
		queue:     workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[key]()),
		claims:    claims.Lister(),
		volumes:   volumes.Lister(),
		classes:   classes.Lister(),
	}
	enqueue := func(object any) {
		switch o := object.(type) {
		case *corev1.PersistentVolumeClaim:
			p.queue.Add(key{namespace: o.Namespace, claim: o.Name})
		case *corev1.PersistentVolume:
			p.queue.Add(key{volume: o.Name})
		case *storagev1.StorageClass:
			// Claims may be older than their class.
			for _, claim := range claims.Informer().GetStore().List() {
				c := claim.(*corev1.PersistentVolumeClaim)
				p.queue.Add(key{namespace: c.Namespace, claim: c.Name})
			}
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, object any) { enqueue(object) },
	}
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer(), classes.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return nil, fmt.Errorf("cannot list %v", kind)
		}
	}
	go p.work(ctx)
	go func() {
		<-ctx.Done()
		p.queue.ShutDown()
	}()
	return p, nil
}

func (p *Provisioner) work(ctx context.Context) {
	for {
		k, stopped := p.queue.Get()
		if stopped {
			return
		}
		err := p.handle(ctx, k)
		if err != nil {
			fmt.Fprintf(os.Stderr, "host-path provisioner: %+v: %v\n", k, err)
			p.queue.AddRateLimited(k)
		} else {
			p.queue.Forget(k)
		}
		p.queue.Done(k)
	}
}

func (p *Provisioner) handle(ctx context.Context, k key) error {
	if k.volume != "" {
		volume, err := p.volumes.Get(k.volume)
		if err != nil {
			return ignoreMissing(err)
		}
		return p.reclaim(ctx, volume)
	}
	claim, err := p.claims.PersistentVolumeClaims(k.namespace).Get(k.claim)
	if err != nil {
		return ignoreMissing(err)
	}
	return p.provision(ctx, claim)
}

// provision makes the directory and the volume of an unbound claim.
func (p *Provisioner) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Spec.VolumeName != "" || claim.Spec.StorageClassName == nil || claim.DeletionTimestamp != nil {
		return nil
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	if err != nil {
		return ignoreMissing(err)
	}
	if class.Provisioner != Name {
		return nil
	}
	volume := p.volumeFor(claim, class)
	directory := volume.Spec.HostPath.Path
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return err
	}
	// fsGroup does not apply to host paths, and pods run as any user. The umask
	// took part in MkdirAll, so the mode is set again.
	if err := os.Chmod(directory, 0o777); err != nil {
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // The cache has not seen yet what we made before.
	}
	return err
}

// volumeFor has a name that derives from the claim's identity, so that a second
// attempt cannot make a second volume.
func (p *Provisioner) volumeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	directory := corev1.HostPathDirectory
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: Name}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              class.Name,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: reclaim,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: filepath.Join(p.directory, name), Type: &directory},
			},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
}

// reclaim removes the data of a released volume, and then the volume.
func (p *Provisioner) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != Name ||
		volume.Status.Phase != corev1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	// Who may edit volumes could point one anywhere; only our own are removed.
	if source := volume.Spec.HostPath; source == nil || filepath.Dir(source.Path) != filepath.Clean(p.directory) {
		return errors.New("its path is not one of ours; not removed")
	}
	if err := os.RemoveAll(volume.Spec.HostPath.Path); err != nil {
		return err
	}
	return ignoreMissing(p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}

func ignoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
