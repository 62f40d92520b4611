package quantize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"engram/quant/model"
	"engram/quant/weights"
)

// Run quantizes the model directory or weight file at input into one of the same kind at output. What is at output stays
// as it was until the new one is whole. When ctx is done its error is returned; the journal ".NAME.quantizing" beside the
// output then holds the layers that are finished, and the same call goes on from there.
func Run(ctx context.Context, input, output string, o *Options) (*Report, error) {
	began := time.Now()
	opt, err := o.filled()
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(input)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	if _, err := os.Lstat(output); err == nil && !opt.Replace {
		return nil, fmt.Errorf("quantize: %s: %w", output, fs.ErrExist)
	}
	r := &run{ctx: ctx, o: &opt, report: &Report{Input: input, Output: output, Type: opt.Type, Method: opt.Method, Texts: len(opt.Texts)}}
	if st.IsDir() {
		err = r.directory(input, output)
	} else if len(opt.Texts) > 0 {
		err = fmt.Errorf("%w: calibration texts need a model directory, %s is a weight file", ErrOptions, input)
	} else {
		err = r.file(input, output, output)
	}
	if err != nil {
		r.end()
		return nil, err
	}
	if err := r.journal.remove(); err != nil {
		return nil, err
	}
	r.report.Seconds = time.Since(began).Seconds()
	return r.report, nil
}

// run is one call of Run.
type run struct {
	ctx    context.Context
	o      *Options
	report *Report

	modelDir string // empty where the input is a weight file
	f        *weights.File
	jobs     []job // in the order of the file
	results  map[string]*outcome
	journal  *journal
}

// directory makes a model directory.
func (r *run) directory(input, output string) error {
	m, err := model.ReadManifest(input)
	if err != nil {
		return err
	}
	r.modelDir = input
	return model.Derive(r.ctx, input, output, &model.DeriveOptions{Name: r.o.Name, Replace: r.o.Replace, Accept: r.accept}, func(path string) (*model.Quantization, error) {
		if err := r.file(filepath.Join(input, m.Weights.File), path, output); err != nil {
			return nil, err
		}
		return &model.Quantization{Type: string(r.o.Type), Method: string(r.o.Method), Bits: r.report.Bits, Texts: len(r.o.Texts), SourceSHA256: m.Weights.SHA256}, nil
	})
}

// accept asks the caller whether the model in dir is good enough. One that is not leaves no journal: the same codes would come again.
func (r *run) accept(dir string) error {
	if r.o.Accept == nil {
		return nil
	}
	err := r.o.Accept(dir)
	if err == nil || r.ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.journal.remove())
}

// file makes the weight file to from the weight file at from, with the journal of output.
func (r *run) file(from, to, output string) (err error) {
	if r.f, err = weights.Open(from, &weights.Options{Logger: r.o.Logger}); err != nil {
		return err
	}
	defer r.f.Close()
	for _, l := range r.f.Layers() {
		if l.Quant.Bits() > 0 && !r.o.Force {
			return fmt.Errorf("%w: layer %q in %s is %s", ErrQuantized, l.Name, from, l.Quant)
		}
	}
	r.jobs, r.results = plan(r.f, r.o), map[string]*outcome{}
	h, err := r.header(from)
	if err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(filepath.Clean(output)), "."+filepath.Base(filepath.Clean(output))+".quantizing")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	var done []outcome
	if r.journal, done, err = openJournal(path, h); err != nil {
		return err
	}
	for i := range done {
		done[i].report.Resumed = true
		r.results[done[i].report.Name] = &done[i]
	}
	if err := r.layers(); err != nil {
		return err
	}
	return r.write(from, to)
}

// end closes the journal, which stays for the next run.
func (r *run) end() {
	if r.journal != nil {
		_ = r.journal.close() // every frame has a checksum; what was not written is done again
	}
}

// layers makes codes of all layers, with calibration where there are texts.
func (r *run) layers() error {
	if len(r.o.Texts) > 0 {
		c, err := r.calibrate()
		if err != nil {
			return err
		}
		defer c.close()
		return c.layers()
	}
	if r.o.Type == Int2Mix {
		if err := r.mixByWeights(); err != nil {
			return err
		}
	}
	for i := range r.jobs {
		if err := r.plain(&r.jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// finish records what became of a layer.
func (r *run) finish(o *outcome, began time.Time) error {
	o.report.Seconds = time.Since(began).Seconds()
	if err := r.journal.append(o); err != nil {
		return err
	}
	r.results[o.report.Name] = o
	r.o.Progress(Progress{Step: "layer", Layer: o.report.Name, Done: len(r.results), Total: len(r.jobs), Report: &o.report})
	return r.ctx.Err()
}

// start says that a layer is begun.
func (r *run) start(j *job) time.Time {
	r.o.Progress(Progress{Step: "layer", Layer: j.layer.Name, Done: len(r.results), Total: len(r.jobs)})
	return time.Now()
}

// header says which run this is: everything that the result depends on.
func (r *run) header(weightFile string) (header, error) {
	sum := sha256.New()
	if err := hashFile(sum, weightFile); err != nil {
		return header{}, err
	}
	if r.modelDir != "" {
		if err := hashFile(sum, filepath.Join(r.modelDir, model.ManifestFile)); err != nil {
			return header{}, err
		}
	}
	o := r.o
	options, err := json.Marshal(map[string]any{
		"type": o.Type, "method": o.Method, "symmetry": o.Symmetry, "granularity": o.Granularity, "group": o.GroupSize, "layers": o.Layers,
		"bits": o.MixBits, "memory": o.Memory, "version": 1,
	})
	if err != nil {
		return header{}, fmt.Errorf("quantize: %w", err)
	}
	texts := sha256.New()
	for _, t := range o.Texts {
		fmt.Fprintf(texts, "%d\n%s", len(t), t)
	}
	return header{Input: hex.EncodeToString(sum.Sum(nil)), Options: options, Texts: hex.EncodeToString(texts.Sum(nil))}, nil
}

func hashFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	return nil
}

// write puts the weight file together.
func (r *run) write(from, to string) error {
	w, err := weights.CreateV2(to, &weights.WriterOptions{Metadata: map[string]string{
		"engram.quantization": string(r.o.Type), "engram.method": string(r.o.Method),
	}})
	if err != nil {
		return err
	}
	defer w.Abort()
	for i := range r.jobs {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		j := &r.jobs[i]
		r.o.Progress(Progress{Step: "write", Layer: j.layer.Name, Done: i, Total: len(r.jobs)})
		if err := r.writeLayer(w, j); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	r.report.total()
	for _, p := range []struct {
		to   *int64
		path string
	}{{&r.report.BytesBefore, from}, {&r.report.BytesAfter, to}} {
		st, err := os.Stat(p.path)
		if err != nil {
			return fmt.Errorf("quantize: %w", err)
		}
		*p.to = st.Size()
	}
	return nil
}

// writeLayer writes one layer and enters it in the report.
func (r *run) writeLayer(w *weights.Writer, j *job) error {
	o, ok := r.results[j.layer.Name]
	if !ok {
		return errors.New("quantize: layer " + j.layer.Name + " was forgotten")
	}
	r.report.Layers = append(r.report.Layers, o.report)
	if o.q != nil {
		note := weights.Note{Method: o.report.Method, Fallback: o.report.Fallback, WeightError: o.report.WeightError, OutputError: o.report.OutputError}
		return w.AddQuantized(j.layer.Name, j.layer.Shape, j.layer.DType, o.q, note)
	}
	t, err := r.floats(j)
	if err != nil {
		return err
	}
	return w.Add(t)
}
