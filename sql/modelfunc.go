package sql

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"engram/quant"
	"engram/quant/model"
	"engram/quant/quantize"
	"engram/quant/validate"
	"engram/quant/weights"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// modelFunctions are the functions of the installed models. Each gives a list of rows: see plan's tableFunctions for their names.
func (e *Engine) modelFunctions() map[string][]duck.ScalarFunction {
	text, number, flag, real8 := duck.Varchar, duck.BigInt, duck.Boolean, duck.Double
	texts := duck.List(text)
	all := map[string][]duck.ScalarFunction{}
	for name, f := range map[string]struct {
		params []duck.Type
		fields []duck.Field
		rows   func(ctx context.Context, a modelArgs) ([][]any, error)
	}{
		"quantize_model": {
			[]duck.Type{text, text, text, text, flag, flag, number, texts, texts, real8, flag, texts, real8, flag, flag},
			[]duck.Field{{Name: "layer", Type: text}, {Name: "weights", Type: number}, {Name: "quant_type", Type: text}, {Name: "method", Type: text}, {Name: "bits", Type: real8},
				{Name: "bytes", Type: number}, {Name: "weight_error", Type: real8}, {Name: "output_error", Type: real8}, {Name: "seconds", Type: real8}, {Name: "note", Type: text}},
			e.quantizeModel},
		"validate_model": {
			[]duck.Type{text, text, texts, real8, real8},
			[]duck.Field{{Name: "model", Type: text}, {Name: "reference", Type: text}, {Name: "passed", Type: flag}, {Name: "reason", Type: text}, {Name: "texts", Type: number},
				{Name: "cosine_mean", Type: real8}, {Name: "cosine_min", Type: real8}, {Name: "cosine_p1", Type: real8}, {Name: "cosine_p5", Type: real8},
				{Name: "spearman", Type: real8}, {Name: "top10_overlap", Type: real8}, {Name: "perplexity", Type: real8}, {Name: "reference_perplexity", Type: real8}},
			e.validateModel},
		"model_layers": {
			[]duck.Type{text},
			[]duck.Field{{Name: "layer", Type: text}, {Name: "shape", Type: text}, {Name: "weights", Type: number}, {Name: "dtype", Type: text}, {Name: "quant_type", Type: text},
				{Name: "granularity", Type: text}, {Name: "group_size", Type: number}, {Name: "method", Type: text}, {Name: "weight_error", Type: real8}, {Name: "output_error", Type: real8}, {Name: "note", Type: text}},
			e.modelLayers},
		"models": {
			[]duck.Type{text},
			[]duck.Field{{Name: "name", Type: text}, {Name: "architecture", Type: text}, {Name: "dim", Type: number}, {Name: "quant_type", Type: text}, {Name: "bits", Type: real8},
				{Name: "validated", Type: flag}, {Name: "cosine_mean", Type: real8}, {Name: "error", Type: text}},
			e.listModels},
		"load_model":   {[]duck.Type{text}, residentFields, e.loadModel},
		"unload_model": {[]duck.Type{text}, residentFields, e.unloadModel},
		"dequantize": {
			[]duck.Type{text, text},
			[]duck.Field{{Name: "row", Type: number}, {Name: "values", Type: duck.List(duck.Float)}},
			e.dequantize},
	} {
		name = "__engram_" + name
		all[name] = []duck.ScalarFunction{{Name: name, NullIn: true, Volatile: true, Params: append([]duck.Type{text}, f.params...),
			Returns: duck.List(duck.Struct(f.fields...)), Exec: rowsFunction(f.rows)}}
	}
	return all
}

var residentFields = []duck.Field{{Name: "model", Type: duck.Varchar}, {Name: "resident_bytes", Type: duck.BigInt}}

// rowsFunction makes a function of a chunk of one that gives rows for one call.
func rowsFunction(rows func(context.Context, modelArgs) ([][]any, error)) func(context.Context, []duck.Vector, int, *duck.Writer) error {
	return func(ctx context.Context, args []duck.Vector, n int, out *duck.Writer) error {
		for i := range n {
			all, err := rows(ctx, modelArgs{args[1:], i})
			if err != nil {
				return modelError(err)
			}
			list, at, _ := out.SetList(i, len(all))
			for j, row := range all {
				for k, v := range row {
					field := list.Field(k)
					switch v := v.(type) {
					case nil:
						field.SetNull(at + j)
					case string:
						field.SetString(at+j, v)
					case int64:
						field.SetInt64(at+j, v)
					case bool:
						field.SetBool(at+j, v)
					case float64:
						field.SetFloat64(at+j, v)
					case []float32:
						field.SetFloats(at+j, v)
					}
				}
			}
		}
		return nil
	}
}

