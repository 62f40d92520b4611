package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"engram/accel"
	"engram/cmd/engram/internal/annbench"
	"engram/db"
	"engram/wire"
)

type benchSQL struct {
	Dataset string `default:"fashion-mnist" help:"${datasets}: see make data."`
	N       int    `help:"Rows to take, 0 for all."`
	Queries int    `default:"2000" help:"Queries to ask, 0 for all."`
	Index   string `default:"hnsw" enum:"none,hnsw,ivfflat" help:"none, hnsw or ivfflat."`
	Sweep   []int  `default:"20,40,80,160" help:"Values of hnsw.ef_search (ivfflat: ivfflat.probes)."`
	Rounds  int    `default:"3" help:"Rounds of each; the fastest counts."`
	Data    string `default:"data" help:"Folder of the data sets." type:"path"`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// sqlReport is what `engram bench sql --json` prints.
type sqlReport struct {
	Dataset      string     `json:"dataset"`
	N            int        `json:"n"`
	Dim          int        `json:"dim"`
	Metric       string     `json:"metric"`
	Index        string     `json:"index"`
	Level        string     `json:"level"`
	Machine      string     `json:"machine"`
	CopySeconds  float64    `json:"copy_s"`
	IndexSeconds float64    `json:"index_s"`
	Points       []sqlPoint `json:"points"`
}

// sqlPoint is how a prepared statement did over a socket beside the same search without one.
type sqlPoint struct {
	Setting   int     `json:"setting"`
	Recall    float64 `json:"recall"`
	QPS       float64 `json:"qps"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	InProcess float64 `json:"in_process_p50_us"`
}

// Run fills a database in a temporary folder through a socket, indexes it and asks with a prepared statement.
func (c *benchSQL) Run(ctx context.Context) error {
	d, err := annbench.Load(ctx, c.Data, c.Dataset, c.N, c.Queries, nil)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "engram-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &sqlBench{data: d, index: c.Index, rounds: max(1, c.Rounds)}
	if err := b.start(ctx, dir); err != nil {
		return err
	}
	defer b.stop()
	r, err := b.run(ctx, c.Sweep)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		return e.Encode(r)
	}
	printSQL(r)
	return nil
}

type sqlBench struct {
	data   *annbench.Dataset
	index  string
	rounds int
	house  *house
	server *wire.Server
	conn   *pgx.Conn
}

func (b *sqlBench) start(ctx context.Context, dir string) (err error) {
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	if b.house, err = openHouse(dir, "", &db.Options{Logger: logger}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.server = &wire.Server{Engine: wire.Of(b.house.engine), Auth: wire.AuthTrust, Logger: logger}
	go func() { _ = b.server.Serve(context.WithoutCancel(ctx), listener) }()
	b.conn, err = pgx.Connect(ctx, fmt.Sprintf("postgres://engram@%s/engram?sslmode=disable", listener.Addr()))
	return err
}

func (b *sqlBench) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownMax)
	defer cancel()
	if b.conn != nil {
		_ = b.conn.Close(ctx)
	}
	_ = b.server.Shutdown(ctx)
	_ = b.house.Close()
}

// spelled is how SQL names a metric: its operator, its operator class and its number.
func spelled(m accel.Metric) (operator, class string) {
	switch m {
	case accel.L2:
		return "<->", "vector_l2_ops"
	case accel.InnerProduct:
		return "<#>", "vector_ip_ops"
	}
	return "<=>", "vector_cosine_ops"
}

func (b *sqlBench) run(ctx context.Context, sweep []int) (*sqlReport, error) {
	d := b.data
	r := &sqlReport{Dataset: d.Name, N: d.N, Dim: d.Dim, Metric: d.Metric.String(), Index: b.index, Level: accel.Current().String(), Machine: annbench.Machine()}
	operator, class := spelled(d.Metric)
	if _, err := b.conn.Exec(ctx, fmt.Sprintf("CREATE TABLE items (id bigint PRIMARY KEY, v vector(%d) NOT NULL)", d.Dim)); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := b.copyRows(ctx); err != nil {
		return nil, err
	}
	r.CopySeconds = time.Since(start).Seconds()
	if b.index != "none" {
		start = time.Now()
		if _, err := b.conn.Exec(ctx, fmt.Sprintf("CREATE INDEX ON items USING %s (v %s)", b.index, class)); err != nil {
			return nil, err
		}
		r.IndexSeconds = time.Since(start).Seconds()
	}
	if _, err := b.conn.Prepare(ctx, "near", fmt.Sprintf("SELECT id FROM items ORDER BY v %s $1 LIMIT %d", operator, annbench.K)); err != nil {
		return nil, err
	}
	for _, width := range sweep {
		setting := "hnsw.ef_search"
		if b.index == "ivfflat" {
			setting = "ivfflat.probes"
		}
		if b.index != "none" {
			if _, err := b.conn.Exec(ctx, fmt.Sprintf("SET %s = %d", setting, width)); err != nil {
				return nil, err
			}
		}
		p, err := b.measure(ctx, width)
		if err != nil {
			return nil, err
		}
		r.Points = append(r.Points, p)
		if b.index == "none" {
			break
		}
	}
	return r, nil
}

// copyRows loads the rows by COPY in binary format; ids are ords.
func (b *sqlBench) copyRows(ctx context.Context) error {
	read, write := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(write, 1<<20)
		w.WriteString("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		var row []byte
		for i := range b.data.N {
			row = binary.BigEndian.AppendUint16(row[:0], 2)
			row = binary.BigEndian.AppendUint32(row, 8)
			row = binary.BigEndian.AppendUint64(row, uint64(i))
			row = binary.BigEndian.AppendUint32(row, uint32(4+4*b.data.Dim))
			row = appendVector(row, b.data.Base[i*b.data.Dim:(i+1)*b.data.Dim])
			w.Write(row) // the pipe keeps what goes wrong
		}
		w.Write([]byte{0xff, 0xff})
		write.CloseWithError(w.Flush())
	}()
	_, err := b.conn.PgConn().CopyFrom(ctx, read, "COPY items (id, v) FROM STDIN (FORMAT binary)")
	read.Close()
	return err
}

// appendVector appends pgvector's binary form.
func appendVector(dst []byte, v []float32) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(v)))
	dst = binary.BigEndian.AppendUint16(dst, 0)
	for _, x := range v {
		dst = binary.BigEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

func (b *sqlBench) measure(ctx context.Context, width int) (sqlPoint, error) {
	d := b.data
	best := sqlPoint{Setting: width}
	took := make([]time.Duration, d.NQ)
	binaryFormat := []int16{1}
	for range b.rounds {
		found := 0
		start := time.Now()
		for q := range d.NQ {
			one := time.Now()
			res := b.conn.PgConn().ExecPrepared(ctx, "near", [][]byte{appendVector(nil, d.Query(q))}, binaryFormat, binaryFormat).Read()
			took[q] = time.Since(one)
			if res.Err != nil {
				return best, res.Err
			}
			found += d.Found(q, ids(res))
		}
		if qps := float64(d.NQ) / time.Since(start).Seconds(); qps > best.QPS {
			slices.Sort(took)
			best.QPS, best.Recall = qps, float64(found)/float64(d.NQ*annbench.K)
			best.P50, best.P99 = micros(took[d.NQ/2]), micros(took[d.NQ*99/100])
		}
	}
	var err error
	best.InProcess, err = b.inProcess(ctx, width)
	return best, err
}

func ids(r *pgconn.Result) []uint32 {
	var ids []uint32
	for _, row := range r.Rows {
		ids = append(ids, uint32(binary.BigEndian.Uint64(row[0])))
	}
	return ids
}

// inProcess is the median time of the same searches through db.
func (b *sqlBench) inProcess(ctx context.Context, width int) (float64, error) {
	snap := b.house.db.Snapshot()
	defer snap.Close()
	t, err := snap.Table(db.PublicSchema, "items")
	if err != nil {
		return 0, err
	}
	took := make([]time.Duration, b.data.NQ)
	for q := range took {
		one := time.Now()
		if _, err := snap.Search(ctx, t, db.Query{Column: t.Column("v"), Near: b.data.Query(q), K: annbench.K, Metric: b.data.Metric, Ef: width, Probes: width}); err != nil {
			return 0, err
		}
		took[q] = time.Since(one)
	}
	slices.Sort(took)
	return micros(took[len(took)/2]), nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func printSQL(r *sqlReport) {
	fmt.Printf("%s: %d rows of %d, %s, through a socket\n%s at level %s on %s\nCOPY %.1f s, CREATE INDEX %.1f s\n\n",
		r.Dataset, r.N, r.Dim, r.Metric, r.Index, r.Level, r.Machine, r.CopySeconds, r.IndexSeconds)
	fmt.Println("setting  recall       QPS   p50 us   p99 us  in process  above it")
	for _, p := range r.Points {
		fmt.Printf("%7d  %.4f %9.0f %8.1f %8.1f %11.1f %9.1f\n", p.Setting, p.Recall, p.QPS, p.P50, p.P99, p.InProcess, p.P50-p.InProcess)
	}
}
