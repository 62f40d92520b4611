package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"engram/cmd/engram/internal/annbench"
	"engram/index"
)

type benchCommand struct {
	Ann benchAnn `cmd:"" help:"Build a vector index over real data and measure recall and speed."`
	SQL benchSQL `cmd:"" name:"sql" help:"The same through a socket: COPY, CREATE INDEX, a prepared statement."`
}

type benchAnn struct {
	Dataset  string   `default:"fashion-mnist" help:"${datasets}: see make data."`
	N        int      `help:"Rows to take, 0 for all (random-768: 100,000)."`
	Queries  int      `help:"Queries to ask, 0 for all."`
	Index    string   `default:"hnsw" enum:"flat,hnsw,ivf" help:"flat, hnsw or ivf."`
	Compact  bool     `help:"Spend bytes rather than time sparingly."`
	M        int      `help:"Links of a row, 0 to choose."`
	EfBuild  int      `name:"ef-construction" help:"Search width of the build, 0 to choose."`
	Lists    int      `help:"Lists of ivf, 0 to choose."`
	Threads  int      `help:"Threads of the build, 0 for all."`
	Reuse    bool     `help:"Take the index of an earlier run with the same options, if there is one."`
	Memory   int64    `help:"Bytes the build may use, 0 for no limit."`
	Sweep    []int    `help:"Search widths (ivf: lists looked into)."`
	Rounds   int      `default:"3" help:"Rounds of each width; the fastest counts."`
	Filters  bool     `help:"Measure filters that let 50, 10, 1 and 0.1 percent of the rows through."`
	FilterEf int      `default:"64" help:"Search width under filters."`
	Peers    []string `help:"Libraries to measure beside it (hnswlib, usearch): see make peers."`
	PeerEfs  []int    `default:"20,30,40,60,80,100,140,200,300,400" help:"Search widths of the peers."`
	Data     string   `default:"data" help:"Folder of the data sets." type:"path"`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// sweeps are the widths of a sweep that the user does not give.
var sweeps = map[string][]int{
	"flat": {0},
	"hnsw": {10, 15, 20, 30, 40, 60, 80, 100, 140, 200, 300, 400},
	"ivf":  {0, 4, 8, 16, 32, 64, 128, 256},
}

func (c *benchAnn) Run(ctx context.Context) error {
	var bar *stageBar
	var tell annbench.Progress
	if !c.JSON {
		bar = &stageBar{ctx: ctx}
		defer bar.stop()
		tell = bar.tell
	}
	d, err := annbench.Load(ctx, c.Data, c.Dataset, c.N, c.Queries, tell)
	if err != nil {
		return err
	}
	if len(c.Sweep) == 0 {
		c.Sweep = sweeps[c.Index]
	}
	o := annbench.Options{
		Kind: c.Index, M: c.M, EfBuild: c.EfBuild, Lists: c.Lists, Threads: c.Threads, Reuse: c.Reuse, Memory: c.Memory, Efs: c.Sweep, Rounds: c.Rounds,
		Filters: c.Filters, FilterEf: c.FilterEf, Peers: c.Peers, PeerEfs: c.PeerEfs, Dir: c.Data, Progress: tell,
	}
	if c.Compact {
		o.Profile = index.Compact
	}
	r, err := annbench.Run(ctx, d, o)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		return e.Encode(r)
	}
	bar.stop()
	printAnn(r)
	return nil
}

// stageBar shows one bar after the other, a stage each.
type stageBar struct {
	ctx   context.Context
	stage string
	at    int64
	bar   *progressBar
}

func (b *stageBar) tell(stage string, done, total int64) {
	if b.bar == nil || stage != b.stage {
		b.stop()
		b.bar, b.stage, b.at = newBar(b.ctx, stage, int(total)), stage, 0
	}
	b.bar.add(int(done - b.at))
	b.at = done
}

func (b *stageBar) stop() {
	if b.bar != nil {
		b.bar.stop()
		b.bar = nil
	}
}

func printAnn(r *annbench.Report) {
	fmt.Printf("%s: %d rows of %d, %s, %d queries\n%s at level %s on %s\n", r.Dataset, r.N, r.Dim, r.Metric, r.Queries, r.Index, r.Level, r.Machine)
	if r.Described != "" {
		fmt.Println(r.Described)
	}
	fmt.Printf("build %.1f s with %d threads, open %.3f s, %.0f bytes a vector beside the vectors, peak memory %d MiB\n\n",
		r.BuildSeconds, r.Threads, r.OpenSeconds, r.BytesPerVector, r.PeakRSS>>20)
	printPoints(r.Points)
	if len(r.Filters) > 0 {
		fmt.Println("\nfilter     matching  recall      p50      p99  exact p50  allowed  regime   within")
		for _, f := range r.Filters {
			fmt.Printf("%6.1f %%  %9d  %.4f %8.0f %8.0f  %9.0f %8.0f  %-8s %v\n", f.Selectivity*100, f.Matching, f.Recall, f.P50, f.P99, f.Exact, f.Bound, f.Regime, f.Inside)
		}
	}
	for _, p := range r.Peers {
		fmt.Printf("\n%s (%s): build %.1f s\n", p.Name, p.Params, p.BuildSeconds)
		printPoints(p.Points)
		for _, want := range []float64{0.95, 0.99} {
			ours, ok := annbench.At(r.Points, want)
			theirs, both := annbench.At(p.Points, want)
			if ok && both {
				fmt.Printf("at recall %.2f: %.0f against %.0f queries a second, %.2f times\n", want, ours.QPS, theirs.QPS, ours.QPS/theirs.QPS)
			}
		}
	}
}

func printPoints(points []annbench.Point) {
	fmt.Println("    ef  recall       QPS   p50 us   p99 us   scored  reranked")
	for _, p := range points {
		fmt.Printf("%6d  %.4f %9.0f %8.1f %8.1f %8.0f %9.0f\n", p.Ef, p.Recall, p.QPS, p.P50, p.P99, p.Scored, p.Reranked)
	}
}

func datasetsHelp() string { return strings.Join(annbench.Names, ", ") }