// modelArgs are the arguments of one call; what is NULL reads as nothing.
type modelArgs struct {
	args []duck.Vector
	row  int
}

func (a modelArgs) given(k int) bool { return !a.args[k].IsNull(a.row) }

func (a modelArgs) text(k int) string {
	if !a.given(k) {
		return ""
	}
	return a.args[k].String(a.row)
}

func (a modelArgs) number(k int) int64 {
	if !a.given(k) {
		return 0
	}
	return a.args[k].Int64(a.row)
}

func (a modelArgs) real(k int) float64 {
	if !a.given(k) {
		return 0
	}
	return a.args[k].Float64(a.row)
}

func (a modelArgs) flag(k int, otherwise bool) bool {
	if !a.given(k) {
		return otherwise
	}
	return a.args[k].Bool(a.row)
}

// texts are the elements of an array that are not NULL.
func (a modelArgs) texts(k int) []string {
	if !a.given(k) {
		return nil
	}
	child, from, n := a.args[k].Elems(a.row)
	var texts []string
	for i := from; i < from+n; i++ {
		if !child.IsNull(i) {
			texts = append(texts, child.String(i))
		}
	}
	return texts
}

// modelError gives errors of models their SQLSTATE.
func modelError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	code := types.CodeIOError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, validate.ErrRejected):
		code = types.CodeCheckViolation
	case errors.Is(err, model.ErrNotFound), errors.Is(err, weights.ErrNoLayer):
		code = types.CodeUndefinedObject
	case errors.Is(err, fs.ErrExist):
		code = types.CodeDuplicateObject
	case errors.Is(err, fs.ErrNotExist):
		code = types.CodeUndefinedFile
	case errors.Is(err, quantize.ErrOptions), errors.Is(err, validate.ErrModels):
		code = types.CodeInvalidParameterValue
	case errors.Is(err, quantize.ErrQuantized), errors.Is(err, quantize.ErrJournal):
		code = types.CodeObjectNotInPrerequisiteState
	case errors.Is(err, weights.ErrCorrupt), errors.Is(err, weights.ErrFormat), errors.Is(err, model.ErrManifest):
		code = types.CodeDataException
	}
	out := types.Errorf(code, "%s", err)
	out.Cause = err
	switch {
	case errors.Is(err, fs.ErrExist):
		out = out.WithHint("Say replace => true to put the new model in its place.")
	case errors.Is(err, quantize.ErrQuantized):
		out = out.WithHint("Quantize the model that it was made from.")
	}
	return out
}

// registry is where models are installed.
func (e *Engine) registry() (*model.Registry, error) {
	if e.options.Models == nil || len(e.options.Models.Dirs()) == 0 {
		return nil, types.Errorf(types.CodeObjectNotInPrerequisiteState, "the server has no directory of models")
	}
	return e.options.Models, nil
}

// modelPath is the directory of an installed model, or a path below a directory of models: no other file can be named.
func (e *Engine) modelPath(name string, mustExist bool) (string, error) {
	r, err := e.registry()
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", types.Errorf(types.CodeInvalidParameterValue, "a model has to be named")
	}
	plain := !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, ".")
	if plain && filepath.Ext(name) != ".parquet" {
		if !mustExist {
			return filepath.Join(r.Dirs()[0], name), nil
		}
		return model.Find(r.Dirs(), name)
	}
	for _, root := range r.Dirs() {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(root, path)
		}
		if below(root, path) {
			if _, err := os.Stat(path); err == nil || !mustExist {
				return path, nil
			}
		}
	}
	if mustExist {
		return "", types.Errorf(types.CodeUndefinedFile, "there is no model or weight file %q below the directories of models", name)
	}
	return "", types.Errorf(types.CodeInsufficientPrivilege, "%q does not lie below a directory of models", name)
}

