package ivf_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"engram/accel"
	"engram/index"
	"engram/index/indextest"
	"engram/index/ivf"
)

func TestBuildRefuses(t *testing.T) {
	data := indextest.Rows(61, 4000, 40)
	rows := mustRows(t, 40, data)
	for _, m := range []accel.Metric{0, accel.L1, accel.Hamming, accel.Jaccard, 99} {
		if _, err := ivf.Build(context.Background(), rows, ivf.Config{Metric: m}); !errors.Is(err, accel.ErrMetric) {
			t.Errorf("%v: %v", m, err)
		}
	}
	if _, err := ivf.Build(context.Background(), rows, ivf.Config{Metric: accel.L2, Memory: 100_000}); !errors.Is(err, index.ErrMemory) {
		t.Errorf("a build beyond its memory: %v", err)
	}
	x := mustBuild(t, mustRows(t, 40, data[:40]), ivf.Config{Metric: accel.L2})
	if _, err := x.Nearest(data[:39], 1, nil); !errors.Is(err, index.ErrDimension) {
		t.Errorf("a short query: %v", err)
	}
}

func TestProgressGrowsToTheEnd(t *testing.T) {
	const n = 5000
	last := int64(0)
	mustBuild(t, mustRows(t, 8, indextest.Rows(81, n, 8)), ivf.Config{Metric: accel.Cosine, Progress: func(done, total int64) {
		if done <= last || total != 2*n {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
	}})
	if last != 2*n {
		t.Errorf("the last progress is %d of %d", last, n)
	}
}

// TestBuildIsTheSame: threads and time change nothing, the seed does.
func TestBuildIsTheSame(t *testing.T) {
	const n, dim = 3000, 30
	data, _ := clustered(61, n, dim, 0)
	rows := mustRows(t, dim, data)
	var files [][]byte
	for _, cfg := range []ivf.Config{{Threads: 1}, {Threads: 3}, {Threads: 2, Memory: 1 << 30}, {Threads: 2, Seed: 9}} {
		cfg.Metric = accel.InnerProduct
		files = append(files, written(t, mustBuild(t, rows, cfg)))
	}
	if !bytes.Equal(files[0], files[1]) || !bytes.Equal(files[0], files[2]) {
		t.Error("the number of threads changes the index")
	}
	if bytes.Equal(files[0], files[3]) {
		t.Error("the seed changes nothing")
	}
}

// TestListsAreBalanced: no list of clustered rows is many times the average, and what is asked for is made.
func TestListsAreBalanced(t *testing.T) {
	const n, dim = 12_000, 24
	data, _ := clustered(71, n, dim, 0)
	rows := mustRows(t, dim, data)
	for _, lists := range []int{0, 1, 7, 100, n} {
		x := mustBuild(t, rows, ivf.Config{Metric: accel.L2, Lists: lists})
		if lists == 0 || lists == n {
			if x.Lists() < 100 || x.Lists() > n/2 {
				t.Errorf("asked for %d lists: %d", lists, x.Lists())
			}
		} else if x.Lists() != lists {
			t.Errorf("asked for %d lists: %d", lists, x.Lists())
		}
		if lists != 0 {
			continue
		}
		var longest int
		if _, err := fmt.Sscanf(x.Describe(), "ivf: %d rows in %d lists, the longest of %d", new(int), new(int), &longest); err != nil {
			t.Fatal(err)
		}
		if longest > 8*n/x.Lists() {
			t.Errorf("the longest of %d lists has %d of %d rows", x.Lists(), longest, n)
		}
	}
}

// TestMemory: a build inside a small budget samples fewer rows, one that cannot fit says so.
func TestMemory(t *testing.T) {
	const n, dim = 10_000, 64
	data, qs := clustered(81, n, dim, 20)
	rows := mustRows(t, dim, data)
	free := mustBuild(t, rows, ivf.Config{Metric: accel.L2, Threads: 1})
	tight := int64(0)
	for memory := free.Bytes(); tight == 0; memory += 100_000 {
		x, err := ivf.Build(context.Background(), rows, ivf.Config{Metric: accel.L2, Threads: 1, Memory: memory})
		if errors.Is(err, index.ErrMemory) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		tight = memory
		sum := 0.0
		for _, q := range qs {
			sum += overlap(must(x.Nearest(q, 10, nil)), truth(t, accel.L2, dim, data, q, 10, nil))
		}
		if sum/20 < 0.9 {
			t.Errorf("recall %.2f of a build in %d bytes", sum/20, memory)
		}
	}
	if tight > 4*free.Bytes() {
		t.Errorf("an index of %d bytes needs %d to be built", free.Bytes(), tight)
	}
}

// TestBuildEnds cancels builds at different moments; their goroutines are gone when Build returns.
func TestBuildEnds(t *testing.T) {
	data, _ := clustered(91, 20_000, 32, 0)
	rows := mustRows(t, 32, data)
	for _, after := range []int64{0, 1, 15_000, 25_000} {
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		}
		_, err := ivf.Build(ctx, rows, ivf.Config{Metric: accel.L2, Threads: 3, Progress: func(done, _ int64) {
			if done >= after {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a build cancelled after %d: %v", after, err)
		}
		cancel()
	}
}

// TestBytes holds the index to what both profiles promise.
func TestBytes(t *testing.T) {
	const n = 10_000
	for _, dim := range []int{16, 100, 384} {
		data, _ := clustered(111, n, dim, 0)
		for profile, most := range map[index.Profile]int{index.Fast: 4*dim + 400, index.Compact: dim/2 + 200} {
			x := mustBuild(t, mustRows(t, dim, data), ivf.Config{Metric: accel.L2, Profile: profile})
			if have := float64(x.Bytes()) / n; have > float64(most) {
				t.Errorf("%d dimensions, profile %d: %.0f bytes a vector, promised %d", dim, profile, have, most)
			}
		}
	}
}
