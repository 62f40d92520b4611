package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"testing"

	"engram/db"
	"engram/sql"

	"github.com/jackc/pgx/v5/pgproto3"
)

// BenchmarkSearch is the same search in process and prepared over a socket, by a client that does nothing else: what is
// between the two is the SQL road.
func BenchmarkSearch(b *testing.B) {
	for _, c := range []struct{ rows, dim int }{{2000, 128}, {2000, 768}, {20000, 128}} {
		b.Run(fmt.Sprintf("%dx%d", c.rows, c.dim), func(b *testing.B) { benchmarkSearch(b, c.rows, c.dim) })
	}
}

func benchmarkSearch(b *testing.B, rows, dim int) {
	ctx := context.Background()
	d, err := db.Open(b.TempDir(), &db.Options{NoBackground: true})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	e, err := sql.Open(d, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	r := rand.New(rand.NewPCG(1, 2))
	batch := d.NewBatch(nil)
	t, err := batch.CreateTable(db.Table{Schema: "public", Name: "t", PrimaryKey: []int{0}, Columns: []db.Column{
		{Name: "id", Type: db.Type{Kind: db.Int8, Mod: -1}, NotNull: true}, {Name: "v", Type: db.Type{Kind: db.Vector, Mod: int32(dim)}}},
		Uniques: []db.Unique{{Name: "t_pkey", Columns: []int{0}, Primary: true, Constraint: true}},
		Indexes: []db.VectorIndex{{Name: "graph", Column: 1, Kind: db.IndexHNSW, Metric: db.Cosine}}})
	if err != nil {
		b.Fatal(err)
	}
	centres := make([][]float32, 50)
	for i := range centres {
		centres[i] = gauss(r, dim, nil)
	}
	for i := range rows {
		if _, err := batch.Insert(ctx, t, db.Row{int64(i), gauss(r, dim, centres[i%50])}); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Commit(ctx); err != nil {
		b.Fatal(err)
	}
	if err := d.Seal(ctx, t.ID); err != nil {
		b.Fatal(err)
	}
	if err := d.BuildIndexes(ctx, t.ID, nil); err != nil {
		b.Fatal(err)
	}
	queries := make([][]float32, 100)
	for i := range queries {
		queries[i] = gauss(r, dim, centres[i%50])
	}
	b.Run("in process", func(b *testing.B) {
		snap := d.Snapshot()
		defer snap.Close()
		for i := 0; b.Loop(); i++ {
			if _, err := snap.Search(ctx, t, db.Query{Column: 1, Near: queries[i%100], K: 10, Metric: db.Cosine}); err != nil {
				b.Fatal(err)
			}
		}
	})
	addr := start(b, &Server{Engine: Of(e), Auth: AuthTrust})
	for _, q := range []struct {
		name, text string
		vector     bool
	}{{"constant", "SELECT 1::bigint", false}, {"id", "SELECT id FROM t ORDER BY v <=> $1 LIMIT 10", true},
		{"id and distance", "SELECT id, v <=> $1 AS d FROM t ORDER BY v <=> $1 LIMIT 10", true},
		{"filtered", "SELECT id FROM t WHERE id < 1000 ORDER BY v <=> $1 LIMIT 10", true}} {
		b.Run(q.name, func(b *testing.B) { benchmarkSocket(b, addr, q.text, q.vector, queries) })
	}
}

func gauss(r *rand.Rand, dim int, centre []float32) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
		if centre != nil {
			v[i] = v[i]/2 + centre[i]
		}
	}
	return v
}

func benchmarkSocket(b *testing.B, addr, text string, vector bool, queries [][]float32) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	start, _ := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "engram"}}).Encode(nil)
	c.Write(start)
	untilReady(b, in)
	parse, _ := (&pgproto3.Parse{Name: "q", Query: text}).Encode(nil)
	parse, _ = (&pgproto3.Sync{}).Encode(parse)
	c.Write(parse)
	untilReady(b, in)
	messages := make([][]byte, len(queries))
	for i, q := range queries {
		bind := &pgproto3.Bind{PreparedStatement: "q", ResultFormatCodes: []int16{1}}
		if vector {
			value := binary.BigEndian.AppendUint16(nil, uint16(len(q)))
			value = append(value, 0, 0)
			for _, x := range q {
				value = binary.BigEndian.AppendUint32(value, math.Float32bits(x))
			}
			bind.Parameters, bind.ParameterFormatCodes = [][]byte{value}, []int16{1}
		}
		m, _ := bind.Encode(nil)
		m, _ = (&pgproto3.Execute{}).Encode(m)
		messages[i], _ = (&pgproto3.Sync{}).Encode(m)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Write(messages[i%len(messages)]); err != nil {
			b.Fatal(err)
		}
		untilReady(b, in)
	}
}

// untilReady reads up to ReadyForQuery.
func untilReady(b *testing.B, in *bufio.Reader) {
	var head [5]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			b.Fatal(err)
		}
		n := int(binary.BigEndian.Uint32(head[1:])) - 4
		if head[0] == 'E' {
			body := make([]byte, n)
			io.ReadFull(in, body)
			b.Fatalf("%q", body)
		}
		if _, err := in.Discard(n); err != nil {
			b.Fatal(err)
		}
		if head[0] == 'Z' {
			return
		}
	}
}