// below reports whether path lies under root, links followed as far as the path exists.
func below(root, path string) bool {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return false
	}
	dir := filepath.Clean(path)
	for {
		if r, err := filepath.EvalSymlinks(dir); err == nil {
			rest, err := filepath.Rel(dir, filepath.Clean(path))
			if err != nil {
				return false
			}
			rel, err := filepath.Rel(real, filepath.Join(r, rest))
			return err == nil && rel != "." && filepath.IsLocal(rel)
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return false
	}
}

// quantizeModel is quantize_model(input, output, quant_type, method, per_channel, symmetric, group_size, mixed_precision_layers, calibration,
// bits, validate, texts, cosine_threshold, replace, force): a row a layer and a total.
func (e *Engine) quantizeModel(ctx context.Context, a modelArgs) ([][]any, error) {
	input, err := e.modelPath(a.text(0), true)
	if err != nil {
		return nil, err
	}
	output, err := e.modelPath(a.text(1), false)
	if err != nil {
		return nil, err
	}
	o := &quantize.Options{Type: quantize.Type(strings.ToLower(a.text(2))), Method: quantize.Method(strings.ToLower(a.text(3))), GroupSize: int(a.number(6)),
		Texts: a.texts(8), MixBits: a.real(9), Replace: a.flag(13, false), Force: a.flag(14, false), Logger: e.log}
	if a.given(4) && o.GroupSize == 0 {
		o.Granularity = quant.PerTensor
		if a.flag(4, true) {
			o.Granularity = quant.PerChannel
		}
	}
	if a.given(5) {
		o.Symmetry = quantize.Asymmetric
		if a.flag(5, true) {
			o.Symmetry = quantize.Symmetric
		}
	}
	for _, s := range a.texts(7) {
		rule, err := quantize.ParseRule(s)
		if err != nil {
			return nil, err
		}
		o.Layers = append(o.Layers, rule)
	}
	verdict := any(nil)
	if a.flag(10, true) {
		o.Accept = validate.Accept(ctx, input, &validate.Options{Texts: a.texts(11), Cosine: a.real(12)}, func(r *validate.Report) {
			verdict = strings.Join(append([]string{summary(r)}, r.Warnings...), "; ")
		})
	}
	r, err := quantize.Run(ctx, input, output, o)
	if err != nil {
		return nil, err
	}
	e.log.Info("model quantized", "input", a.text(0), "output", a.text(1), "type", r.Type, "seconds", r.Seconds)
	var rows [][]any
	for _, l := range r.Layers {
		rows = append(rows, []any{l.Name, int64(l.Params), string(l.Type), l.Method, l.Bits, l.Bytes, known(l.WeightError), known(l.OutputError), l.Seconds, said(l.Fallback)})
	}
	return append(rows, []any{"total", r.Params, string(r.Type), string(r.Method), r.Bits, r.BytesAfter, nil, nil, r.Seconds, verdict}), nil
}

// summary is a report in a line.
func summary(r *validate.Report) string {
	switch {
	case r.Likeness != nil:
		return fmt.Sprintf("passed: mean cosine %.5f, least %.5f over %d texts", r.Mean, r.Min, r.Texts)
	case r.Prediction != nil:
		return fmt.Sprintf("passed: perplexity %.4f, was %.4f", r.Prediction.Perplexity, r.Before)
	}
	return "passed"
}

// known is an error that may not be known, which 0 stands for.
func known(x float64) any {
	if x == 0 {
		return nil
	}
	return x
}

func said(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// validateModel is validate_model(model, reference, texts, cosine_threshold, perplexity_threshold): one row.
func (e *Engine) validateModel(ctx context.Context, a modelArgs) ([][]any, error) {
	dir, err := e.modelPath(a.text(0), true)
	if err != nil {
		return nil, err
	}
	reference, err := e.modelPath(a.text(1), true)
	if err != nil {
		return nil, err
	}
	r, err := validate.Run(ctx, reference, dir, &validate.Options{Texts: a.texts(2), Cosine: a.real(3), Perplexity: a.real(4)})
	if err != nil {
		return nil, err
	}
	row := []any{r.Model, r.Reference, r.Passed, said(r.Reason), int64(r.Texts), nil, nil, nil, nil, nil, nil, nil, nil}
	if l := r.Likeness; l != nil {
		copy(row[5:], []any{l.Mean, l.Min, l.P1, l.P5, l.Spearman, l.Overlap})
	}
	if p := r.Prediction; p != nil {
		copy(row[11:], []any{p.Perplexity, p.Before})
	}
	return [][]any{row}, nil
}

// weightFile opens the weight file of a model, or a weight file.
func (e *Engine) weightFile(name string) (*weights.File, error) {
	path, err := e.modelPath(name, true)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		m, err := model.ReadManifest(path)
		if err != nil {
			return nil, err
		}
		path = filepath.Join(path, m.Weights.File)
	}
	return weights.Open(path, &weights.Options{Logger: e.log})
}

