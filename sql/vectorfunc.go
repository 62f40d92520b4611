package sql

import (
	"context"
	"math"
	"strings"

	"engram/accel"
	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// ownFunctions are the functions that work on whole chunks, by name. They take the place of the analyser's.
func (e *Engine) ownFunctions() map[string][]duck.ScalarFunction {
	vector := duck.List(duck.Float)
	all := map[string][]duck.ScalarFunction{
		aliveFunction: {{Name: aliveFunction, Params: []duck.Type{duck.Integer, duck.Integer, duck.BigInt}, Returns: duck.Boolean, Exec: alive}},
		"__engram_embed": {
			{Name: "__engram_embed", Params: []duck.Type{duck.Varchar, duck.Varchar}, Returns: vector, Exec: e.embedChunk},
			{Name: "__engram_embed", Params: []duck.Type{duck.Varchar, duck.Varchar, duck.Varchar}, Returns: vector, Exec: e.embedChunk},
		},
	}
	for name, distance := range distances {
		all[name] = []duck.ScalarFunction{{Name: name, Params: []duck.Type{vector, vector}, Returns: duck.Double,
			Exec: func(_ context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
				return distanceChunk(distance, args, rows, out)
			}}}
	}
	return all
}

// distances are pgvector's functions of two vectors.
var distances = map[string]func(a, b []float32) float64{
	"__engram_l2_distance": func(a, b []float32) float64 { return accel.L2.Reported(accel.L2.Dist(a, b)) },
	"__engram_cosine_distance": func(a, b []float32) float64 {
		return accel.Cosine.Reported(accel.Cosine.Dist(a, b))
	},
	"__engram_l1_distance":            func(a, b []float32) float64 { return accel.L1.Reported(accel.L1.Dist(a, b)) },
	"__engram_inner_product":          func(a, b []float32) float64 { return float64(accel.Dot(a, b)) },
	"__engram_negative_inner_product": func(a, b []float32) float64 { return -float64(accel.Dot(a, b)) },
}

func distanceChunk(distance func(a, b []float32) float64, args []duck.Vector, rows int, out *duck.Writer) error {
	for i := range rows {
		a, b := args[0].Floats(i), args[1].Floats(i)
		if len(a) != len(b) {
			return &db.QueryDimensionError{Stored: len(a), Query: len(b)}
		}
		if args[0].HasNullElem(i) || args[1].HasNullElem(i) {
			return types.Errorf(types.CodeNullValueNotAllowed, "vector must not contain nulls")
		}
		out.SetFloat64(i, distance(a, b))
	}
	return nil
}

// alive tells which rows of a segment are not dead: (relation, segment, position in the file).
func alive(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	run, err := runOf(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		rel, seg, at := args[0].Int64(i), args[1].Int64(i), args[2].Int64(i)
		if rel < 0 || int(rel) >= len(run.views) || seg < 0 || int(seg) >= len(run.views[rel].Segments) || at < 0 || at > math.MaxUint32 {
			return types.Errorf(types.CodeInternalError, "there is no row %d of segment %d", at, seg)
		}
		out.SetBool(i, !run.views[rel].Segments[seg].Dead.Contains(uint32(at)))
	}
	return nil
}

// embedChunk turns the texts of a whole chunk into vectors in one call of each model named.
func (e *Engine) embedChunk(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	byModel := map[string][]int{}
	for i := range rows {
		model := ""
		if len(args) > 2 {
			model = args[2].String(i)
		}
		byModel[model] = append(byModel[model], i)
	}
	for model, at := range byModel {
		texts := make([]string, len(at))
		for k, i := range at {
			texts[k] = args[1].String(i)
		}
		vectors, err := e.embed(ctx, model, texts)
		if err != nil {
			return err
		}
		for k, i := range at {
			out.SetFloats(i, vectors[k])
		}
	}
	return nil
}

// topK answers cosine_top_k for one query vector.
func (r *duckRun) topK(ctx context.Context, query []float32, k int64, table, column string) ([]db.Hit, *db.Table, error) {
	if k < 0 {
		return nil, nil, types.Errorf(types.CodeInvalidParameterValue, "k must not be negative")
	}
	t, err := r.tableNamed(table)
	if err != nil {
		return nil, nil, err
	}
	j := t.Column(column)
	if j < 0 {
		return nil, nil, types.Errorf(types.CodeUndefinedColumn, "column %q of relation %q does not exist", column, t.Name)
	}
	ct := t.Columns[j].Type
	if ct.Kind != db.Vector && ct.Kind != db.Halfvec {
		return nil, nil, types.Errorf(types.CodeDatatypeMismatch, "column %q of relation %q is of type %s, not vector", column, t.Name, types.FromDB(ct))
	}
	query, err = fitQuery(t, j, query)
	if err != nil || k == 0 {
		return nil, t, err
	}
	hits, err := r.reader.Search(ctx, t, db.Query{Column: j, Near: query, K: int(min(k, math.MaxInt32)), Metric: accel.Cosine})
	return hits, t, err
}

// fitQuery brings a query into the space of a column. A text embedding is looked for among joint embeddings as db makes
// them of it: padded with zeros.
func fitQuery(t *db.Table, column int, query []float32) ([]float32, error) {
	dim := t.Columns[column].Type.Dim()
	if dim == 0 || dim == len(query) {
		return query, nil
	}
	if t.ID == db.MemoriesID && t.Columns[column].Name == "joint_embedding" && len(query) < dim {
		padded := make([]float32, dim)
		copy(padded, query)
		return padded, nil
	}
	return nil, &db.QueryDimensionError{Stored: dim, Query: len(query)}
}

// tableNamed finds a table by a name as SQL writes it: with or without its schema, quoted or not.
func (r *duckRun) tableNamed(name string) (*db.Table, error) {
	parts := splitQualified(name)
	schema, bare := "", parts[len(parts)-1]
	if len(parts) == 2 {
		schema = parts[0]
	}
	r.mu.Lock()
	rel, err := r.session.resolve(r.reader, schema, bare)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	t, ok := tableOf(rel)
	if !ok {
		return nil, types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", name)
	}
	return t, nil
}

func splitQualified(name string) []string {
	return splitIdentifiers(dotsToCommas(name))
}

func dotsToCommas(name string) string {
	inside := false
	return strings.Map(func(c rune) rune {
		if c == '"' {
			inside = !inside
		}
		if c == '.' && !inside {
			return ','
		}
		return c
	}, name)
}
