package model_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"engram/quant/model"
)

func TestSearchDirs(t *testing.T) {
	t.Setenv(model.ModelsEnv, "")
	if got := model.SearchDirs("", "/db"); !slices.Equal(got, []string{filepath.Join("/db", "models")}) {
		t.Error(got)
	}
	t.Setenv(model.ModelsEnv, "/a"+string(os.PathListSeparator)+"/b")
	if got := model.SearchDirs("", "/db"); !slices.Equal(got, []string{"/a", "/b"}) {
		t.Error(got)
	}
	if got := model.SearchDirs("/flag", "/db"); !slices.Equal(got, []string{"/flag"}) {
		t.Error(got)
	}
}

func TestFind(t *testing.T) {
	dir := tinyModel(t)
	models := filepath.Dir(dir)
	if got, err := model.Find([]string{t.TempDir(), models}, "tiny"); err != nil || got != dir {
		t.Errorf("%q, %v", got, err)
	}
	_, err := model.Find([]string{"/nowhere", models}, "big")
	if !errors.Is(err, model.ErrNotFound) || !strings.Contains(err.Error(), "make models") ||
		!strings.Contains(err.Error(), "engram model import SOURCE --name big --models /nowhere") {
		t.Error(err)
	}
	if _, err := model.Find(nil, "big"); !errors.Is(err, model.ErrNotFound) {
		t.Error(err)
	}
	for _, name := range []string{"", ".", "..", "../models/tiny", "/etc", "a/b", ".hidden", "x\x00y"} {
		if _, err := model.Find([]string{models}, name); !errors.Is(err, model.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRegistry(t *testing.T) {
	dir := tinyModel(t)
	models := filepath.Dir(dir)
	for _, name := range []string{"broken", ".hidden", "no-model"} {
		if err := os.Mkdir(filepath.Join(models, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if name != "no-model" {
			if err := os.WriteFile(filepath.Join(models, name, model.ManifestFile), []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := model.NewRegistry([]string{"/nowhere", models, models}, nil)
	list := r.List()
	if len(list) != 2 || list[0].Name != "broken" || list[0].Err == nil || list[1].Name != "tiny" || list[1].Err != nil || list[1].Dir != dir || list[1].Manifest.Dim != tinyDim {
		t.Errorf("%+v", list)
	}
	if len(r.Dirs()) != 3 {
		t.Error(r.Dirs())
	}
	if _, err := r.Encoder("broken"); !errors.Is(err, model.ErrManifest) {
		t.Error(err)
	}
	if _, err := r.Encoder(""); !errors.Is(err, model.ErrNotFound) || !strings.Contains(err.Error(), `"use-lite"`) {
		t.Error(err)
	}
	var wg sync.WaitGroup
	got := make([]*model.Encoder, 8)
	for i := range got {
		wg.Go(func() {
			e, err := r.Encoder("tiny")
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = e
			if _, err := e.Encode(t.Context(), []string{"the"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, e := range got {
		if e != got[0] {
			t.Error("the model was opened twice")
		}
	}
	// A model that appears later is found; the default one needs no name.
	if err := os.Rename(dir, filepath.Join(models, model.DefaultName)); err != nil {
		t.Fatal(err)
	}
	e, err := r.Encoder("")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := e.Encode(t.Context(), []string{"the"}); !errors.Is(err, model.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := r.Encoder("tiny"); !errors.Is(err, model.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
