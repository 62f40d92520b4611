package sql

import (
	"context"
	"slices"
	"strings"

	"engram/accel"
	"engram/db"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// maxSamples bounds the samples of index_recall: each costs an exact search.
const maxSamples = 100_000

// recallFunction is index_recall(token, table_name, column_name, samples, k, ef_search, probes, metric): a list of one row.
func recallFunction() duck.ScalarFunction {
	return duck.ScalarFunction{Name: "__engram_index_recall", NullIn: true, Volatile: true, Exec: recallChunk,
		Params: []duck.Type{duck.Varchar, duck.Varchar, duck.Varchar, duck.BigInt, duck.BigInt, duck.BigInt, duck.BigInt, duck.Varchar},
		Returns: duck.List(duck.Struct(duck.Field{Name: "index", Type: duck.Varchar}, duck.Field{Name: "samples", Type: duck.BigInt},
			duck.Field{Name: "k", Type: duck.BigInt}, duck.Field{Name: "recall", Type: duck.Double}, duck.Field{Name: "worst", Type: duck.Double},
			duck.Field{Name: "index_ms", Type: duck.Double}, duck.Field{Name: "exact_ms", Type: duck.Double},
			duck.Field{Name: "segments", Type: duck.BigInt}, duck.Field{Name: "indexed_segments", Type: duck.BigInt}))}
}

func recallChunk(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
	run, err := runOf(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		if args[1].IsNull(i) || args[2].IsNull(i) {
			out.SetList(i, 0)
			continue
		}
		var n [4]int64 // samples, k, ef_search, probes
		for j := range n {
			if a := args[3+j]; !a.IsNull(i) {
				if n[j] = a.Int64(i); n[j] < 1 || n[j] > maxSamples {
					return types.Errorf(types.CodeInvalidParameterValue, "%s must be between 1 and %d",
						[]string{"samples", "k", "ef_search", "probes"}[j], maxSamples)
				}
			}
		}
		o := db.RecallOptions{Samples: int(n[0]), K: int(n[1]), Ef: int(n[2]), Probes: int(n[3])}
		metric := ""
		if !args[7].IsNull(i) {
			metric = args[7].String(i)
		}
		r, err := run.recall(ctx, args[1].String(i), args[2].String(i), metric, o)
		if err != nil {
			return err
		}
		child, at, _ := out.SetList(i, 1)
		if r.Index == "" {
			child.Field(0).SetNull(at)
		} else {
			child.Field(0).SetString(at, r.Index)
		}
		child.Field(1).SetInt64(at, int64(r.Samples))
		child.Field(2).SetInt64(at, int64(r.K))
		for j, v := range []float64{r.Mean, r.Min, r.IndexMS, r.ExactMS} {
			child.Field(3+j).SetFloat64(at, v)
		}
		child.Field(7).SetInt64(at, int64(r.Segments))
		child.Field(8).SetInt64(at, int64(r.IndexedSegments))
	}
	return nil
}

// recall measures the recall of a column's index over the last commit.
func (r *duckRun) recall(ctx context.Context, table, column, metric string, o db.RecallOptions) (db.RecallReport, error) {
	t, err := r.tableNamed(table)
	if err != nil {
		return db.RecallReport{}, err
	}
	snap := r.session.engine.db.Snapshot()
	defer snap.Close()
	if t, err = snap.TableByID(t.ID); err != nil {
		return db.RecallReport{}, err
	}
	j, err := vectorColumn(t, column)
	if err != nil {
		return db.RecallReport{}, err
	}
	if o.Metric, err = metricNamed(t, j, metric); err != nil {
		return db.RecallReport{}, err
	}
	if o.Ef == 0 {
		o.Ef = r.tuning.ef
	}
	if o.Probes == 0 {
		o.Probes = r.tuning.probes
	}
	return snap.Recall(ctx, t, j, o)
}

// metricNamed reads the name of a metric: l2, ip, cosine or l1. Without one it is that of the column's first index.
func metricNamed(t *db.Table, column int, name string) (db.Metric, error) {
	if name == "" {
		if i := slices.IndexFunc(t.Indexes, func(v db.VectorIndex) bool { return v.Column == column }); i >= 0 {
			return t.Indexes[i].Metric, nil
		}
		return db.Cosine, nil
	}
	for _, m := range []db.Metric{accel.L2, accel.InnerProduct, accel.Cosine, accel.L1} {
		if strings.EqualFold(name, m.String()) {
			return m, nil
		}
	}
	return 0, types.Errorf(types.CodeInvalidParameterValue, "metric %q is not known", name).WithHint("The metrics are l2, ip, cosine and l1.")
}
