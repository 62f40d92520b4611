package annbench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"engram/accel"
	"engram/index"
	"engram/index/hnsw"
	"engram/index/ivf"
)

// Report is what `engram bench ann --json` prints.
type Report struct {
	Dataset        string       `json:"dataset"`
	N              int          `json:"n"`
	Dim            int          `json:"dim"`
	Queries        int          `json:"queries"`
	Metric         string       `json:"metric"`
	Index          string       `json:"index"`
	Described      string       `json:"described,omitempty"`
	Level          string       `json:"level"`
	Machine        string       `json:"machine"`
	Threads        int          `json:"build_threads"`
	BuildSeconds   float64      `json:"build_s"`
	OpenSeconds    float64      `json:"open_s"`
	BytesPerVector float64      `json:"bytes_per_vector"` // beyond the float32 vectors
	PeakRSS        int64        `json:"peak_rss"`         // bytes, mapped files included
	Points         []Point      `json:"points"`
	Filters        []Filtered   `json:"filters,omitempty"`
	Peers          []PeerResult `json:"peers,omitempty"`
}

// Options says what Run does.
type Options struct {
	Kind     string // flat, hnsw, ivf
	Profile  index.Profile
	M        int
	EfBuild  int
	Lists    int
	Threads  int
	Reuse    bool // take the index that an earlier run made with the same options, if there is one
	Memory   int64
	Efs      []int
	Rounds   int
	Filters  bool
	FilterEf int
	Peers    []string
	PeerEfs  []int
	Dir      string // of the data sets and peers
	Progress Progress
}

// Run builds an index over d, sweeps it and, where asked, measures filters and peers in the same process's lifetime.
func Run(ctx context.Context, d *Dataset, o Options) (*Report, error) {
	r := &Report{
		Dataset: d.Name, N: d.N, Dim: d.Dim, Queries: d.NQ, Metric: d.Metric.String(), Index: o.Kind,
		Level: accel.Current().String(), Machine: Machine(), Threads: o.Threads,
	}
	if r.Threads == 0 {
		r.Threads = runtime.GOMAXPROCS(0)
	}
	x, err := build(ctx, d, &o, r)
	if err != nil {
		return nil, err
	}
	if r.Points, err = Sweep(ctx, d, x, o.Efs, o.Rounds, o.Progress); err != nil {
		return nil, err
	}
	if o.Filters {
		flat, err := index.NewFlat(d.Metric, d.Dim, d.Base, nil)
		if err == nil {
			r.Filters, err = Filters(ctx, d, x, flat, o.FilterEf, o.Rounds, o.Progress)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range o.Peers {
		p, err := Peer(ctx, d, o.Dir, name, o.PeerEfs, r.Threads, o.Rounds)
		if err != nil {
			return nil, err
		}
		r.Peers = append(r.Peers, *p)
	}
	r.PeakRSS = PeakRSS()
	return r, nil
}

// described is what an index file says of itself.
type described interface {
	index.Searcher
	io.WriterTo
	Bytes() int64
	Describe() string
}

// maker makes a kind of index and opens what it wrote.
type maker struct {
	build func(ctx context.Context, rows *index.Rows, d *Dataset, o *Options) (described, error)
	open  func(data []byte, rows *index.Rows) (described, error)
}

// makers are the kinds of index that Run knows beside the exact one.
var makers = map[string]maker{
	"hnsw": {makeHNSW, func(data []byte, rows *index.Rows) (described, error) { return hnsw.Open(data, rows) }},
	"ivf":  {makeIVF, func(data []byte, rows *index.Rows) (described, error) { return ivf.Open(data, rows) }},
}

func build(ctx context.Context, d *Dataset, o *Options, r *Report) (index.Searcher, error) {
	rows, err := d.Rows()
	if err != nil {
		return nil, err
	}
	if o.Kind == "flat" {
		return index.NewFlat(d.Metric, d.Dim, d.Base, nil)
	}
	maker, ok := makers[o.Kind]
	if !ok {
		return nil, fmt.Errorf("no index %q: there are flat, hnsw, ivf", o.Kind)
	}
	path := filepath.Join(o.Dir, "cache", fmt.Sprintf("%s-%d-%s-%d-%d-%d-%d.idx", d.Name, d.N, o.Kind, o.Profile, o.M, o.EfBuild, o.Lists))
	if !o.Reuse || !exists(path) {
		start := time.Now()
		x, err := maker.build(ctx, rows, d, o)
		if err != nil {
			return nil, err
		}
		r.BuildSeconds = time.Since(start).Seconds()
		if err := save(x, path); err != nil {
			return nil, err
		}
	}
	file, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	x, err := maker.open(file, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.OpenSeconds = time.Since(start).Seconds()
	r.BytesPerVector = float64(x.Bytes()) / float64(max(1, d.N))
	r.Described = x.Describe()
	return x, nil
}

// save writes an index where a later run with Reuse finds it.
func save(x described, path string) error {
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := x.WriteTo(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}

// Machine names the processor and how many of it there are.
func Machine() string {
	name := runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d threads", name, runtime.NumCPU())
}

// PeakRSS is the most memory the process has had resident, in bytes, 0 where the system does not tell.
func PeakRSS() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
