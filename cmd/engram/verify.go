package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"engram/accel"
	"engram/db"
	"engram/index"
)

// verifyCommand checks a database that no server has open.
type verifyCommand struct {
	Dir       string  `required:"" help:"Database directory." type:"existingdir"`
	Recall    bool    `help:"Also measure each vector index against exact search."`
	Samples   int     `default:"100" help:"Searches a vector index, with --recall."`
	K         int     `default:"10" help:"Hits of each search, with --recall."`
	MinRecall float64 `name:"min-recall" default:"0.95" help:"Average recall below which an index counts as wrong, with --recall."`
	JSON      bool    `name:"json" help:"Print JSON."`
}

// verifyReport is what engram verify --json prints.
type verifyReport struct {
	Dir      string         `json:"dir"`
	OK       bool           `json:"ok"`
	Tables   int            `json:"tables"`
	Rows     int64          `json:"rows"`
	Segments int            `json:"segments"`
	Indexes  int            `json:"indexes"` // of segments
	Unbuilt  int            `json:"unbuilt"`
	Problems []string       `json:"problems"`
	Recall   []recallReport `json:"recall,omitempty"`
	TookS    float64        `json:"took_s"`

	badIndex bool // an index file is broken
}

// recallReport is how good a vector index is.
type recallReport struct {
	Table           string  `json:"table"`
	Column          string  `json:"column"`
	Index           string  `json:"index"`
	Kind            string  `json:"kind"`
	Metric          string  `json:"metric"`
	Segments        int     `json:"segments"`
	IndexedSegments int     `json:"indexed_segments"`
	Samples         int     `json:"samples"`
	K               int     `json:"k"`
	Mean            float64 `json:"recall"`
	Worst           float64 `json:"worst"`
	IndexMS         float64 `json:"index_ms"`
	ExactMS         float64 `json:"exact_ms"`
	Note            string  `json:"note,omitempty"`
}

// Run verifies; it ends with status 1 when something is wrong.
func (c *verifyCommand) Run(ctx context.Context) error {
	start := time.Now()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	d, err := db.Open(c.Dir, &db.Options{NoBackground: true, Logger: logger})
	if errors.Is(err, db.ErrLocked) {
		return fmt.Errorf("%w; on a running server SELECT * FROM index_recall(...) measures an index", err)
	}
	if err != nil {
		return err
	}
	defer d.Close()
	r, err := c.verify(ctx, d)
	if err != nil {
		return err
	}
	r.Dir, r.OK, r.TookS = c.Dir, len(r.Problems) == 0, time.Since(start).Seconds()
	if c.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", " ")
		err = e.Encode(r)
	} else {
		r.print(os.Stdout)
	}
	if err == nil && !r.OK {
		err = exitCode(1)
	}
	return err
}

func (c *verifyCommand) verify(ctx context.Context, d *db.DB) (*verifyReport, error) {
	var bar *progressBar
	v, err := d.VerifyAll(ctx, func(done, total int64) {
		if c.JSON || total == 0 {
			return
		}
		if bar == nil {
			bar = newBar(ctx, "rows", int(total))
		}
		bar.add(int(done) - bar.done)
	})
	if bar != nil {
		bar.stop()
	}
	if err != nil {
		return nil, err
	}
	r := &verifyReport{Tables: v.Tables, Rows: v.Rows, Segments: v.Segments, Indexes: v.Indexes, Unbuilt: v.Unbuilt, Problems: []string{}}
	for _, p := range v.Problems {
		r.Problems = append(r.Problems, p.Error())
		r.badIndex = r.badIndex || errors.Is(p, index.ErrFile)
	}
	if c.Recall {
		err = c.recall(ctx, d, r)
	}
	return r, err
}

// recall measures the vector indexes of all tables.
func (c *verifyCommand) recall(ctx context.Context, d *db.DB, r *verifyReport) error {
	s := d.Snapshot()
	defer s.Close()
	for _, t := range s.Tables() {
		for i, st := range d.IndexStatus(t.ID) {
			if st.Metric == accel.Hamming || st.Metric == accel.Jaccard {
				continue // always exact, and not of vectors
			}
			m, err := s.Recall(ctx, t, t.Indexes[i].Column, db.RecallOptions{Samples: c.Samples, K: c.K, Metric: st.Metric})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				r.Problems = append(r.Problems, fmt.Sprintf("recall of %s: %v", st.Name, err))
				continue
			}
			r.Recall = append(r.Recall, recallReport{Table: t.String(), Column: st.Column, Index: st.Name, Kind: st.Kind.String(),
				Metric: st.Metric.String(), Segments: m.Segments, IndexedSegments: m.IndexedSegments, Samples: m.Samples, K: m.K,
				Mean: m.Mean, Worst: m.Min, IndexMS: m.IndexMS, ExactMS: m.ExactMS, Note: st.Note})
			if m.Mean < c.MinRecall {
				r.Problems = append(r.Problems, fmt.Sprintf("recall of index %q of %s is %.4f, less than %g", st.Name, t, m.Mean, c.MinRecall))
			}
		}
	}
	return nil
}

// print writes the report for people.
func (r *verifyReport) print(w io.Writer) {
	fmt.Fprintf(w, "%s: %d %s, %d %s, %d %s, %d vector %s read, in %.1f s\n", r.Dir, r.Tables, plural(r.Tables, "table"), r.Rows,
		plural(int(r.Rows), "row"), r.Segments, plural(r.Segments, "segment"), r.Indexes, pluralIndex(r.Indexes), r.TookS)
	if r.Unbuilt > 0 {
		fmt.Fprintf(w, "%d vector %s still to be built: until then these rows are compared one by one\n", r.Unbuilt, pluralIndex(r.Unbuilt))
	}
	if len(r.Recall) > 0 {
		t := &table{names: []string{"table", "index", "kind", "metric", "segments", "searches", "recall", "worst", "ms", "exact ms"},
			numeric: []bool{false, false, false, false, false, true, true, true, true, true}}
		for _, m := range r.Recall {
			var row []cell
			for _, text := range []string{m.Table, m.Index, m.Kind, m.Metric, fmt.Sprintf("%d of %d", m.IndexedSegments, m.Segments),
				strconv.Itoa(m.Samples), fmt.Sprintf("%.4f", m.Mean), fmt.Sprintf("%.4f", m.Worst), fmt.Sprintf("%.3f", m.IndexMS),
				fmt.Sprintf("%.3f", m.ExactMS)} {
				row = append(row, cell{text: text})
			}
			t.rows = append(t.rows, row)
		}
		t.print(w)
		for _, m := range r.Recall {
			if m.Note != "" {
				fmt.Fprintf(w, "%s: %s\n", m.Index, m.Note)
			}
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintln(w, "wrong:", p)
	}
	if r.OK {
		fmt.Fprintln(w, "nothing is wrong")
	}
	if r.badIndex {
		fmt.Fprintln(w, "no row is lost by a broken index file: REINDEX makes it anew, and so does a server in the background")
	}
}

func pluralIndex(n int) string {
	if n == 1 {
		return "index"
	}
	return "indexes"
}
