package model_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"engram/quant/model"
	"engram/quant/weights"
)

// TestDerive makes a model with twice the pooler's weights, and one that is the same.
func TestDerive(t *testing.T) {
	src, parent := tinyModel(t), t.TempDir()
	dest := filepath.Join(parent, "twice")
	build := func(path string) (*model.Quantization, error) {
		f, err := weights.Open(filepath.Join(src, model.WeightsFile), nil)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		w, err := weights.Create(path, nil)
		if err != nil {
			return nil, err
		}
		for _, l := range f.Layers() {
			v, _, err := f.Float32(l.Name)
			if err != nil {
				return nil, err
			}
			v = slices.Clone(v)
			for i := range v {
				if l.Name == "pooler.weight" {
					v[i] *= 2
				}
			}
			if err := w.Add(&weights.Tensor{Name: l.Name, Shape: l.Shape, DType: weights.Float32, Data: weights.Float32Bytes(v)}); err != nil {
				return nil, err
			}
		}
		return &model.Quantization{Type: "int8", Method: "ptq", Bits: 8.25, SourceSHA256: "ab"}, w.Close()
	}
	if err := model.Derive(t.Context(), src, dest, nil, build); err != nil {
		t.Fatal(err)
	}
	m, err := model.ReadManifest(dest)
	if err != nil || m.Name != "twice" || m.Quantization == nil || m.Quantization.Bits != 8.25 {
		t.Fatalf("%+v, err %v", m, err)
	}
	if err := model.Verify(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	if err := model.Derive(t.Context(), src, dest, nil, build); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a model: err %v", err)
	}
	if err := model.Derive(t.Context(), src, dest, &model.DeriveOptions{Replace: true, Name: "again"}, nil); err != nil {
		t.Fatal(err)
	}
	if m, err = model.ReadManifest(dest); err != nil || m.Name != "again" || m.Quantization != nil {
		t.Errorf("replaced: %+v, err %v", m, err)
	}
	broken := errors.New("broken")
	other := filepath.Join(parent, "other")
	if err := model.Derive(t.Context(), src, other, nil, func(string) (*model.Quantization, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("a build that fails: err %v", err)
	}
	if err := model.Derive(t.Context(), src, other, nil, func(path string) (*model.Quantization, error) { return nil, os.WriteFile(path, []byte("no"), 0o644) }); err == nil {
		t.Error("a model that does not run was installed")
	}
	if err := model.Derive(t.Context(), src, other, &model.DeriveOptions{Name: "../x"}, build); !errors.Is(err, model.ErrSource) {
		t.Errorf("a bad name: err %v", err)
	}
	if err := model.Derive(t.Context(), parent, other, nil, build); err == nil {
		t.Error("a directory without a model was taken")
	}
	if left, _ := os.ReadDir(parent); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
