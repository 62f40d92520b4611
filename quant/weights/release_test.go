package weights_test

import (
	"path/filepath"
	"slices"
	"testing"

	"engram/quant/weights"
)

// TestForget: what is forgotten can still be read, and what is not the file's is left alone.
func TestForget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "weights.parquet")
	v := make([]float32, 5000)
	for i := range v {
		v[i] = float32(i)
	}
	if err := weights.WriteFile(path, []*weights.Tensor{{Name: "x", Shape: []int{len(v)}, DType: weights.Float32, Data: f32(v...)}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, noMap := range []bool{false, true} {
		f := open(t, path, &weights.Options{NoMap: noMap})
		got, mapped, err := f.Float32("x")
		if err != nil || mapped == noMap {
			t.Fatalf("mapped %v, err %v", mapped, err)
		}
		f.Forget(weights.Float32Bytes(got))
		own := slices.Clone(v)
		f.Forget(weights.Float32Bytes(own))
		f.Forget(nil)
		if !slices.Equal(got, v) || !slices.Equal(own, v) {
			t.Error("numbers changed")
		}
		f.Close()
		f.Forget(weights.Float32Bytes(own))
	}
}
