package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// maxConfig bounds the bytes of a file of --config.
const maxConfig = 1 << 20

// quantizeConfig is a file of --config.
type quantizeConfig struct {
	Quantization struct {
		Input         string   `yaml:"input"`
		Output        string   `yaml:"output"`
		QuantType     *string  `yaml:"quant_type"`
		Method        *string  `yaml:"method"`
		PerChannel    *bool    `yaml:"per_channel"`
		Symmetric     *bool    `yaml:"symmetric"`
		GroupSize     *int     `yaml:"group_size"`
		Layers        []string `yaml:"mixed_precision_layers"`
		Calibration   *string  `yaml:"calibration"`
		Bits          *float64 `yaml:"bits"`
		CalibrationOf *string  `yaml:"calibration_method"` // what the method was called once
	} `yaml:"quantization"`
	Validation struct {
		Enabled    *bool    `yaml:"enabled"`
		Texts      *string  `yaml:"test_texts"`
		Cosine     *float64 `yaml:"cosine_threshold"`
		Perplexity *float64 `yaml:"ppl_threshold"`
	} `yaml:"validation"`
}

// readConfig fills in what the command line left open. A key that is not known is an error.
func (c *modelQuantize) readConfig(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return err
	}
	if len(b) > maxConfig {
		return fmt.Errorf("%s: more than %d bytes", path, maxConfig)
	}
	var y quantizeConfig
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&y); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", path, err)
	}
	q, v := &y.Quantization, &y.Validation
	if q.Method == nil {
		q.Method = q.CalibrationOf
	}
	if c.Input == "" {
		c.Input = q.Input
	}
	if c.Output == "" {
		c.Output = q.Output
	}
	if len(c.Layer) == 0 {
		c.Layer = q.Layers
	}
	if q.Symmetric != nil && !c.Symmetric && !c.Asymmetric {
		c.Symmetric, c.Asymmetric = *q.Symmetric, !*q.Symmetric
	}
	if q.PerChannel != nil && c.Per == nil && q.GroupSize == nil {
		per := "tensor"
		if *q.PerChannel {
			per = "channel"
		}
		c.Per = &per
	}
	open(&c.Type, q.QuantType)
	open(&c.Method, q.Method)
	open(&c.GroupSize, q.GroupSize)
	open(&c.Calibration, q.Calibration)
	open(&c.Bits, q.Bits)
	open(&c.Validate, v.Enabled)
	open(&c.Texts, v.Texts)
	open(&c.Cosine, v.Cosine)
	open(&c.Perplexity, v.Perplexity)
	return nil
}

// open sets what is not set.
func open[T any](to **T, from *T) {
	if *to == nil {
		*to = from
	}
}
