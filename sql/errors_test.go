package sql

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"

	"engram/db"
	"engram/sql/types"
)

// TestEveryErrorOfDBHasACode reads package db's source for exported sentinels and demands each one in errorRules.
func TestEveryErrorOfDBHasACode(t *testing.T) {
	known := map[string]bool{}
	set := token.NewFileSet()
	rules, err := parser.ParseFile(set, "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(rules, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "db" {
				known[s.Sel.Name] = true
			}
		}
		return true
	})
	notTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	packages, err := parser.ParseDir(set, "../db", notTests, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range packages["db"].Files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				for _, name := range errorNames(spec) {
					found++
					if !known[name] {
						t.Errorf("db.%s has no SQLSTATE", name)
					}
				}
			}
		}
	}
	if found < 15 {
		t.Fatalf("only %d errors found in package db: the test does not read it right", found)
	}
}

func errorNames(spec ast.Spec) (names []string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() && strings.HasPrefix(n.Name, "Err") {
				names = append(names, n.Name)
			}
		}
	case *ast.TypeSpec:
		if s.Name.IsExported() && strings.HasSuffix(s.Name.Name, "Error") {
			names = append(names, s.Name.Name)
		}
	}
	return names
}

func TestAsError(t *testing.T) {
	own := types.Errorf("42P01", "no")
	for _, c := range []struct {
		err  error
		code string
	}{
		{own, "42P01"},
		{fmt.Errorf("wrapped: %w", own), "42P01"},
		{fmt.Errorf("x: %w", db.ErrConflict), "40001"},
		{context.Canceled, "57014"},
		{errStatementTimeout, "57014"},
		{errShutdown, "57P01"},
		{&db.QueryDimensionError{Stored: 3, Query: 2}, "22000"},
		{&db.DimensionError{Want: 3, Got: 2}, "22000"},
		{&db.LengthError{Type: db.Type{Kind: db.Varchar, Mod: 3}, Got: 5}, "22001"},
		{&db.RangeError{Type: db.TypeOf(db.Int2)}, "22003"},
		{&db.ConstraintError{Kind: db.UniqueViolation}, "23505"},
		{&db.ConstraintError{Kind: db.NotNullViolation}, "23502"},
		{&db.ConstraintError{Kind: db.CheckViolation}, "23514"},
		{errors.New("what"), "XX000"},
	} {
		if got := asError(c.err); got.Code != c.code {
			t.Errorf("%v: %s, want %s", c.err, got.Code, c.code)
		}
	}
	if asError(nil) != nil || wrapped(nil) != nil {
		t.Error("no error became one")
	}
}
