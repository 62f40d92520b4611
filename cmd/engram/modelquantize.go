package main

import (
	"bufio"
	"context"
	"encoding/json"
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
)

// modelQuantize has pointers where "not said" differs from a zero: what the command line says rules over the file of --config.
type modelQuantize struct {
	Input  string `arg:"" optional:"" help:"An installed model, a model directory or a weight file."`
	Output string `arg:"" optional:"" help:"Name to install the new model under, or a path."`
	Config string `type:"existingfile" help:"YAML file with the sections quantization and validation; flags rule over it."`

	Type        *string  `short:"q" placeholder:"TYPE" help:"int8, int4, int3, int2 or int2-mix. Default int8."`
	Method      *string  `placeholder:"METHOD" help:"ptq or gptq. Default gptq with calibration texts, else ptq."`
	Symmetric   bool     `xor:"symmetry" help:"No zero points. Default with int8."`
	Asymmetric  bool     `xor:"symmetry" help:"Zero points. Default with fewer bits."`
	Per         *string  `placeholder:"WHAT" help:"What shares a scale: tensor, channel or group. Default channel with int8, else group."`
	GroupSize   *int     `placeholder:"N" help:"Weights that share a scale. Default 64 with int4, else 32."`
	Layer       []string `placeholder:"PATTERN=TYPE" help:"Type of the layers that match; may be given again, the first match counts."`
	Calibration *string  `placeholder:"FILE" help:"Texts that calibrate, one a line."`
	Bits        *float64 `placeholder:"BITS" help:"Most bits a weight with int2-mix. Default 3."`

	Validate   *bool    `negatable:"" help:"Compare the new model with the old one and reject it where they differ too much. Default yes."`
	Texts      *string  `placeholder:"FILE" help:"Texts to compare on, one a line. Default: some that are built in."`
	Cosine     *float64 `placeholder:"COSINE" help:"Least mean cosine that passes. Default 0.99 with int8, else 0.95."`
	Perplexity *float64 `placeholder:"SHARE" help:"Rise of a language model's perplexity that warns. Default 0.15."`

	Replace bool   `help:"Put it in the place of a model of that name."`
	Force   bool   `help:"Quantize what is quantized already."`
	Memory  int64  `help:"Bytes that calibrating a layer may take. Default 2 GiB."`
	Threads int    `help:"Threads at work. Default all."`
	Models  string `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
	Report  string `short:"r" help:"Write the report to this file too, as JSON." type:"path"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// quantizeReport is what --json prints.
type quantizeReport struct {
	Success      bool             `json:"success"`
	Error        string           `json:"error,omitempty"`
	Quantization *quantize.Report `json:"quantization,omitempty"`
	Validation   *validate.Report `json:"validation,omitempty"`
}

func (c *modelQuantize) Run(ctx context.Context) error {
	if c.Config != "" {
		if err := c.readConfig(c.Config); err != nil {
			return err
		}
	}
	if c.Input == "" || c.Output == "" {
		return errors.New("an input and an output are needed: engram model quantize use-lite use-lite-int8")
	}
	dirs := model.SearchDirs(c.Models, "")
	input, err := modelPath(dirs, c.Input)
	if err != nil {
		return err
	}
	output := c.Output
	if !strings.ContainsRune(output, filepath.Separator) && filepath.Ext(output) != ".parquet" {
		output = filepath.Join(dirs[0], output)
	}
	o, err := c.options()
	if err != nil {
		return err
	}
	report := quantizeReport{}
	if c.Validate == nil || *c.Validate {
		judge, err := c.judge(ctx, input, &report)
		if err != nil {
			return err
		}
		o.Accept = judge
	}
	bar := &stageBar{ctx: ctx}
	if !c.JSON {
		o.Progress = func(p quantize.Progress) { bar.tell(p.Step, int64(p.Done), int64(p.Total)) }
	}
	report.Quantization, err = quantize.Run(ctx, input, output, o)
	bar.stop()
	report.Success = err == nil
	if err != nil {
		report.Error = err.Error()
	}
	if err := c.print(&report, output); err != nil {
		return err
	}
	if err != nil && c.JSON {
		return exitCode(1)
	}
	return err
}

// modelPath is the directory of an installed model of that name, else the path itself.
func modelPath(dirs []string, name string) (string, error) {
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	dir, err := model.Find(dirs, name)
	if err != nil && strings.ContainsRune(name, filepath.Separator) {
		return "", fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return dir, err
}

func (c *modelQuantize) options() (*quantize.Options, error) {
	o := &quantize.Options{Replace: c.Replace, Force: c.Force, Memory: c.Memory, Threads: c.Threads}
	if c.Type != nil {
		o.Type = quantize.Type(strings.ToLower(*c.Type))
	}
	if c.Method != nil {
		o.Method = quantize.Method(strings.ToLower(*c.Method))
	}
	switch {
	case c.Symmetric:
		o.Symmetry = quantize.Symmetric
	case c.Asymmetric:
		o.Symmetry = quantize.Asymmetric
	}
	if c.Per != nil {
		g, ok := map[string]quant.Granularity{"tensor": quant.PerTensor, "channel": quant.PerChannel, "group": quant.PerGroup}[strings.ToLower(*c.Per)]
		if !ok {
			return nil, fmt.Errorf("--per %q: there are tensor, channel and group", *c.Per)
		}
		o.Granularity = g
	}
	if c.GroupSize != nil {
		o.GroupSize = *c.GroupSize
	}
	if c.Bits != nil {
		o.MixBits = *c.Bits
	}
	for _, s := range c.Layer {
		r, err := quantize.ParseRule(s)
		if err != nil {
			return nil, err
		}
		o.Layers = append(o.Layers, r)
	}
	if c.Calibration != nil {
		var err error
		if o.Texts, err = readLines(*c.Calibration); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// judge compares a finished model with its input.
func (c *modelQuantize) judge(ctx context.Context, input string, report *quantizeReport) (func(dir string) error, error) {
	v, err := validation(c.Texts, c.Cosine, c.Perplexity, c.Threads)
	if err != nil {
		return nil, err
	}
	bar := &stageBar{ctx: ctx}
	if !c.JSON {
		v.Progress = func(done, total int) { bar.tell("validate", int64(done), int64(total)) }
	}
	return validate.Accept(ctx, input, v, func(r *validate.Report) {
		bar.stop()
		report.Validation = r
	}), nil
}

// validation are the options of a comparison.
func validation(texts *string, cosine, perplexity *float64, threads int) (*validate.Options, error) {
	v := &validate.Options{Threads: threads}
	if cosine != nil {
		v.Cosine = *cosine
	}
	if perplexity != nil {
		v.Perplexity = *perplexity
	}
	if texts != nil {
		var err error
		if v.Texts, err = readLines(*texts); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// readLines reads the lines of a file that are not blank.
func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: no texts, one a line", path)
	}
	return lines, nil
}

func (c *modelQuantize) print(r *quantizeReport, output string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if c.Report != "" {
		if err := os.WriteFile(c.Report, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if c.JSON {
		fmt.Println(string(b))
		return nil
	}
	if q := r.Quantization; q != nil {
		printLayers(q)
	}
	if r.Validation != nil {
		fmt.Print(r.Validation.Text())
	}
	if r.Success {
		fmt.Printf("\nwritten: %s\n", output)
	}
	return nil
}

// printLayers prints a row a layer and the sums.
func printLayers(q *quantize.Report) {
	t := &table{names: []string{"layer", "weights", "type", "method", "bits", "weight error", "output error", "note"},
		numeric: []bool{false, true, false, false, true, true, true, false}}
	for _, l := range q.Layers {
		t.rows = append(t.rows, []cell{{text: l.Name}, {text: fmt.Sprint(l.Params)}, {text: string(l.Type)}, {text: l.Method}, {text: fmt.Sprintf("%.2f", l.Bits)},
			share(l.WeightError), share(l.OutputError), {text: l.Fallback}})
	}
	t.print(os.Stdout)
	fmt.Printf("%d weights, %.2f bits each where they became codes, %.1f MB from %.1f MB (%.1f %% less), %.2f s\n\n", q.Params, q.Bits,
		float64(q.BytesAfter)/1e6, float64(q.BytesBefore)/1e6, 100*(1-float64(q.BytesAfter)/float64(max(1, q.BytesBefore))), q.Seconds)
}

// share prints an error, nothing where it is not known.
func share(e float64) cell {
	if e == 0 {
		return cell{null: true}
	}
	return cell{text: fmt.Sprintf("%.4f", e)}
}
