package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"engram/quant/model"
	"engram/quant/weights"
)

type modelLayers struct {
	Model  string `arg:"" help:"An installed model, a model directory or a weight file."`
	Models string `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// layerRow is a layer as --json prints it.
type layerRow struct {
	Name        string  `json:"name"`
	Shape       []int   `json:"shape"`
	Params      int     `json:"params"`
	DType       string  `json:"dtype"`
	Quant       string  `json:"quant_type,omitempty"`
	Shared      string  `json:"granularity,omitempty"`
	GroupSize   int     `json:"group_size,omitempty"`
	Method      string  `json:"method,omitempty"`
	Fallback    string  `json:"fallback,omitempty"`
	WeightError float64 `json:"weight_error,omitempty"`
	OutputError float64 `json:"output_error,omitempty"`
}

func (c *modelLayers) Run() error {
	path, err := modelPath(model.SearchDirs(c.Models, ""), c.Model)
	if err != nil {
		return err
	}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		m, err := model.ReadManifest(path)
		if err != nil {
			return err
		}
		path = filepath.Join(path, m.Weights.File)
	}
	f, err := weights.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	var rows []layerRow
	for _, l := range f.Layers() {
		r := layerRow{Name: l.Name, Shape: l.Shape, Params: l.Params, DType: l.DType.String(), Quant: string(l.Quant), Method: l.Note.Method,
			Fallback: l.Note.Fallback, WeightError: l.Note.WeightError, OutputError: l.Note.OutputError}
		if s, ok := l.Scheme(); ok {
			r.Shared, r.GroupSize = s.Granularity.String(), s.GroupSize
		}
		rows = append(rows, r)
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(rows)
	}
	t := &table{names: []string{"layer", "shape", "weights", "type", "shared", "method", "weight error", "output error", "note"},
		numeric: []bool{false, false, true, false, false, false, true, true, false}}
	for _, r := range rows {
		kind := r.Quant
		if kind == "" {
			kind = r.DType
		}
		shared := r.Shared
		if r.GroupSize > 0 {
			shared = fmt.Sprintf("%s of %d", shared, r.GroupSize)
		}
		t.rows = append(t.rows, []cell{{text: r.Name}, {text: fmt.Sprint(r.Shape)}, {text: fmt.Sprint(r.Params)}, {text: kind}, {text: shared}, {text: r.Method},
			share(r.WeightError), share(r.OutputError), {text: r.Fallback}})
	}
	t.print(os.Stdout)
	return nil
}
