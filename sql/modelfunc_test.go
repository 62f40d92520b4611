package sql

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"engram/quant/model"
	"engram/quant/model/modeltest"
)

// modelSession is a session of an engine with the models lite and small.
func modelSession(t *testing.T) (*Session, string) {
	t.Helper()
	dir := t.TempDir()
	modeltest.UseLite(t, dir, "lite", 1)
	modeltest.Llama(t, dir, "small", 1)
	e := testEngine(t)
	e.options.Models = model.NewRegistry([]string{dir}, nil)
	t.Cleanup(func() { e.options.Models.Close() })
	return testSession(t, e), dir
}

func TestQuantizeModel(t *testing.T) {
	s, dir := modelSession(t)
	got := must(t, s, "SELECT layer, quant_type, method, bits > 8, note FROM quantize_model('lite', 'lite-int8', quant_type => 'int8') WHERE layer IN ('pooler.weight', 'total')")
	if !strings.Contains(got, "pooler.weight|int8|span|t|") || !strings.Contains(got, "total|int8|ptq|t|passed: mean cosine 0.9") {
		t.Errorf("%s", got)
	}
	expect(t, s, "SELECT name, quant_type, validated, cosine_mean > 0.99 FROM models() ORDER BY name", "lite|NULL|NULL|NULL\nlite-int8|int8|t|t\nsmall|NULL|NULL|NULL\n(SELECT 3)")
	expect(t, s, "SELECT count(*) > 20, count(quant_type) > 3 FROM model_layers('lite-int8')", "t|t\n(SELECT 1)")
	expect(t, s, "SELECT passed, texts, cosine_mean > 0.99, perplexity FROM validate_model('lite-int8', 'lite', texts => ARRAY['the bird', 'a cat'])", "t|2|t|NULL\n(SELECT 1)")
	expect(t, s, "SELECT passed, perplexity = reference_perplexity FROM validate_model('small', 'small', ARRAY['the bird was singing'])", "t|t\n(SELECT 1)")
	// Calibrated with texts of a table, layers by pattern.
	must(t, s, "CREATE TABLE texts (t text)")
	must(t, s, "INSERT INTO texts SELECT 'the bird number ' || i || ' was singing in the garden' FROM generate_series(1, 40) i")
	got = must(t, s, "SELECT quant_type FROM quantize_model('lite', 'lite-int4', quant_type => 'int4', mixed_precision_layers => ARRAY['pooler=int8'], "+
		"calibration => ARRAY(SELECT t FROM texts), validate => false) WHERE layer IN ('pooler.weight', 'layers.1.ffn.up.weight') ORDER BY layer")
	if strings.TrimSpace(got) != "int4\nint8\n(SELECT 2)" {
		t.Error(got)
	}
	// A parameter, and every row of a query.
	expect(t, s, "SELECT m.name, count(l.layer) > 20 FROM models() m, LATERAL model_layers(m.name) l WHERE m.name LIKE 'lite%' GROUP BY 1 ORDER BY 1", "lite|t\nlite-int4|t\nlite-int8|t\n(SELECT 3)")

	// One that does not pass is not there, and does not take the place of one that is.
	refused(t, s, "SELECT * FROM quantize_model('lite', 'lite-int8', quant_type => 'int2', cosine_threshold => 0.99999, replace => true)", "ERROR 23514: ")
	expect(t, s, "SELECT quant_type FROM models('lite-int8')", "int8\n(SELECT 1)")
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".*")); len(hidden) > 0 {
		t.Errorf("left behind: %v", hidden)
	}
	for _, c := range []struct{ text, code string }{
		{"SELECT * FROM quantize_model('lite', 'lite-int8')", "42710"},
		{"SELECT * FROM quantize_model('none', 'x')", "42704"},
		{"SELECT * FROM quantize_model('lite', 'x', quant_type => 'int5')", "22023"},
		{"SELECT * FROM quantize_model('lite-int8', 'x')", "55000"},
		{"SELECT * FROM quantize_model('lite', '../x')", "42501"},
		{"SELECT * FROM quantize_model('/etc/passwd', 'x')", "58P01"},
		{"SELECT * FROM quantize_model('lite', '/tmp/x/y')", "42501"},
		{"SELECT * FROM quantize_model('', 'x')", "22023"},
		{"SELECT * FROM quantize_model(NULL, 'x')", "22023"},
		{"SELECT * FROM quantize_model('lite')", "42883"},
		{"SELECT * FROM validate_model('lite', 'small')", "22023"},
		{"SELECT * FROM dequantize('lite', 'none')", "42704"},
		{"SELECT * FROM load_model('none')", "42704"},
	} {
		refused(t, s, c.text, "ERROR "+c.code+": ")
	}
}

func TestLoadAndDequantize(t *testing.T) {
	s, dir := modelSession(t)
	expect(t, s, "SELECT model, resident_bytes > 0 FROM load_model('lite')", "lite|t\n(SELECT 1)")
	expect(t, s, "SELECT model, resident_bytes FROM unload_model('lite')", "lite|0\n(SELECT 1)")
	must(t, s, "SELECT * FROM quantize_model('lite', 'lite-int8')")
	// Codes are off by at most half a step.
	expect(t, s, "SELECT count(*), max(abs(a.values[5] - b.values[5])) BETWEEN 1e-6 AND 0.02 FROM dequantize('lite', 'pooler.weight') a JOIN dequantize('lite-int8', 'pooler.weight') b USING (row)", "32|t\n(SELECT 1)")
	expect(t, s, "SELECT count(*) FROM dequantize('lite/weights.parquet', 'pooler.bias')", "1\n(SELECT 1)")
	expect(t, s, fmt.Sprintf("SELECT count(*) > 0 FROM model_layers('%s')", filepath.Join(dir, "lite", "weights.parquet")), "t\n(SELECT 1)")
	if err := os.Symlink("/etc", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "SELECT * FROM model_layers('out/passwd')", "ERROR 58P01: ")
	refused(t, s, "SELECT * FROM quantize_model('lite', 'out/x')", "ERROR 42501: ")
}

func TestModelsWithoutDirectory(t *testing.T) {
	s := testSession(t, testEngine(t))
	refused(t, s, "SELECT * FROM models()", "ERROR 55000: ")
}

// refused runs a text and looks at how the error begins.
func refused(t *testing.T, s *Session, text, want string) {
	t.Helper()
	if got := do(s, text); !strings.HasPrefix(got, want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got, want)
	}
}
