package types

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"engram/internal/postgres"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestFloatsAgainstPostgreSQL sends many numbers in binary and compares their texts, powers of ten and of two among
// them, whose shortest texts may lie on a midpoint.
func TestFloatsAgainstPostgreSQL(t *testing.T) {
	dir := postgres.Start(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, "host="+dir+" user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rnd := rand.New(rand.NewPCG(1, 2))
	var doubles, singles []any
	for e := -330; e <= 308; e++ {
		for _, m := range []float64{1, 2, 5, 9.5, 1.25} {
			doubles = append(doubles, m*math.Pow10(e))
			singles = append(singles, float32(m*math.Pow10(e/7)))
		}
	}
	for e := -1074; e < 1024; e++ {
		doubles = append(doubles, math.Ldexp(1, e), -math.Ldexp(1, e)*(1+0x1p-52))
	}
	for e := -149; e < 128; e++ {
		singles = append(singles, float32(math.Ldexp(1, e)), float32(math.Ldexp(1+0x1p-23, e)))
	}
	for range 20000 {
		doubles = append(doubles, math.Float64frombits(rnd.Uint64()))
		singles = append(singles, math.Float32frombits(rnd.Uint32()))
		doubles = append(doubles, float64(rnd.Uint64()>>rnd.UintN(40))/float64(rnd.UintN(1000)+1))
		singles = append(singles, float32(rnd.Uint32()>>rnd.UintN(20)))
	}
	for oid, list := range map[uint32][]any{Float8ArrayOID: doubles, Float4ArrayOID: singles} {
		b, err := AppendBinary(nil, Of(oid), list)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := AppendText(nil, Of(oid), list, nil)
		if err != nil {
			t.Fatal(err)
		}
		res := conn.ExecParams(ctx, "select $1", [][]byte{b}, []uint32{oid}, []int16{1}, nil).Read()
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		theirs := strings.Split(string(res.Rows[0][0]), ",")
		wrong := 0
		for i, text := range strings.Split(string(ours), ",") {
			if text != theirs[i] && wrong < 20 {
				wrong++
				t.Errorf("%s element %d: %s, PostgreSQL %s", Of(oid), i, text, theirs[i])
			}
		}
	}
}