// modelLayers is model_layers(model): a row a layer.
func (e *Engine) modelLayers(_ context.Context, a modelArgs) ([][]any, error) {
	f, err := e.weightFile(a.text(0))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows [][]any
	for _, l := range f.Layers() {
		row := []any{l.Name, fmt.Sprint(l.Shape), int64(l.Params), l.DType.String(), said(string(l.Quant)), nil, nil, said(l.Note.Method), known(l.Note.WeightError),
			known(l.Note.OutputError), said(l.Note.Fallback)}
		if s, ok := l.Scheme(); ok {
			row[5] = s.Granularity.String()
			if s.GroupSize > 0 {
				row[6] = int64(s.GroupSize)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// listModels is models(name): a row for each installed model, or for the one that is named.
func (e *Engine) listModels(_ context.Context, a modelArgs) ([][]any, error) {
	r, err := e.registry()
	if err != nil {
		return nil, err
	}
	var rows [][]any
	for _, m := range r.List() {
		if a.given(0) && a.text(0) != m.Name {
			continue
		}
		row := []any{m.Name, nil, nil, nil, nil, nil, nil, nil}
		if m.Err != nil {
			row[7] = m.Err.Error()
		} else {
			row[1], row[2] = m.Manifest.Architecture, int64(m.Manifest.Dim)
			if q := m.Manifest.Quantization; q != nil {
				row[3], row[4] = q.Type, q.Bits
			}
			if v, err := validate.Load(m.Dir); err == nil {
				row[5] = v.Passed
				if v.Likeness != nil {
					row[6] = v.Mean
				}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// loadModel is load_model(model): the model is opened and run once, so that its weights are in memory.
func (e *Engine) loadModel(ctx context.Context, a modelArgs) ([][]any, error) {
	r, err := e.registry()
	if err != nil {
		return nil, err
	}
	enc, err := r.Encoder(a.text(0))
	if err != nil {
		return nil, err
	}
	if _, err := enc.Encode(ctx, []string{"a text"}); err != nil {
		return nil, err
	}
	return [][]any{{enc.Name(), enc.Params().Resident()}}, nil
}

// unloadModel is unload_model(model): its weights leave memory until they are needed again.
func (e *Engine) unloadModel(_ context.Context, a modelArgs) ([][]any, error) {
	r, err := e.registry()
	if err != nil {
		return nil, err
	}
	enc, err := r.Encoder(a.text(0))
	if err != nil {
		return nil, err
	}
	enc.Params().Unload()
	return [][]any{{enc.Name(), enc.Params().Resident()}}, nil
}

// maxDequantized bounds the numbers that dequantize gives: they are in memory all at once.
const maxDequantized = 1 << 26

// dequantize is dequantize(model, layer): the numbers of a layer, a row for each of its first dimension.
func (e *Engine) dequantize(ctx context.Context, a modelArgs) ([][]any, error) {
	f, err := e.weightFile(a.text(0))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, ok := f.Layer(a.text(1))
	if !ok {
		return nil, fmt.Errorf("%w: %q", weights.ErrNoLayer, a.text(1))
	}
	if l.Params > maxDequantized {
		return nil, types.Errorf(types.CodeProgramLimitExceeded, "layer %q has %d numbers, at most %d can be asked for", l.Name, l.Params, maxDequantized)
	}
	values, mapped, err := f.Float32(l.Name)
	if err != nil {
		return nil, err
	}
	if mapped {
		values = append([]float32(nil), values...) // the file is closed before they are read
	}
	width := len(values)
	if len(l.Shape) > 1 && l.Shape[0] > 0 {
		width = len(values) / l.Shape[0]
	}
	var rows [][]any
	for i := int64(0); len(values) > 0; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows = append(rows, []any{i, values[:width]})
		values = values[width:]
	}
	return rows, nil
}
