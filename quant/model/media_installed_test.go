package model_test

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/model"
)

// sharedDir is the folder of reference data that lies beside the repository, or where ENGRAM_SHARED says. Tests that need it
// skip where it is not there.
func sharedDir(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join(root, "..", "shared")
	if env := os.Getenv("ENGRAM_SHARED"); env != "" {
		dir = env
	}
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("skipped, no reference data: %v", err)
	}
	return dir
}

// imported imports a published model and returns its directory.
func imported(tb testing.TB, src string) string {
	tb.Helper()
	if _, err := os.Stat(src); err != nil {
		tb.Skipf("skipped: %v", err)
	}
	dir := filepath.Join(tb.TempDir(), "imported")
	if err := model.Import(tb.Context(), src, dir, nil); err != nil {
		tb.Fatal(err)
	}
	return dir
}

func sharedModel(tb testing.TB, name string) string {
	return imported(tb, filepath.Join(sharedDir(tb), "data", "models", name))
}

// seen is what a picture shows, with the score that it had when the test was written.
type seen struct {
	file, label string
	score       float32
}

func checkPictures(t *testing.T, e *model.ImageEncoder, want []seen, tolerance float64) {
	t.Helper()
	for _, w := range want {
		b, err := os.ReadFile(filepath.Join(sharedDir(t), "data", "pictures", w.file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Classify(t.Context(), b, 2)
		if err != nil {
			t.Errorf("%s: %v", w.file, err)
			continue
		}
		t.Logf("%s: %v", w.file, got)
		if !strings.HasPrefix(got[0].Label, w.label) || math.Abs(float64(got[0].Score-w.score)) > tolerance {
			t.Errorf("%s: %v, want %s %v", w.file, got[0], w.label, w.score)
		}
	}
}

func TestMobileNetV2Pictures(t *testing.T) {
	e, err := model.OpenImages(sharedModel(t, "mobilenet_v2_1.0_224_quant.tflite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Dim() != 1280 {
		t.Errorf("vectors of %d", e.Dim())
	}
	checkPictures(t, e, []seen{
		{"bird.bmp", "chickadee", 0.999}, {"cat.bmp", "Egyptian cat", 0.85}, {"dragonfly.bmp", "dragonfly", 0.97},
		{"grace_hopper.bmp", "military uniform", 0.75}, {"hot_dog.jpg", "hotdog", 0.97}, {"parrot.jpg", "macaw", 1}, {"sunflower.bmp", "daisy", 0.99},
	}, 0.06)
}

// tuxpaint decodes a sound of Debian's package tuxpaint-stamps-default with oggdec of vorbis-tools, or skips.
func tuxpaint(tb testing.TB, name string) []byte {
	tb.Helper()
	path := filepath.Join("/usr/share/tuxpaint/stamps", name)
	if _, err := os.Stat(path); err != nil {
		tb.Skipf("skipped, the package tuxpaint-stamps-default is not installed: %v", err)
	}
	b, err := exec.CommandContext(tb.Context(), "oggdec", "-Q", "-o", "-", path).Output()
	if err != nil {
		tb.Skipf("skipped, no oggdec: %v", err)
	}
	return b
}

func TestYAMNetSounds(t *testing.T) {
	e, err := model.OpenAudio(sharedModel(t, "yamnet.tflite"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Dim() != 1024 {
		t.Errorf("vectors of %d", e.Dim())
	}
	for _, w := range []struct {
		file   string
		labels []string
	}{
		{"hobbies/music/percussion/drumkit.ogg", []string{"Music", "Percussion"}},
		{"animals/mammals/bovines/sheep.ogg", []string{"Sheep", "Bleat"}},
		{"animals/birds/crow.ogg", []string{"Crow"}},
		{"animals/birds/rooster.ogg", []string{"Fowl"}},
		{"animals/birds/duck.ogg", []string{"Fowl"}},
	} {
		got, err := e.Classify(t.Context(), tuxpaint(t, w.file), 6)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v", w.file, got)
		for _, l := range w.labels {
			if !slices.ContainsFunc(got, func(c model.Class) bool { return c.Label == l && c.Score > 0.5 }) {
				t.Errorf("%s: %v, want %s", w.file, got, l)
			}
		}
	}
}

// sameNearest finds for each vector the nearest other one, and says how often both have the same mark.
func sameNearest(vectors [][]float32, mark func(i int) byte) float64 {
	same := 0
	for i, v := range vectors {
		best, at := math.Inf(-1), 0
		for j, w := range vectors {
			if i == j {
				continue
			}
			if c := cosine(v, w); c > best {
				best, at = c, j
			}
		}
		if mark(i) == mark(at) {
			same++
		}
	}
	return float64(same) / float64(len(vectors))
}

// TestSpeechDigits looks for the nearest other recording of a spoken digit: most are the same digit, most by the same speaker.
func TestSpeechDigits(t *testing.T) {
	e := openSpeech(t)
	files, err := filepath.Glob(filepath.Join(sharedDir(t), "data", "speech-digits", "*_[012].wav"))
	if err != nil || len(files) != 4*10*3 {
		t.Skipf("skipped, %d recordings, err %v", len(files), err)
	}
	var sounds [][]byte
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sounds = append(sounds, b)
	}
	vectors, err := e.EncodeAudio(t.Context(), sounds)
	if err != nil {
		t.Fatal(err)
	}
	name := func(i int) string { return filepath.Base(files[i]) }
	digit := sameNearest(vectors, func(i int) byte { return name(i)[0] })
	speaker := sameNearest(vectors, func(i int) byte { return name(i)[2] })
	t.Logf("%d recordings: the nearest is the same digit for %.1f %%, the same speaker for %.1f %%", len(files), 100*digit, 100*speaker)
	if digit < 0.93 {
		t.Errorf("same digit for %v", digit)
	}
}

// openSpeech opens the installed speech-embedding, or skips.
func openSpeech(tb testing.TB) *model.AudioEncoder {
	tb.Helper()
	dir, err := model.Find(modelDirs(), model.DefaultAudio)
	if err != nil {
		tb.Skipf("skipped, the model is not installed: %v", err)
	}
	e, err := model.OpenAudio(dir, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Close() })
	return e
}

func modelDirs() []string {
	if env := os.Getenv(model.ModelsEnv); env != "" {
		return filepath.SplitList(env)
	}
	return []string{filepath.Join(root, "models")}
}

// TestMobileNetV1Pictures compares the likeliest classes of the installed mobilenet, by number: it comes without names.
func TestMobileNetV1Pictures(t *testing.T) {
	dir, err := model.Find(modelDirs(), model.DefaultImage)
	if err != nil {
		t.Skipf("skipped, the model is not installed: %v", err)
	}
	e, err := model.OpenImages(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for file, class := range map[string]int{"cat.bmp": 286, "grace_hopper.bmp": 835, "bird.bmp": 20} { // Egyptian cat, suit, chickadee
		b, err := os.ReadFile(filepath.Join(sharedDir(t), "data", "pictures", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Classify(t.Context(), b, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %v", file, got)
		if got[0].ID != class {
			t.Errorf("%s: %v, want class %d", file, got, class)
		}
	}
}
