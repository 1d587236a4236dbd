package provisioner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
)

func class(name, provisioner string) *storagev1.StorageClass {
	return &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: provisioner}
}

func claim(name, class string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: "1f0e"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class,
			AccessModes:      []corev1.PersistentVolumeAccessMode{mode},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			},
		},
	}
}

func next(t *testing.T, events watch.Interface) watch.Event {
	t.Helper()
	select {
	case event := <-events.ResultChan():
		return event
	case <-time.After(10 * time.Second):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}

func TestClaimGetsAVolumeAndItsReleaseRemovesTheData(t *testing.T) {
	directory := t.TempDir()
	client := fake.NewClientset(class("standard", Name))
	volumes := client.CoreV1().PersistentVolumes()
	events, err := volumes.Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), client, directory); err != nil {
		t.Fatal(err)
	}
	wanted := claim("data", "standard", corev1.ReadWriteMany)
	if _, err := client.CoreV1().PersistentVolumeClaims("ns").Create(t.Context(), wanted, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	volume := next(t, events).Object.(*corev1.PersistentVolume)
	if ref := volume.Spec.ClaimRef; ref.Name != "data" || ref.UID != wanted.UID {
		t.Errorf("bound to %+v", ref)
	}
	if modes := volume.Spec.AccessModes; len(modes) != 1 || modes[0] != corev1.ReadWriteMany {
		t.Errorf("access modes %v", modes)
	}
	path := volume.Spec.HostPath.Path
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o777 {
		t.Fatalf("directory for any user: %v, %v", info, err)
	}

	if err := os.WriteFile(filepath.Join(path, "row"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	volume = volume.DeepCopy()
	volume.Status.Phase = corev1.VolumeReleased
	if _, err := volumes.UpdateStatus(t.Context(), volume, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for next(t, events).Type != watch.Deleted {
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
}

func TestOtherClassesAndForeignPathsAreLeftAlone(t *testing.T) {
	directory, elsewhere := t.TempDir(), t.TempDir()
	client := fake.NewClientset(class("other", "example.com/other"))
	p, err := Run(t.Context(), client, directory)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.provision(context.Background(), claim("data", "other", corev1.ReadWriteOnce)); err != nil {
		t.Error(err)
	}
	list, err := client.CoreV1().PersistentVolumes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 0 {
		t.Errorf("volumes %v, %v", list.Items, err)
	}
	forged := p.volumeFor(claim("data", "other", corev1.ReadWriteOnce), class("other", Name))
	forged.Spec.HostPath.Path = elsewhere
	forged.Status.Phase = corev1.VolumeReleased
	if err := p.reclaim(context.Background(), forged); err == nil {
		t.Error("a path outside of the provisioner's directory was accepted")
	}
	if _, err := os.Stat(elsewhere); err != nil {
		t.Error(err)
	}
}
