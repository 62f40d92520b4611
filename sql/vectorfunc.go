package sql

import (
	"context"
	"maps"
	"math"

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
	for _, kind := range []string{"image", "audio"} {
		name := "__engram_embed_" + kind
		exec := func(ctx context.Context, args []duck.Vector, rows int, out *duck.Writer) error {
			return e.embedMediaChunk(ctx, kind, args, rows, out)
		}
		all[name] = []duck.ScalarFunction{
			{Name: name, Params: []duck.Type{duck.Varchar, duck.Blob}, Returns: vector, Exec: exec},
			{Name: name, Params: []duck.Type{duck.Varchar, duck.Blob, duck.Varchar}, Returns: vector, Exec: exec},
		}
	}
	hit := duck.List(duck.Struct(duck.Field{Name: "id", Type: duck.BigInt}, duck.Field{Name: "score", Type: duck.Double}))
	all["__engram_cosine_top_k"] = []duck.ScalarFunction{{Name: "__engram_cosine_top_k", NullIn: true, Returns: hit, Exec: topKChunk,
		Params: []duck.Type{duck.Varchar, vector, duck.BigInt, duck.Varchar, duck.Varchar, duck.Varchar, duck.BigInt}}}
	all["__engram_nearest"] = []duck.ScalarFunction{nestedFunction()}
	all["__engram_index_recall"] = []duck.ScalarFunction{recallFunction()}
	maps.Copy(all, e.modelFunctions())
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
	"__engram_l2_distance":            func(a, b []float32) float64 { return accel.L2.Reported(accel.L2.Dist(a, b)) },
	"__engram_cosine_distance":        cosineDistance,
	"__engram_l1_distance":            func(a, b []float32) float64 { return accel.L1.Reported(accel.L1.Dist(a, b)) },
	"__engram_inner_product":          func(a, b []float32) float64 { return float64(accel.Dot(a, b)) },
	"__engram_negative_inner_product": func(a, b []float32) float64 { return -float64(accel.Dot(a, b)) },
}

// cosineDistance divides in double precision, as pgvector does. It is NaN for a vector of zeros.
func cosineDistance(a, b []float32) float64 {
	cos := float64(accel.Dot(a, b)) / math.Sqrt(float64(accel.Dot(a, a))*float64(accel.Dot(b, b)))
	return 1 - max(-1, min(1, cos))
}

// reported is what an ordering operator shows of two vectors, whichever road computes it.
var reported = map[string]func(a, b []float32) float64{"<->": distances["__engram_l2_distance"], "<=>": cosineDistance,
	"<#>": distances["__engram_negative_inner_product"], "<+>": distances["__engram_l1_distance"]}

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
