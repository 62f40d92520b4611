package quantize_test

import (
	"bufio"
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"engram/quant/model"
	"engram/quant/quantize"
)

// useLite is the directory of the installed model, or the test is skipped.
func useLite(tb testing.TB) string {
	tb.Helper()
	root := os.Getenv("ENGRAM_MODELS")
	if root == "" {
		tb.Skip("ENGRAM_MODELS is not set: `make models` installs the model that this is measured on")
	}
	dir := filepath.Join(root, "use-lite")
	if _, err := os.Stat(filepath.Join(dir, model.ManifestFile)); err != nil {
		tb.Skipf("no use-lite in ENGRAM_MODELS: %v", err)
	}
	return dir
}

// glosses are definitions of WordNet (Debian's wordnet-base), in an order that has nothing to do with what they say: the
// first n calibrate, and 1,000 others, which begin 50,000 further on, are for measuring.
func glosses(tb testing.TB, n int) (calibration, held []string) {
	tb.Helper()
	var all []string
	for _, part := range []string{"noun", "verb", "adj", "adv"} {
		f, err := os.Open("/usr/share/wordnet/data." + part)
		if err != nil {
			tb.Skipf("no WordNet (Debian's wordnet-base): %v", err)
		}
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if _, gloss, ok := strings.Cut(s.Text(), "| "); ok && !strings.HasPrefix(s.Text(), " ") {
				gloss, _, _ = strings.Cut(gloss, "; \"")
				all = append(all, strings.TrimSpace(gloss))
			}
		}
		f.Close()
	}
	hash := func(s string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(s))
		return h.Sum64()
	}
	slices.Sort(all)
	all = slices.Compact(all)
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(hash(a), hash(b)) })
	return all[:n], all[50000:51000]
}

func encode(tb testing.TB, dir string, texts []string) [][]float32 {
	tb.Helper()
	e, err := model.Open(dir, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer e.Close()
	v, err := e.Encode(tb.Context(), texts)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i, x := range a {
		ab, aa, bb = ab+float64(x)*float64(b[i]), aa+float64(x)*float64(x), bb+float64(b[i])*float64(b[i])
	}
	return ab / math.Sqrt(aa*bb)
}

// cosines are the mean and the least cosine of vectors with their counterparts.
func cosines(a, b [][]float32) (mean, least float64) {
	least = 1
	for i := range a {
		c := cosine(a[i], b[i])
		mean += c / float64(len(a))
		least = min(least, c)
	}
	return mean, least
}

// pearson is the correlation of the model's similarities with people's judgement of the sentence pairs in the file that
// ENGRAM_STS names (score, sentence, sentence; SemEval's form); NaN without one.
func pearson(tb testing.TB, dir string) float64 {
	tb.Helper()
	f, err := os.Open(os.Getenv("ENGRAM_STS"))
	if err != nil {
		return math.NaN()
	}
	defer f.Close()
	var texts []string
	var want []float64
	for s := bufio.NewScanner(f); s.Scan(); {
		p := strings.Split(s.Text(), "\t")
		if v, err := strconv.ParseFloat(p[0], 64); err == nil && len(p) == 3 {
			want, texts = append(want, v), append(texts, p[1], p[2])
		}
	}
	v := encode(tb, dir, texts)
	n := float64(len(want))
	var x, y, xx, yy, xy float64
	for i, w := range want {
		c := cosine(v[2*i], v[2*i+1])
		x, y, xx, yy, xy = x+c, y+w, xx+c*c, yy+w*w, xy+c*w
	}
	return (n*xy - x*y) / math.Sqrt((n*xx-x*x)*(n*yy-y*y))
}

// TestQuality measures what each type does to the real model, over texts that calibrated nothing. It prints the table of
// docs/quantization.md; ENGRAM_QUALITY names the rows to measure, all of them if it is "all".
func TestQuality(t *testing.T) {
	dir := useLite(t)
	more, held := glosses(t, 1024)
	calibration := more[:256]
	whole := encode(t, dir, held)
	rows := []struct {
		name string
		o    quantize.Options
		mean float64 // the least that is asked for; 0 is nothing
		min  float64
	}{
		{"int8-ptq", quantize.Options{}, 0.999, 0.997},
		{"int8-gptq", quantize.Options{Texts: calibration}, 0.999, 0.997},
		{"int4-ptq", quantize.Options{Type: quantize.Int4}, 0.95, 0},
		{"int4-gptq", quantize.Options{Type: quantize.Int4, Texts: calibration}, 0.985, 0},
		{"int3-ptq", quantize.Options{Type: quantize.Int3}, 0, 0},
		{"int3-gptq", quantize.Options{Type: quantize.Int3, Texts: calibration}, 0.95, 0},
		{"int2-ptq", quantize.Options{Type: quantize.Int2}, 0, 0},
		{"int2-gptq", quantize.Options{Type: quantize.Int2, Texts: calibration}, 0, 0},
		{"mix-ptq", quantize.Options{Type: quantize.Int2Mix}, 0, 0},
		{"mix-gptq", quantize.Options{Type: quantize.Int2Mix, Texts: calibration}, 0, 0},
		{"int8-1024", quantize.Options{Texts: more}, 0, 0},
		{"int4-1024", quantize.Options{Type: quantize.Int4, Texts: more}, 0, 0},
		{"int3-1024", quantize.Options{Type: quantize.Int3, Texts: more}, 0, 0},
		{"mix-1024", quantize.Options{Type: quantize.Int2Mix, Texts: more}, 0, 0},
	}
	which := cmp.Or(os.Getenv("ENGRAM_QUALITY"), "int8-ptq")
	t.Logf("%-10s %7s %7s %8s %8s %6s %6s %8s %7s", "float", "", "", "", "", "", "", fmt.Sprintf("%.4f", pearson(t, dir)), "")
	for _, row := range rows {
		if which != "all" && !slices.Contains(strings.Split(which, ","), row.name) {
			continue
		}
		out := filepath.Join(t.TempDir(), row.name)
		rep, err := quantize.Run(t.Context(), dir, out, &row.o)
		if err != nil {
			t.Fatal(err)
		}
		mean, least := cosines(whole, encode(t, out, held))
		t.Logf("%-10s mean %.5f min %.5f  bits %.3f all %.3f  %5.2f MB  Pearson %.4f  %.2f s", row.name, mean, least, rep.Bits, rep.AllBits,
			float64(rep.BytesAfter)/1e6, pearson(t, out), rep.Seconds)
		if testing.Verbose() {
			for _, l := range rep.Layers {
				if l.Method != "float" {
					t.Logf("    %-34s %-5s %-5s g%-4d %.3f bits  weights %.4f  outputs %.4f  %.2f s %s", l.Name, l.Type, l.Method, l.GroupSize, l.Bits, l.WeightError, l.OutputError, l.Seconds, l.Fallback)
				}
			}
		}
		if mean < row.mean || least < row.min {
			t.Errorf("%s: cosine mean %.5f, min %.5f; %g and %g are asked for", row.name, mean, least, row.mean, row.min)
		}
	}
}
