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

// The table and column that cosine_top_k searches when it is not told.
const (
	defaultTable  = "memories"
	defaultColumn = "joint_embedding"
)

// maxTopK bounds k: the hits of one call are held in memory.
const maxTopK = 10_000_000

// maxEf bounds ef_search, as in pgvector.
const maxEf = 1000

// topKCall is one call of cosine_top_k.
type topKCall struct {
	query                 []float32
	k                     int64
	table, column, filter string
	ef                    int64 // 0: as the session says
}

// scored is a hit: the row's primary key and its cosine similarity.
type scored struct {
	id    int64
	score float64
}

// topKChunk answers cosine_top_k(token, query, k, table_name, column_name, filter, ef_search) as a list of its hits. A
// NULL query or k finds nothing.
func topKChunk(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	run, err := runOf(ctx)
	if err != nil {
		return err
	}
	text := func(j, i int, otherwise string) string {
		if args[j].IsNull(i) {
			return otherwise
		}
		return args[j].String(i)
	}
	for i := range rows {
		var hits []scored
		if !args[1].IsNull(i) && !args[2].IsNull(i) {
			call := topKCall{query: args[1].Floats(i), k: args[2].Int64(i), table: text(3, i, defaultTable),
				column: text(4, i, defaultColumn), filter: text(5, i, "")}
			if !args[6].IsNull(i) {
				call.ef = args[6].Int64(i)
			}
			if hits, err = run.topK(ctx, call); err != nil {
				return err
			}
		}
		child, base, n := out.SetList(i, len(hits))
		for h := range n {
			child.Field(0).SetInt64(base+h, hits[h].id)
			child.Field(1).SetFloat64(base+h, hits[h].score)
		}
	}
	return nil
}

// topK finds the rows nearest to a query by cosine.
func (r *duckRun) topK(ctx context.Context, c topKCall) ([]scored, error) {
	if c.k < 0 || c.k > maxTopK {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "k must be between 0 and %d", maxTopK)
	}
	if c.ef < 0 || c.ef > maxEf {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "ef_search must be between 1 and %d", maxEf)
	}
	t, err := r.tableNamed(c.table)
	if err != nil {
		return nil, err
	}
	j, err := vectorColumn(t, c.column)
	if err != nil {
		return nil, err
	}
	if len(t.PrimaryKey) != 1 || !isInteger(t.Columns[t.PrimaryKey[0]].Type.Kind) {
		return nil, types.Errorf(types.CodeWrongObjectType, "cosine_top_k needs a table whose primary key is one integer column, which %q has not", t.Name)
	}
	query, err := fitQuery(t, j, c.query)
	if err != nil || c.k == 0 {
		return nil, err
	}
	filter, err := r.filtered(ctx, t, c.filter)
	if err != nil {
		return nil, err
	}
	q := db.Query{Column: j, Near: query, K: int(c.k), Metric: accel.Cosine, Filter: filter}
	tuning := r.tuning
	if c.ef != 0 {
		tuning.ef = int(c.ef)
	}
	tuning.apply(&q)
	hits, err := r.reader.Search(ctx, t, q)
	if err != nil {
		return nil, err
	}
	out := make([]scored, len(hits))
	for i, h := range hits {
		key, err := r.reader.Get(ctx, t, h.ID, t.PrimaryKey)
		if err != nil {
			return nil, err
		}
		id, _ := key[0].(int64)
		out[i] = scored{id, 1 - accel.Cosine.Reported(h.Dist)}
		if math.IsNaN(out[i].score) { // a vector of zeros is like nothing
			out[i].score = 0
		}
	}
	return out, nil
}

func isInteger(k db.Kind) bool { return k == db.Int2 || k == db.Int4 || k == db.Int8 }

func vectorColumn(t *db.Table, name string) (int, error) {
	j := t.Column(name)
	if j < 0 {
		return 0, types.Errorf(types.CodeUndefinedColumn, "column %q of relation %q does not exist", name, t.Name)
	}
	if k := t.Columns[j].Type.Kind; k != db.Vector && k != db.Halfvec {
		return 0, types.Errorf(types.CodeDatatypeMismatch, "column %q of relation %q is of type %s, not vector", name, t.Name,
			types.FromDB(t.Columns[j].Type))
	}
	return j, nil
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
