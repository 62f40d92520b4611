package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"engram/quant/model"
	"engram/quant/validate"
)

type modelValidate struct {
	Model      string   `arg:"" help:"The model to judge: an installed one or a directory."`
	Reference  string   `arg:"" help:"The model it was made from."`
	Texts      *string  `placeholder:"FILE" help:"Texts to compare on, one a line. Default: some that are built in."`
	Cosine     *float64 `placeholder:"COSINE" help:"Least mean cosine that passes. Default 0.99 with int8, else 0.95."`
	Perplexity *float64 `placeholder:"SHARE" help:"Rise of a language model's perplexity that warns. Default 0.15."`
	Save       bool     `help:"Keep the report beside the model."`
	Threads    int      `help:"Threads at work. Default all."`
	Models     string   `help:"Directory of models. Default: ENGRAM_MODELS, else ./models." type:"path"`
	JSON       bool     `name:"json" help:"Print JSON."`
}

// Run ends with status 1 when the model does not pass.
func (c *modelValidate) Run(ctx context.Context) error {
	dirs := model.SearchDirs(c.Models, "")
	dir, err := modelPath(dirs, c.Model)
	if err != nil {
		return err
	}
	reference, err := modelPath(dirs, c.Reference)
	if err != nil {
		return err
	}
	o, err := validation(c.Texts, c.Cosine, c.Perplexity, c.Threads)
	if err != nil {
		return err
	}
	bar := &stageBar{ctx: ctx}
	if !c.JSON {
		o.Progress = func(done, total int) { bar.tell("validate", int64(done), int64(total)) }
	}
	r, err := validate.Run(ctx, reference, dir, o)
	bar.stop()
	if err != nil {
		return err
	}
	if c.Save {
		if err := r.Save(dir); err != nil {
			return err
		}
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	} else {
		_, err = fmt.Print(r.Text())
	}
	if err == nil && !r.Passed {
		return exitCode(1)
	}
	return err
}
