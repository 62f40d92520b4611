package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowed lists, for each package tree, which of our own trees it may import. A tree may always import its own
// internal packages.
var allowed = map[string][]string{
	"accel":                {},
	"graph":                {},
	"quant":                {"accel"},
	"quant/gptq":           {"accel", "quant"},
	"quant/quantize":       {"accel", "quant"},
	"quant/weights":        {"accel", "quant"},
	"quant/model":          {"accel", "quant", "quant/weights"},
	"quant/model/token":    {},
	"quant/model/layer":    {"accel", "quant", "quant/weights"},
	"quant/model/media":    {},
	"quant/validate":       {"accel", "quant"},
	"index":                {"accel", "quant"},
	"db/internal":          {"accel", "quant", "index", "db/internal"},
	"db":                   {"accel", "quant", "index", "graph", "db/internal"},
	"sql/types":            {"db"},
	"sql/internal/plan":    {"db", "sql/types"},
	"sql/internal/duck":    {"db", "sql/types"},
	"sql/internal/catalog": {"db", "sql/types"},
	"sql":                  {"accel", "db", "graph", "quant", "sql/types", "sql/internal"},
	"wire":                 {"sql", "sql/types"},
	"cmd":                  {"accel", "quant", "index", "graph", "db", "sql", "wire"},
	"internal":             {"accel", "quant", "index", "graph", "db", "sql", "wire", "internal"},

	"quant/weights/exchange": {"quant", "quant/weights"},
}

// homes names the one place where each heavy dependency may be imported, tests aside.
var homes = map[string][]string{
	"github.com/cockroachdb/pebble":       {"db"},
	"github.com/apache/arrow-go":          {"db/internal/segment", "quant/weights"},
	"github.com/duckdb/":                  {"sql/internal/duck"},
	"github.com/pganalyze/pg_query_go":    {"sql/internal/plan"},
	"github.com/jackc/pgx/v5/pgproto3":    {"wire"},
	"github.com/jackc/pgx/v5":             {"wire", "cmd"},
	"github.com/xdg-go/scram":             {"wire", "sql"},
	"github.com/alecthomas/kong":          {"cmd"},
	"github.com/vbauerster/mpb":           {"cmd"},
	"github.com/RoaringBitmap/roaring":    {"db", "index", "sql"},
	"github.com/knadh/koanf":              {"cmd"},
	"go.yaml.in/yaml":                     {"cmd"},
	"github.com/prometheus/client_golang": {"cmd"},
	"github.com/ebitengine/purego":        {"accel/opencl"},
	"gonum.org/v1/gonum":                  {"quant/gptq"},
	"golang.org/x/image":                  {"quant/model/media"},
	"github.com/mewkiz/flac":              {"quant/model/media"},
}

const module = "engram"

// root is the repository's top folder, two above this package.
const root = "../.."

type source struct {
	dir     string // slash-separated, relative to root
	file    string
	isTest  bool
	imports []string
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" ||
				name == "node_modules" || name == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		s := source{dir: filepath.ToSlash(dir), file: name, isTest: strings.HasSuffix(name, "_test.go")}
		for _, im := range f.Imports {
			p, err := strconv.Unquote(im.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, p)
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("found %d Go files: the walk does not see the repository", len(all))
	}
	return all
}

// tree finds the longest key of allowed that contains dir.
func tree(dir string) string {
	for d := dir; d != "."; d = filepath.ToSlash(filepath.Dir(d)) {
		if _, ok := allowed[d]; ok {
			return d
		}
	}
	return ""
}

func within(dir, parent string) bool { return dir == parent || strings.HasPrefix(dir, parent+"/") }

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest {
			continue
		}
		own := tree(s.dir)
		if own == "" {
			t.Errorf("%s: no import rule for this folder", s.dir)
			continue
		}
		for _, p := range s.imports {
			target, ours := strings.CutPrefix(p, module+"/")
			if !ours || within(target, own) {
				continue
			}
			ok := false
			for _, a := range allowed[own] {
				ok = ok || within(target, a)
			}
			if !ok {
				t.Errorf("%s/%s imports %s; %s may import %v", s.dir, s.file, target, own, allowed[own])
			}
		}
	}
}

// The seams that a parent tree's rule would let through.
func TestForbiddenImports(t *testing.T) {
	forbidden := map[string][]string{
		"sql/internal/plan": {"engram/sql/internal/duck"},
		"sql/internal/duck": {"engram/sql/internal/plan"},
		"sql/types":         {"engram/sql"},
		"quant":             {"engram/index", "engram/db"},
		"db":                {"engram/quant/model", "engram/quant/weights", "engram/sql"},
	}
	for _, s := range sources(t) {
		for parent, denied := range forbidden {
			if s.isTest || !within(s.dir, parent) {
				continue
			}
			for _, p := range s.imports {
				for _, d := range denied {
					if p == d {
						t.Errorf("%s/%s imports %s", s.dir, s.file, p)
					}
				}
			}
		}
	}
}

func TestHeavyDependenciesHaveOneHome(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest {
			continue
		}
		for _, p := range s.imports {
			home, longest := []string(nil), ""
			for dep, dirs := range homes {
				if strings.HasPrefix(p, dep) && len(dep) > len(longest) {
					home, longest = dirs, dep
				}
			}
			if longest == "" {
				continue
			}
			ok := false
			for _, h := range home {
				ok = ok || within(s.dir, h)
			}
			if !ok {
				t.Errorf("%s/%s imports %s, whose home is %v", s.dir, s.file, p, home)
			}
		}
	}
}

func TestEveryPackageOpensWithItsQuestion(t *testing.T) {
	dirs := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest {
			dirs[s.dir] = true
		}
	}
	for dir := range dirs {
		if within(dir, "cmd") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, dir, "doc.go"))
		if err != nil {
			t.Errorf("%s has no doc.go", dir)
			continue
		}
		first, _, _ := strings.Cut(string(text), "\n")
		if !strings.HasPrefix(first, "// Package "+filepath.Base(dir)+" answers one question: ") || !strings.HasSuffix(first, "?") {
			t.Errorf("%s/doc.go opens with %q, not with its question", dir, first)
		}
	}
}

func TestModuleHasNoReplace(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "\nreplace ") {
		t.Error("go.mod has a replace directive: users of the module would not get it")
	}
}
