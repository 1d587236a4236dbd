package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
)

// WriteSingleFile writes a docker-archive whose only layer is one program. It
// is for the pause image: no file system and no build tool is needed for that.
func WriteSingleFile(archive, tag, name string, program []byte) error {
	layer := tarOf([]member{{name, 0o755, program}})
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + name}, "User": "65535:65535"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	configSum := sha256.Sum256(config)
	configName := hex.EncodeToString(configSum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{tag}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return err
	}
	content := tarOf([]member{
		{configName, 0o644, config}, {"layer.tar", 0o644, layer}, {"manifest.json", 0o644, manifest},
	})
	if err := os.WriteFile(archive+".next", content, 0o644); err != nil {
		return err
	}
	return os.Rename(archive+".next", archive)
}

type member struct {
	name    string
	mode    int64
	content []byte
}

// tarOf has no times and no owners, so equal content makes equal archives.
func tarOf(members []member) []byte {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	for _, m := range members {
		// Writing to memory cannot fail.
		writer.WriteHeader(&tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(m.content)), Typeflag: tar.TypeReg})
		writer.Write(m.content)
	}
	writer.Close()
	return buffer.Bytes()
}
