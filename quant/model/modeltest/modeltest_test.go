package modeltest_test

import (
	"testing"

	"engram/quant/model"
	"engram/quant/model/modeltest"
)

func TestModelsRun(t *testing.T) {
	dir := t.TempDir()
	texts := []string{"the bird was singing", "", "a cat"}
	lite := modeltest.UseLite(t, dir, "lite", 1)
	if err := model.Verify(t.Context(), lite); err != nil {
		t.Fatal(err)
	}
	e, err := model.Open(lite, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if v, err := e.Encode(t.Context(), texts); err != nil || len(v) != 3 || len(v[0]) != modeltest.Dim {
		t.Errorf("%v, %v", v, err)
	}
	m, err := model.OpenLanguageModel(modeltest.Llama(t, dir, "small", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if p, err := m.Perplexity(t.Context(), texts, nil); err != nil || !(p.Perplexity > 1) {
		t.Errorf("%+v, %v", p, err)
	}
}
