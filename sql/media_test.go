package sql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"engram/db"
	"engram/quant/model"
	"engram/quant/model/media"
)

// lengths is a model whose vector is the length of the input and the length of the model's name.
func lengths(_ context.Context, kind, name string, items [][]byte) ([][]float32, error) {
	switch name {
	case "missing":
		return nil, fmt.Errorf("%w: %q", model.ErrNotFound, name)
	case "text":
		return nil, fmt.Errorf("%w: for text", model.ErrKind)
	case "short":
		return nil, nil
	case "broken":
		return nil, errors.New("the disk is on fire")
	}
	out := make([][]float32, len(items))
	for i, b := range items {
		switch string(b) {
		case "large":
			return nil, fmt.Errorf("picture %d of %d: %w", i+1, len(items), media.ErrTooLarge)
		case "bad":
			return nil, fmt.Errorf("picture %d of %d: %w", i+1, len(items), media.ErrDecode)
		}
		out[i] = []float32{float32(len(b)), float32(len(name)), float32(len(kind))}
	}
	return out, nil
}

// TestEmbedMedia asks for vectors of pictures and sounds on the direct road and inside DuckDB.
func TestEmbedMedia(t *testing.T) {
	e := testEngine(t)
	s := testSession(t, e)
	e.options.MediaEncoder = nil
	for _, kind := range []string{"image", "audio"} {
		if got := do(s, "SELECT embed_"+kind+"('\\x00'::bytea)"); !strings.Contains(got, "55000") && !strings.Contains(got, "no model for it is installed") {
			t.Errorf("no model for %s: %s", kind, got)
		}
	}
	e.options.MediaEncoder = lengths
	expect(t, s, `SELECT embed_image('abc'::bytea), embed_audio('abcd'::bytea), embed_image(NULL)`, "[3,0,5]|[4,0,5]|NULL\n(SELECT 1)\n")
	expect(t, s, `SELECT embed_image('abc'::bytea, 'mine')`, "[3,4,5]\n(SELECT 1)\n")
	must(t, s, `CREATE TABLE shots (id int PRIMARY KEY, shot bytea, model text)`)
	must(t, s, `INSERT INTO shots VALUES (1, 'a', 'm'), (2, 'bb', 'mm'), (3, NULL, 'm'), (4, 'dddd', 'm')`)
	expect(t, s, `SELECT id, embed_image(shot), embed_audio(shot, model) FROM shots ORDER BY id`,
		"1|[1,0,5]|[1,1,5]\n2|[2,0,5]|[2,2,5]\n3|NULL|NULL\n4|[4,0,5]|[4,1,5]\n(SELECT 4)\n")
	expect(t, s, `SELECT count(*) FROM shots WHERE embed_image(shot) <-> '[2,0,5]' < 0.5`, "1\n(SELECT 1)\n")
	for query, want := range map[string]string{
		`SELECT embed_image('large'::bytea)`:                         "too large",
		`SELECT embed_image('bad'::bytea)`:                           "cannot be decoded",
		`SELECT embed_audio('x'::bytea, 'missing')`:                  "not found",
		`SELECT embed_audio('x'::bytea, 'text')`:                     "another kind",
		`SELECT embed_audio('x'::bytea, 'short')`:                    "0 vectors",
		`SELECT embed_audio('x'::bytea, 'broken')`:                   "on fire",
		`SELECT embed_image(shot, 'missing') FROM shots ORDER BY id`: "not found",
		`SELECT embed_image(1)`:                                      "does not exist",
	} {
		if got := do(s, query); !strings.Contains(got, want) {
			t.Errorf("%s: %s", query, got)
		}
	}
}

func TestMediaErrorsHaveCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		code string
	}{
		{fmt.Errorf("%w: none", db.ErrNoModel), "55000"}, {model.ErrNotFound, "42704"}, {model.ErrKind, "42809"}, {media.ErrTooLarge, "54000"},
		{media.ErrFormat, "22000"}, {media.ErrDecode, "22000"},
	} {
		var e *Error
		if got := mediaError("image", c.err); !errors.As(got, &e) || e.Code != c.code || !errors.Is(got, c.err) {
			t.Errorf("%v: %v, want %s", c.err, got, c.code)
		}
	}
}
