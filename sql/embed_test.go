package sql

import (
	"context"
	"fmt"
	"testing"

	"engram/db"
)

// TestEmbedNames checks that embed takes the model that is named, and says so where there is none.
func TestEmbedNames(t *testing.T) {
	d, err := db.Open(t.TempDir(), &db.Options{TextEncoder: testEncoder, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	e, err := Open(d, &Options{TextEncoder: testEncoder, Threads: 1, Model: func(_ context.Context, name string) (db.Encoder, error) {
		if name == "small" {
			return words{8}, nil
		}
		return nil, fmt.Errorf("%w: no model %q", db.ErrNoModel, name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	s := testSession(t, e)
	expect(t, s, "SELECT vector_dims(embed('a duck')), vector_dims(embed('a duck', 'small'))", "512|8\n(SELECT 1)")
	expect(t, s, "SELECT embed('a duck', 'large')", `ERROR 42704: model "large" does not exist`)
}
