package model

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant"
	"engram/quant/model/layer"
	"engram/quant/model/media"
	"engram/quant/weights"
)

var mediaArchitectures = []string{MobileNetV1, MobileNetV2, YAMNet, SpeechEmbedding}

// madeInput is a picture of noise, or a sound of a second or so.
func madeInput(tb testing.TB, arch string, seed uint64) []byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	if arch == MobileNetV1 || arch == MobileNetV2 {
		m := image.NewNRGBA(image.Rect(0, 0, 40+int(seed), 50))
		for i := range m.Pix {
			m.Pix[i] = uint8(r.IntN(256))
		}
		m.Set(0, 0, color.White)
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			tb.Fatal(err)
		}
		return b.Bytes()
	}
	n := 9000 + int(seed)*4000
	le := binary.LittleEndian
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = le.AppendUint32(le.AppendUint32(b, soundRate), 2*soundRate)
	b = append(b, "\x02\x00\x10\x00data"...)
	b = le.AppendUint32(b, uint32(2*n))
	for i := range n {
		b = le.AppendUint16(b, uint16(int16(8000*math.Sin(float64(i)*float64(seed+2)/40)+float64(r.IntN(500)))))
	}
	return b
}

// encodeAll encodes inputs by a model of either kind.
func encodeAll(tb testing.TB, dir string, o *Options, inputs ...[]byte) [][]float32 {
	tb.Helper()
	out, err := tryEncode(tb.Context(), dir, o, inputs...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func tryEncode(ctx context.Context, dir string, o *Options, inputs ...[]byte) ([][]float32, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	if m.Kind() == KindImage {
		e, err := OpenImages(dir, o)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		return e.EncodeImages(ctx, inputs)
	}
	e, err := OpenAudio(dir, o)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	return e.EncodeAudio(ctx, inputs)
}

// TestMediaVectorsDependOnTheirInputAlone: length one, the same to the last bit whatever is beside an input, and not the same
// for all.
func TestMediaVectorsDependOnTheirInputAlone(t *testing.T) {
	for _, arch := range mediaArchitectures {
		dir := madeModel(t, arch, nil)
		var inputs [][]byte
		for i := range 5 {
			inputs = append(inputs, madeInput(t, arch, uint64(i)))
		}
		all := encodeAll(t, dir, &Options{Threads: 3}, inputs...)
		for i, v := range all {
			var square float64
			for _, x := range v {
				square += float64(x) * float64(x)
			}
			if math.Abs(square-1) > 1e-5 {
				t.Errorf("%s: squared length %v", arch, square)
			}
			if alone := encodeAll(t, dir, &Options{Threads: 1}, inputs[i]); !slices.Equal(alone[0], v) {
				t.Errorf("%s: input %d has another vector by itself", arch, i)
			}
		}
		// Of random weights without a norm between them the deep networks of version 1 forget what they saw.
		if forgets := arch == MobileNetV1 || arch == YAMNet; !forgets && slices.Equal(all[0], all[1]) {
			t.Errorf("%s: different inputs have the same vector", arch)
		}
		if none := encodeAll(t, dir, nil); len(none) != 0 {
			t.Errorf("%s: %d vectors of nothing", arch, len(none))
		}
	}
}

// TestSpeechWindows passes every window through the layers by itself: that windows share their frames changes nothing.
func TestSpeechWindows(t *testing.T) {
	dir := madeModel(t, SpeechEmbedding, nil)
	e, err := OpenAudio(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	n := e.net.(*speechNet)
	const windows = speechChunk + 3
	r := rand.New(rand.NewPCG(1, 1))
	bands := make([]float32, (speechFrames+(windows-1)*speechStep)*speechBands)
	for i := range bands {
		bands[i] = float32(r.NormFloat64())
	}
	var s mediaScratch
	together := slices.Clone(n.convolve(&s, bands, len(bands)/speechBands))
	if len(together) != windows*e.Dim() {
		t.Fatalf("%d numbers", len(together))
	}
	for w := range windows {
		alone := n.convolve(&s, bands[w*speechStep*speechBands:][:speechFrames*speechBands], speechFrames)
		if !slices.Equal(alone, together[w*e.Dim():(w+1)*e.Dim()]) {
			t.Fatalf("window %d has another vector by itself", w)
		}
	}
}

func TestMediaErrors(t *testing.T) {
	for _, arch := range mediaArchitectures {
		dir := madeModel(t, arch, nil)
		good := madeInput(t, arch, 1)
		for name, c := range map[string]struct {
			input []byte
			want  error
		}{"no format": {[]byte("neither"), media.ErrFormat}, "cut off": {good[:len(good)/2], media.ErrDecode}, "nothing": {nil, media.ErrFormat}} {
			_, err := tryEncode(t.Context(), dir, nil, good, c.input)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "2 of 2") {
				t.Errorf("%s, %s: %v", arch, name, err)
			}
		}
		if _, err := tryEncode(t.Context(), dir, &Options{Limits: &media.Limits{Bytes: 10}}, good); !errors.Is(err, media.ErrTooLarge) {
			t.Errorf("%s: beyond the limits: %v", arch, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tryEncode(ctx, dir, nil, good); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled: %v", arch, err)
		}
		if _, err := Open(dir, nil); !errors.Is(err, ErrKind) {
			t.Errorf("%s as a model for text: %v", arch, err)
		}
		if _, err := OpenLanguageModel(dir, nil); err == nil {
			t.Errorf("%s is a language model", arch)
		}
		_, errImages := OpenImages(dir, nil)
		_, errAudio := OpenAudio(dir, nil)
		if errors.Is(errImages, ErrKind) == errors.Is(errAudio, ErrKind) {
			t.Errorf("%s: for pictures %v, for sounds %v", arch, errImages, errAudio)
		}
	}
}

func TestMediaRegistry(t *testing.T) {
	top := t.TempDir()
	for name, arch := range map[string]string{DefaultImage: MobileNetV2, DefaultAudio: SpeechEmbedding, "hears": YAMNet} {
		if err := os.Rename(madeModel(t, arch, nil), filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	r := NewRegistry([]string{top}, nil)
	images, err := r.Images("")
	if err != nil || images.Name() != "made" || images.Manifest().Architecture != MobileNetV2 || images.Params() == nil {
		t.Fatalf("%v, err %v", images, err)
	}
	audio, err := r.Audio("")
	if err != nil || audio.Manifest().Architecture != SpeechEmbedding {
		t.Errorf("%v, err %v", audio, err)
	}
	if again, _ := r.Audio(DefaultAudio); again != audio {
		t.Error("opened twice")
	}
	if _, err := r.Audio("hears"); err != nil {
		t.Error(err)
	}
	if _, err := r.Encoder("hears"); !errors.Is(err, ErrKind) {
		t.Errorf("sounds as text: %v", err)
	}
	if _, err := r.Images("hears"); !errors.Is(err, ErrKind) {
		t.Errorf("sounds as pictures: %v", err)
	}
	if _, err := r.Images("none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("none: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := images.EncodeImages(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := images.Classify(t.Context(), nil, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := images.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

func TestClassify(t *testing.T) {
	names := filepath.Join(t.TempDir(), "names.txt")
	if err := os.WriteFile(names, []byte("a\nb\r\nc, d\ne\nf\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := madeModel(t, MobileNetV2, &ImportOptions{Labels: names})
	e, err := OpenImages(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got, err := e.Classify(t.Context(), madeInput(t, MobileNetV2, 1), 100)
	if err != nil || len(got) != 5 {
		t.Fatalf("%v, err %v", got, err)
	}
	var sum float32
	for i, c := range got {
		sum += c.Score
		if want := []string{"a", "b", "c, d", "e", "f"}[c.ID]; c.Label != want || (i > 0 && c.Score > got[i-1].Score) {
			t.Errorf("%d: %+v, want %s", i, c, want)
		}
	}
	if math.Abs(float64(sum)-1) > 1e-5 {
		t.Errorf("the scores add up to %v", sum)
	}
	if got, _ := e.Classify(t.Context(), madeInput(t, MobileNetV2, 1), -1); len(got) != 0 {
		t.Errorf("-1 classes: %v", got)
	}
	if _, err := e.Classify(t.Context(), []byte("x"), 1); !errors.Is(err, media.ErrFormat) {
		t.Errorf("no picture: %v", err)
	}
	hears, err := OpenAudio(madeModel(t, YAMNet, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hears.Close()
	if got, err := hears.Classify(t.Context(), madeInput(t, YAMNet, 1), 3); err != nil || len(got) != 3 || got[0].Label != "" || got[0].Score <= 0 || got[0].Score >= 1 {
		t.Errorf("%v, err %v", got, err)
	}
	speech, err := OpenAudio(madeModel(t, SpeechEmbedding, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer speech.Close()
	if _, err := speech.Classify(t.Context(), madeInput(t, YAMNet, 1), 3); !errors.Is(err, ErrKind) {
		t.Errorf("no classes: %v", err)
	}
}

func TestLabels(t *testing.T) {
	if got, err := parseLabels("index,mid,name\n0,/m/1,Speech\n1,/m/2,\"Child, kid\"\n", true); err != nil || !slices.Equal(got, []string{"Speech", "Child, kid"}) {
		t.Errorf("%q, err %v", got, err)
	}
	if _, err := parseLabels("a,b\n\"", true); err == nil {
		t.Error("a bad CSV file is taken")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nets, copyNet := made()[MobileNetV2]()
	for name, path := range map[string]string{"too few": write("few.txt", "a\nb\n"), "bad CSV": write("bad.csv", "a\n\"x"), "none": filepath.Join(dir, "none")} {
		if _, err := writeMade(t, MobileNetV2, nets, copyNet, &ImportOptions{Labels: path}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	// Those of the published name beside the source are found.
	beside := write(publishedLabels[YAMNet], "i,m,n\n"+strings.Repeat("0,/m,Hum\n", 7))
	m := &Manifest{Architecture: YAMNet}
	if err := importLabels(m, filepath.Join(filepath.Dir(beside), "x.tflite"), dir, "", 7); err != nil || m.Labels == nil {
		t.Fatalf("beside the source: %v", err)
	}
	if got, err := readLabels(dir, m, 7); err != nil || !slices.Equal(got, slices.Repeat([]string{"Hum"}, 7)) {
		t.Errorf("%q, err %v", got, err)
	}
	if _, err := readLabels(dir, m, 8); !errors.Is(err, ErrManifest) {
		t.Errorf("another number of classes: %v", err)
	}
	b, _ := json.Marshal(7)
	write(LabelsFile, string(b))
	if _, err := readLabels(dir, m, 7); !errors.Is(err, ErrManifest) {
		t.Errorf("changed: %v", err)
	}
	m.Labels.SHA256 = bytesSHA256(b)
	if _, err := readLabels(dir, m, 7); !errors.Is(err, ErrManifest) {
		t.Errorf("no list: %v", err)
	}
	if _, err := readLabels(t.TempDir(), m, 7); err == nil {
		t.Error("no file, and taken")
	}
}

// TestMediaModelsAsCodes rounds the convolutions of models to int8: their vectors stay close.
func TestMediaModelsAsCodes(t *testing.T) {
	for _, arch := range []string{MobileNetV1, SpeechEmbedding} {
		dir := madeModel(t, arch, nil)
		coded := filepath.Join(t.TempDir(), "coded")
		err := Derive(t.Context(), dir, coded, nil, func(path string) (*Quantization, error) {
			return &Quantization{Type: "int8", Method: "span", Bits: 8}, toInt8(filepath.Join(dir, WeightsFile), path)
		})
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		input := madeInput(t, arch, 2)
		a, b := encodeAll(t, dir, nil, input)[0], encodeAll(t, coded, nil, input)[0]
		var dot float64
		for i := range a {
			dot += float64(a[i]) * float64(b[i])
		}
		if dot < 0.99 {
			t.Errorf("%s: cosine %v", arch, dot)
		}
	}
}

// toInt8 copies a weight file with its matrices as int8 codes, a scale a row.
func toInt8(from, to string) error {
	f, err := weights.Open(from, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := weights.CreateV2(to, nil)
	if err != nil {
		return err
	}
	defer w.Abort()
	for _, l := range f.Layers() {
		v, _, err := f.Float32(l.Name)
		if err != nil {
			return err
		}
		if len(l.Shape) != 2 || !strings.HasSuffix(l.Name, ".weight") {
			err = w.Add(&weights.Tensor{Name: l.Name, Shape: l.Shape, DType: weights.Float32, Data: weights.Float32Bytes(v)})
		} else if q, qerr := quant.QuantizeMatrix(quant.Scheme{Bits: 8, Granularity: quant.PerChannel, Symmetric: true}, l.Shape[0], l.Shape[1], v); qerr != nil {
			err = qerr
		} else {
			err = w.AddQuantized(l.Name, l.Shape, weights.Float32, q, weights.Note{})
		}
		if err != nil {
			return err
		}
	}
	return w.Close()
}

// TestCodesStayCodes: what a network has as bytes is bytes in the model too, and stands for the same numbers.
func TestCodesStayCodes(t *testing.T) {
	nets, copyNet := made()[MobileNetV2]()
	dir, err := writeMade(t, MobileNetV2, nets, copyNet, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(filepath.Join(dir, WeightsFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"stem.weight", "blocks.0.depthwise.weight", "blocks.3.expand.weight", "classifier.weight"} {
		if l, ok := f.Layer(name); !ok || l.Quant != weights.QuantInt8 {
			t.Errorf("%s: %+v", name, l)
		}
	}
	want, err := nets[0].Read(nets[0].graph.Nodes[0].Inputs[1])
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := f.Float32("stem.weight")
	if err != nil || !bytes.Equal(weights.Float32Bytes(got), want.Data) {
		t.Errorf("the numbers changed, err %v", err)
	}
}

func TestGrid(t *testing.T) {
	g := grid{0.5, 10}
	v := []float32{-100, -5, -0.3, 0.2, 0.3, 0.75, 122.5, 500}
	g.round(v)
	if want := []float32{-5, -5, -0.5, 0, 0.5, 1, 122.5, 122.5}; !slices.Equal(v, want) {
		t.Errorf("%v, want %v", v, want)
	}
	grid{}.round(v)
	dir := t.TempDir()
	for name, bad := range map[string][]float32{"scale": {0, 1}, "zero": {1, 300}} {
		path := filepath.Join(dir, name)
		w, err := weights.CreateV2(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Add(&weights.Tensor{Name: "x.output", Shape: []int{2}, DType: weights.Float32, Data: weights.Float32Bytes(bad)}), w.Close()); err != nil {
			t.Fatal(err)
		}
		p, err := layer.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readGrid(p, "x"); !errors.Is(err, ErrManifest) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
}

// TestMediaManifests refuses what no model has.
func TestMediaManifests(t *testing.T) {
	for name, spoil := range map[string]func(m *Manifest){
		"dim":    func(m *Manifest) { m.Dim++ },
		"size":   func(m *Manifest) { m.Config.ImageSize = 5 },
		"scale":  func(m *Manifest) { m.Config.PixelScale = 0 },
		"offset": func(m *Manifest) { m.Config.PixelOffset = 1e9 },
		"labels": func(m *Manifest) { m.Labels = &FileRef{File: "../x"} },
	} {
		for _, arch := range mediaArchitectures {
			dir := madeModel(t, arch, nil)
			m, err := ReadManifest(dir)
			if err != nil {
				t.Fatal(err)
			}
			spoil(m)
			if err := m.write(dir); err != nil {
				t.Fatal(err)
			}
			_, err = tryEncode(t.Context(), dir, nil)
			if onlyPictures := name == "size" || name == "scale" || name == "offset"; onlyPictures && m.Kind() != KindImage {
				continue
			}
			if !errors.Is(err, ErrManifest) {
				t.Errorf("%s, %s: %v", arch, name, err)
			}
		}
	}
}
