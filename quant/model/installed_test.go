package model_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"engram/quant/model"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// installed opens the real model, or skips where it is not installed.
func installed(tb testing.TB, o *model.Options) *model.Encoder {
	tb.Helper()
	e, err := model.Open(installedDir(tb), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}

// installedDir is the directory of the real model; without it the test is skipped.
func installedDir(tb testing.TB) string {
	tb.Helper()
	dirs := []string{filepath.Join(root, "models")}
	if env := os.Getenv(model.ModelsEnv); env != "" {
		dirs = filepath.SplitList(env)
	}
	dir, err := model.Find(dirs, "use-lite")
	if err != nil {
		tb.Skipf("skipped, the model is not installed: %v", err)
	}
	return dir
}

// shared reads a file of the folder shared beside the repository, or skips where it is not there.
func shared(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(root, "..", "shared", name))
	if err != nil {
		tb.Skipf("skipped, no reference data: %v", err)
	}
	return b
}

func cosine(a, b []float32) float64 {
	var dot, na, nb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		na += float64(a[i]) * float64(a[i])
		nb += float64(b[i]) * float64(b[i])
	}
	return dot / math.Sqrt(na*nb)
}

func TestReferenceVectors(t *testing.T) {
	e := installed(t, nil)
	var ref struct {
		S  []string
		En [][]int32
		A  [][]float32
	}
	if err := json.Unmarshal(shared(t, "reference/use_lite_reference_vectors.json"), &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.S) == 0 || len(ref.En) != len(ref.S) || len(ref.A) != len(ref.S) {
		t.Fatalf("reference has %d sentences, %d token lists, %d vectors", len(ref.S), len(ref.En), len(ref.A))
	}
	got, err := e.Encode(t.Context(), ref.S)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range ref.S {
		if ids := e.Tokens(s); !slices.Equal(ids, ref.En[i]) {
			t.Errorf("%q: tokens %v, want %v", s, ids, ref.En[i])
		}
		worst := 0.0
		for j := range got[i] {
			worst = max(worst, math.Abs(float64(got[i][j]-ref.A[i][j])))
		}
		c := cosine(got[i], ref.A[i])
		if c < 0.9999 {
			t.Errorf("%q: cosine %v", s, c)
		}
		t.Logf("%q: cosine %.9f, largest difference %.2g", s, c, worst)
	}
}

func TestSTS2015Images(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: 1,500 sentences take long without vector instructions")
	}
	e := installed(t, nil)
	p := stsImages(t, e)
	t.Logf("STS-2015 images: Pearson %.4f", p)
	if p < 0.866 {
		t.Errorf("Pearson %v, want 0.866 at least", p)
	}
	q, err := model.Open(quantized(t, installedDir(t), &kinds[0]), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	p8 := stsImages(t, q)
	t.Logf("with weights of 8 bits: %.4f", p8)
	if math.Abs(p8-p) > 0.002 {
		t.Errorf("with weights of 8 bits Pearson %v, with float32 %v", p8, p)
	}
}

// stsImages is the correlation of cosines with what people judged of the pairs of STS-2015 images.
func stsImages(t *testing.T, e *model.Encoder) float64 {
	t.Helper()
	var gold, got []float64
	var texts []string
	lines := bufio.NewScanner(strings.NewReader(string(shared(t, "data/sts/sts2015_images.tsv"))))
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) < 3 || f[0] == "" {
			continue // not judged
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		gold, texts = append(gold, v), append(texts, f[1], f[2])
	}
	vecs, err := e.Encode(t.Context(), texts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range gold {
		got = append(got, cosine(vecs[2*i], vecs[2*i+1]))
	}
	return pearson(gold, got)
}

func pearson(a, b []float64) float64 {
	var ma, mb float64
	for i := range a {
		ma += a[i] / float64(len(a))
		mb += b[i] / float64(len(b))
	}
	var sab, saa, sbb float64
	for i := range a {
		sab += (a[i] - ma) * (b[i] - mb)
		saa += (a[i] - ma) * (a[i] - ma)
		sbb += (b[i] - mb) * (b[i] - mb)
	}
	return sab / math.Sqrt(saa*sbb)
}
