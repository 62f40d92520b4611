package annbench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"engram/index"
)

// Filtered is how searches did that may return a share of the rows only.
type Filtered struct {
	Selectivity float64 `json:"selectivity"`
	Matching    int     `json:"matching"`
	Point
	Regime string  `json:"regime"`
	Short  int     `json:"short"`          // queries that got fewer rows than match, of NQ
	Exact  float64 `json:"exact_p50_us"`   // an exact scan of the matching rows
	Bound  float64 `json:"allowed_p50_us"` // twice that, or the unfiltered search and a millisecond: the smaller
	Inside bool    `json:"inside"`         // P50 <= Bound and recall >= 0.95
}

// Selectivities are the shares of rows that Filters lets through.
var Selectivities = []float64{0.5, 0.1, 0.01, 0.001}

// Filters measures searches under filters that let a random share of the rows through, at a search width, against exact
// answers and against an exact scan of the same rows.
func Filters(ctx context.Context, d *Dataset, x index.Searcher, flat *index.Flat, ef, rounds int, progress Progress) ([]Filtered, error) {
	part := *d
	part.NQ = min(d.NQ, 1000)
	part.Queries = d.Queries[:part.NQ*d.Dim]
	free, err := measure(ctx, &part, x, d.Truth, rounds, index.SearchOptions{EfSearch: ef})
	if err != nil {
		return nil, err
	}
	var all []Filtered
	for i, share := range Selectivities {
		allow, matching := randomBits(d.N, share)
		truth, err := exact(ctx, &part, allow, nil)
		if err != nil {
			return nil, err
		}
		var stats index.Stats
		p, err := measure(ctx, &part, x, truth, rounds, index.SearchOptions{EfSearch: ef, Bits: allow})
		if err != nil {
			return nil, err
		}
		p.Ef = ef
		f := Filtered{Selectivity: share, Matching: matching, Point: p}
		for q := range part.NQ {
			hits, err := x.Nearest(part.Query(q), K, &index.SearchOptions{EfSearch: ef, Bits: allow, Stats: &stats})
			if err != nil {
				return nil, err
			}
			for _, h := range hits {
				if allow[h.Ord/64]>>(h.Ord%64)&1 == 0 {
					return nil, fmt.Errorf("query %d got row %d, which the filter refuses", q, h.Ord)
				}
			}
			if len(hits) < min(K, matching) {
				f.Short++
			}
		}
		f.Regime = stats.Regime.String()
		scan := part
		scan.NQ = min(part.NQ, 200)
		e, err := measure(ctx, &scan, flat, truth, rounds, index.SearchOptions{Bits: allow})
		if err != nil {
			return nil, err
		}
		f.Exact = e.P50
		f.Bound = min(2*e.P50, free.P50+1000)
		f.Inside = f.P50 <= f.Bound && f.Recall >= 0.95 && f.Short == 0
		all = append(all, f)
		progress.tell("filters", int64(i+1), int64(len(Selectivities)))
	}
	return all, nil
}

// randomBits lets a share of n rows through.
func randomBits(n int, share float64) ([]uint64, int) {
	r := rand.New(rand.NewPCG(uint64(n), uint64(share*1e6)))
	bits := make([]uint64, (n+63)/64)
	count := 0
	for i := range n {
		if r.Float64() < share {
			bits[i/64] |= 1 << (i % 64)
			count++
		}
	}
	return bits, count
}
