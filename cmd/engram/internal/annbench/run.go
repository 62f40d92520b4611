package annbench

import (
	"context"
	"slices"
	"time"

	"engram/index"
)

// Point is how an index did at one search width.
type Point struct {
	Ef       int     `json:"ef"`
	Recall   float64 `json:"recall"`
	QPS      float64 `json:"qps"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
	Scored   float64 `json:"scored"`   // rows scored, a query
	Reranked float64 `json:"reranked"` // rows compared exactly after that, a query
}

// Sweep asks every query of d once a round for every width in efs, on one thread, and reports the fastest round: other
// work on the machine slows a round, nothing makes one faster.
func Sweep(ctx context.Context, d *Dataset, x index.Searcher, efs []int, rounds int, progress Progress) ([]Point, error) {
	var points []Point
	for i, ef := range efs {
		p, err := measure(ctx, d, x, d.Truth, rounds, index.SearchOptions{EfSearch: ef, Probes: ef})
		if err != nil {
			return nil, err
		}
		p.Ef = ef
		points = append(points, p)
		progress.tell("sweep", int64(i+1), int64(len(efs)))
	}
	return points, nil
}

// measure asks every query with the options o.
func measure(ctx context.Context, d *Dataset, x index.Searcher, truth []uint32, rounds int, o index.SearchOptions) (Point, error) {
	var best Point
	took := make([]time.Duration, d.NQ)
	found := make([][K]uint32, d.NQ)
	for range max(1, rounds) {
		if err := ctx.Err(); err != nil {
			return best, err
		}
		var stats index.Stats
		o.Stats, o.Dst = &stats, make([]index.Hit, 0, K)
		start := time.Now()
		for q := range d.NQ {
			one := time.Now()
			hits, err := x.Nearest(d.Query(q), K, &o)
			took[q] = time.Since(one)
			if err != nil {
				return best, err
			}
			for j := range found[q] {
				found[q][j] = missing
				if j < len(hits) {
					found[q][j] = hits[j].Ord
				}
			}
		}
		qps := float64(d.NQ) / time.Since(start).Seconds()
		if qps <= best.QPS {
			continue
		}
		slices.Sort(took)
		best = Point{
			Recall: recall(found, truth), QPS: qps,
			P50: micros(took[d.NQ/2]), P99: micros(took[d.NQ*99/100]),
			Scored: float64(stats.Scored) / float64(d.NQ), Reranked: float64(stats.Reranked) / float64(d.NQ),
		}
	}
	return best, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// recall is the share of the true neighbours that were found.
func recall(found [][K]uint32, truth []uint32) float64 {
	hits, want := 0, 0
	for q := range found {
		t := truth[q*K : (q+1)*K]
		for _, ord := range t {
			if ord == missing {
				break
			}
			want++
			if slices.Contains(found[q][:], ord) {
				hits++
			}
		}
	}
	if want == 0 {
		return 1
	}
	return float64(hits) / float64(want)
}

// At is the fastest point with at least a recall; ok is false if none has it.
func At(points []Point, recall float64) (best Point, ok bool) {
	for _, p := range points {
		if p.Recall >= recall && p.QPS > best.QPS {
			best, ok = p, true
		}
	}
	return best, ok
}

// Found is how many of ids are among the true neighbours of query q.
func (d *Dataset) Found(q int, ids []uint32) int {
	found := 0
	for _, t := range d.Truth[q*K : (q+1)*K] {
		if t != missing && slices.Contains(ids, t) {
			found++
		}
	}
	return found
}
