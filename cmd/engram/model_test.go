package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"engram/quant/model/modeltest"
	"engram/quant/validate"
)

// stdout runs engram to its end and returns what it prints, without the log, and its status.
func stdout(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := engram(t, args...)
	b, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

func TestModelQuantize(t *testing.T) {
	dir := t.TempDir()
	modeltest.UseLite(t, dir, "lite", 1)
	texts := filepath.Join(dir, "texts.txt")
	if err := os.WriteFile(texts, []byte("the bird was singing\n\na cat\nin the rain\nthe garden\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, status := stdout(t, "model", "quantize", "lite", "lite-int8", "--models", dir, "--texts", texts, "--json")
	var r quantizeReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 {
		t.Fatalf("%s: %v, status %d", out, err, status)
	}
	if !r.Success || len(r.Quantization.Layers) < 20 || r.Quantization.BytesAfter == 0 || !r.Validation.Passed || r.Validation.Texts != 4 || r.Validation.BuiltIn {
		t.Errorf("%s", out)
	}
	if kept, err := validate.Load(filepath.Join(dir, "lite-int8")); err != nil || kept.Mean != r.Validation.Mean {
		t.Errorf("the report beside the model: %+v, %v", kept, err)
	}

	// A model that does not pass is not left behind, and what it would have replaced stays.
	report := filepath.Join(dir, "report.json")
	out, status = stdout(t, "model", "quantize", "lite", "lite-int8", "--replace", "--type", "int2", "--cosine", "0.99999", "--models", dir, "--report", report)
	if status != 1 || !strings.Contains(out, "rejected: the mean cosine is") || strings.Contains(out, "written:") {
		t.Errorf("status %d: %s", status, out)
	}
	if b, err := os.ReadFile(report); err != nil || json.Unmarshal(b, &r) != nil || r.Success || !strings.Contains(r.Error, "rejected") {
		t.Errorf("%s %v", b, err)
	}
	if kept, err := validate.Load(filepath.Join(dir, "lite-int8")); err != nil || kept.Type != "int8" {
		t.Errorf("the model that was there: %+v, %v", kept, err)
	}
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".*")); len(hidden) > 0 {
		t.Errorf("left behind: %v", hidden)
	}

	out, status = stdout(t, "model", "validate", "lite-int8", "lite", "--models", dir, "--save")
	if status != 0 || !strings.Contains(out, "lite-int8 against lite: passed") {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status = stdout(t, "model", "validate", "lite-int8", "lite", "--models", dir, "--cosine", "1.5", "--json"); status != 1 || !strings.Contains(out, `"passed": false`) {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status = stdout(t, "model", "layers", "lite-int8", "--models", dir); status != 0 || !strings.Contains(out, "int8") || !strings.Contains(out, "pooler.weight") {
		t.Errorf("status %d: %s", status, out)
	}
	var rows []layerRow
	if out, _ = stdout(t, "model", "layers", filepath.Join(dir, "lite-int8", "weights.parquet"), "--json"); json.Unmarshal([]byte(out), &rows) != nil || len(rows) < 20 {
		t.Errorf("%s", out)
	}
	for _, bad := range [][]string{
		{"model", "quantize"}, {"model", "quantize", "none", "x"}, {"model", "quantize", "lite", "lite-int8"}, {"model", "quantize", "lite", "x", "--type", "int5"},
		{"model", "quantize", "lite-int8", "x"}, {"model", "quantize", "lite", "x", "--per", "row"}, {"model", "quantize", "lite", "x", "--layer", "a=b"},
		{"model", "quantize", "lite", "x", "--calibration", filepath.Join(dir, "none")}, {"model", "validate", "lite", "none"}, {"model", "layers", "none"},
	} {
		if out, err := output(t, append(bad, "--models", dir)...); err == nil || !strings.Contains(out, "engram: ") {
			t.Errorf("%v: %s", bad, out)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("a model appeared")
	}
}

func TestModelQuantizeByConfig(t *testing.T) {
	dir := t.TempDir()
	modeltest.UseLite(t, dir, "lite", 1)
	config := filepath.Join(dir, "q.yaml")
	write := func(s string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("quantization:\n  input: lite\n  output: small\n  quant_type: int2\n  calibration_method: ptq\n  mixed_precision_layers: ['ffn=int8']\n" +
		"  symmetric: false\n  group_size: 16\nvalidation:\n  enabled: false\n")
	quantized := func(args ...string) quantizeReport {
		t.Helper()
		out, status := stdout(t, append([]string{"model", "quantize", "--config", config, "--models", dir, "--json", "--replace"}, args...)...)
		var r quantizeReport
		if err := json.Unmarshal([]byte(out), &r); err != nil || status != 0 {
			t.Fatalf("status %d: %s", status, out)
		}
		return r
	}
	types := func(r quantizeReport) string {
		var s []string
		for _, l := range r.Quantization.Layers {
			if strings.HasSuffix(l.Name, "1.attention.qkv.weight") || strings.HasSuffix(l.Name, "1.ffn.up.weight") {
				s = append(s, string(l.Type))
			}
		}
		return strings.Join(s, " ")
	}
	if r := quantized(); types(r) != "int2 int8" || r.Validation != nil {
		t.Errorf("the file alone: %s", types(r))
	}
	// What the command line says rules.
	if r := quantized("--type", "int4", "--validate", "--cosine", "0.1"); types(r) != "int4 int8" || r.Validation == nil {
		t.Errorf("flags over the file: %s", types(r))
	}
	write("quantization:\n  quant_typ: int2\n")
	if out, err := output(t, "model", "quantize", "lite", "y", "--config", config, "--models", dir); err == nil || !strings.Contains(out, "quant_typ") {
		t.Errorf("a key that is not known: %s", out)
	}
}
