package model_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"engram/quant/model"
	"engram/quant/weights"
)

// unpacked writes the files of a package into a folder.
func unpacked(tb testing.TB, files map[string][]byte) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

func TestImportForms(t *testing.T) {
	files := newTiny(t).files(t)
	dir := unpacked(t, files)
	for name, src := range map[string]string{
		"archive": tgz(t, files), "folder above the package": dir, "the package": filepath.Join(dir, "package"),
		"the folder of the graph": filepath.Join(dir, "package", "dist"),
	} {
		dest := filepath.Join(t.TempDir(), "a", "b", "tiny")
		steps := map[string]int64{}
		err := model.Import(t.Context(), src, dest, &model.ImportOptions{Name: "other", Progress: func(step string, done, total int64) {
			if done < steps[step] || done > total {
				t.Errorf("%s: %s goes from %d to %d of %d", name, step, steps[step], done, total)
			}
			steps[step] = done
		}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if steps["read"] == 0 || steps["write"] == 0 {
			t.Errorf("%s: progress %v", name, steps)
		}
		if err := model.Verify(t.Context(), dest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m, err := model.ReadManifest(dest)
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "other" || m.Dim != tinyDim || m.MaxTokens != tinyLimit || m.Config.Heads != tinyHeads || m.Source.File != filepath.Base(src) || len(m.Source.SHA256) != 64 {
			t.Errorf("%s: %+v", name, m)
		}
		if name != "the folder of the graph" && (m.Source.Package != "tiny" || m.Source.Version != "1.2.3" || m.Source.Licence != "MIT") {
			t.Errorf("%s: source %+v", name, m.Source)
		}
		left, _ := os.ReadDir(filepath.Dir(dest))
		if len(left) != 1 {
			t.Errorf("%s: left beside the model: %v", name, left)
		}
	}
}

// TestImportKeepsNumbers compares the tensors of the imported model with those of the package, transposed.
func TestImportKeepsNumbers(t *testing.T) {
	p := newTiny(t)
	dir := tinyModel(t)
	f, err := weights.Open(filepath.Join(dir, model.WeightsFile), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n := len(f.Layers()); n != 2+13+1+11+2 && n != 2+14+12+2 {
		t.Errorf("%d layers", n)
	}
	src := p.weight(t, encodeScope+"Layer_0/TransformerLayer/dense/kernel/ConcatPartitions/concat")
	tensor, _, err := f.Tensor("layers.0.residual.weight")
	if err != nil || !slices.Equal(tensor.Shape, []int{tinyWide, tinyWidth}) {
		t.Fatalf("%v, err %v", tensor, err)
	}
	for i := range tinyWidth {
		for j := range tinyWide {
			if a, b := src.data[(i*tinyWide+j)*4:][:4], tensor.Data[(j*tinyWidth+i)*4:][:4]; !bytes.Equal(a, b) {
				t.Fatalf("[%d %d]: %v, want %v", j, i, b, a)
			}
		}
	}
	emb, _, err := f.Tensor("embeddings.weight")
	if err != nil || !bytes.Equal(emb.Data, p.weight(t, "module/Embeddings_en").data) {
		t.Errorf("embeddings differ, err %v", err)
	}
}

func TestImportReplaces(t *testing.T) {
	src := tgz(t, newTiny(t).files(t))
	dest := filepath.Join(t.TempDir(), "tiny")
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dest, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := model.Import(t.Context(), src, dest, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("something is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dest, "mine")); err != nil {
		t.Error("what was there is gone")
	}
	for range 2 {
		if err := model.Import(t.Context(), src, dest, &model.ImportOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := model.Verify(t.Context(), dest); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(dest)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestImportStaysInside offers archives whose names lead out of the destination: nothing is written there.
func TestImportStaysInside(t *testing.T) {
	good := newTiny(t).files(t)
	top := t.TempDir()
	dest := filepath.Join(top, "models", "tiny")
	evil := maps.Clone(good)
	evil["../../model.json"] = []byte("{}")
	evil["/tmp/vocab.json"] = []byte("[]")
	evil["package/dist/../../../package.json"] = []byte("{}")
	src := tgz(t, evil, tar.Header{Name: "package/dist/model.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		tar.Header{Name: "package/dist/vocab.json", Typeflag: tar.TypeLink, Linkname: "../../x"}, tar.Header{Name: "package/dist/", Typeflag: tar.TypeDir})
	if err := model.Import(t.Context(), src, dest, nil); err != nil {
		t.Fatal(err)
	}
	var seen []string
	_ = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			seen = append(seen, d.Name())
		}
		return err
	})
	slices.Sort(seen)
	if want := []string{"model.json", "vocab.json", "weights.parquet"}; !slices.Equal(seen, want) {
		t.Errorf("written: %v", seen)
	}
}

// put sets a file, where there are files.
func put(files map[string][]byte, name, text string) {
	if files != nil {
		files[name] = []byte(text)
	}
}

func TestImportRefuses(t *testing.T) {
	const norm = stackScope + "Layer_1/TransformerLayer/FFN/layer_prepostprocess/layer_norm/Cast/x"
	// Each spoils the package before it is laid out (files is nil then), or the files.
	for name, spoil := range map[string]func(p *tinyPackage, files map[string][]byte){
		"no graph":         func(_ *tinyPackage, f map[string][]byte) { delete(f, "package/dist/model.json") },
		"no vocabulary":    func(_ *tinyPackage, f map[string][]byte) { delete(f, "package/dist/vocab.json") },
		"missing shard":    func(_ *tinyPackage, f map[string][]byte) { delete(f, "package/dist/group1-shard2of3") },
		"graph not JSON":   func(_ *tinyPackage, f map[string][]byte) { put(f, "package/dist/model.json", "{") },
		"vocabulary wrong": func(_ *tinyPackage, f map[string][]byte) { put(f, "package/dist/vocab.json", "[]") },
		"short shard": func(_ *tinyPackage, f map[string][]byte) {
			put(f, "package/dist/group1-shard3of3", "12345678")
		},
		"long shard": func(_ *tinyPackage, f map[string][]byte) {
			put(f, "package/dist/group1-shard3of3", strings.Repeat("long", 1<<14))
		},
		"another graph": func(p *tinyPackage, _ map[string][]byte) { p.nodes[0]["op"] = "Mul" },
		"other inputs":  func(p *tinyPackage, _ map[string][]byte) { p.nodes[1]["input"] = []string{"x/Cos", "x/Sin"} },
		"no node":       func(p *tinyPackage, _ map[string][]byte) { p.nodes = p.nodes[1:] },
		"other scale": func(p *tinyPackage, _ map[string][]byte) {
			p.weight(t, stackScope+"Layer_0/TransformerLayer/MultiheadAttention/mul/y").data[3] = 0x41
		},
		"weight renamed":     func(p *tinyPackage, _ map[string][]byte) { p.weights[5].Name = "x" },
		"constant renamed":   func(p *tinyPackage, _ map[string][]byte) { p.weight(t, norm).Name = "x" },
		"weight twice":       func(p *tinyPackage, _ map[string][]byte) { p.weights[0].Name = p.weights[1].Name },
		"uint8 weight":       func(p *tinyPackage, _ map[string][]byte) { p.weights[0].DType = "uint8" },
		"negative dimension": func(p *tinyPackage, _ map[string][]byte) { p.weights[0].Shape = []int{-1} },
		"huge dimension":     func(p *tinyPackage, _ map[string][]byte) { p.weights[0].Shape = []int{1 << 40, 1 << 40} },
		"other rank": func(p *tinyPackage, _ map[string][]byte) {
			w := p.weight(t, "module/Embeddings_en")
			w.Shape = []int{42 * tinyWidth}
		},
		"other width": func(p *tinyPackage, _ map[string][]byte) {
			w := p.weight(t, "module/Embeddings_en")
			w.Shape = []int{21, 2 * tinyWidth}
		},
		"not a number": func(p *tinyPackage, _ map[string][]byte) {
			copy(p.weight(t, "module/Embeddings_en").data, "\xff\xff\xff\x7f")
		},
		"negative epsilon": func(p *tinyPackage, _ map[string][]byte) { p.weight(t, norm).data[3] |= 0x80 },
	} {
		p := newTiny(t)
		spoil(p, nil)
		files := p.files(t)
		spoil(newTiny(t), files)
		dest := filepath.Join(t.TempDir(), "tiny")
		err := model.Import(t.Context(), tgz(t, files), dest, nil)
		if !errors.Is(err, model.ErrSource) && !errors.Is(err, model.ErrManifest) {
			t.Errorf("%s: err %v", name, err)
		}
		if left, _ := os.ReadDir(filepath.Dir(dest)); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

func TestImportBadSources(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	good, err := os.ReadFile(tgz(t, newTiny(t).files(t)))
	if err != nil {
		t.Fatal(err)
	}
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	w.Write([]byte("this is no tar file, whatever it may look like"))
	w.Close()
	for name, src := range map[string]string{
		"text": file("text", []byte("text")), "empty": file("empty", nil), "gzip of text": file("gz", gz.Bytes()),
		"truncated": file("cut", good[:len(good)/2]), "empty folder": t.TempDir(),
	} {
		if err := model.Import(t.Context(), src, filepath.Join(dir, "out", name), nil); !errors.Is(err, model.ErrSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := model.Import(t.Context(), filepath.Join(dir, "none"), filepath.Join(dir, "m"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no source: %v", err)
	}
	for _, name := range []string{"../x", ".hidden", ".", "a/b"} {
		err := model.Import(t.Context(), file("good", good), filepath.Join(dir, "m"), &model.ImportOptions{Name: name})
		if !errors.Is(err, model.ErrSource) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := model.Import(t.Context(), file("good", good), filepath.Join(file("blocked", nil), "m"), nil); err == nil {
		t.Error("a file stands where the folder should be")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, src := range []string{file("good", good), unpacked(t, newTiny(t).files(t))} {
		if err := model.Import(ctx, src, filepath.Join(dir, "m"), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	// Cancelled while the tensors are being written.
	ctx, cancel = context.WithCancel(t.Context())
	err = model.Import(ctx, file("good", good), filepath.Join(dir, "m"), &model.ImportOptions{Progress: func(step string, _, _ int64) {
		if step == "write" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while writing: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// FuzzImport reads damaged graphs: an error or a model, never a panic.
func FuzzImport(f *testing.F) {
	files := newTiny(f).files(f)
	f.Add(files["package/dist/model.json"], []byte(files["package/dist/vocab.json"]))
	f.Fuzz(func(t *testing.T, graph, vocab []byte) {
		spoiled := maps.Clone(files)
		spoiled["package/dist/model.json"], spoiled["package/dist/vocab.json"] = graph, vocab
		err := model.Import(t.Context(), unpacked(t, spoiled), filepath.Join(t.TempDir(), "m"), nil)
		if err != nil && !errors.Is(err, model.ErrSource) && !errors.Is(err, model.ErrManifest) {
			t.Error(err)
		}
	})
}

// FuzzManifest reads damaged model.json files: an error or a model that encodes.
func FuzzManifest(f *testing.F) {
	dir := tinyModel(f)
	good, err := os.ReadFile(filepath.Join(dir, model.ManifestFile))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(strings.Replace(string(good), `"max_tokens": 16`, `"max_tokens": 60000`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		there := t.TempDir()
		for _, name := range []string{model.WeightsFile, model.VocabFile} {
			if err := os.Symlink(filepath.Join(dir, name), filepath.Join(there, name)); err != nil {
				t.Skip(err)
			}
		}
		if err := os.WriteFile(filepath.Join(there, model.ManifestFile), b, 0o644); err != nil {
			t.Fatal(err)
		}
		e, err := model.Open(there, nil)
		if err != nil {
			return
		}
		defer e.Close()
		v, err := e.Encode(t.Context(), []string{"the banana", ""})
		if err != nil || len(v) != 2 || len(v[0]) != e.Dim() {
			t.Errorf("%v, %v", v, err)
		}
	})
}
