package annbench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"unsafe"

	"engram/accel"
	"engram/index"
)

// K is how many neighbours every search asks for.
const K = 10

// Dataset is vectors to be searched, queries, and the exact nearest rows of each query. Rows are a mapped file.
type Dataset struct {
	Name    string
	Dim     int
	Metric  accel.Metric
	N       int       // rows
	Base    []float32 // N*Dim
	Queries []float32 // NQ*Dim
	NQ      int
	Truth   []uint32 // NQ*K ords, nearest first

	// The same as files, for peers.
	BaseFile, QueryFile, TruthFile string
}

// Names lists the data sets that Load knows.
var Names = []string{"fashion-mnist", "glove", "random-768"}

// Load reads data set name from folder dir, the first n rows of it (0: all), with at most nq queries (0: all). Converted
// vectors and exact answers are kept in dir, so that the second Load is quick. progress may be nil.
func Load(ctx context.Context, dir, name string, n, nq int, progress Progress) (*Dataset, error) {
	var d *Dataset
	var err error
	cache := filepath.Join(dir, "cache")
	if err = os.MkdirAll(cache, 0o777); err != nil {
		return nil, err
	}
	switch name {
	case "fashion-mnist":
		d, err = loadFashion(dir, cache, n)
	case "glove":
		d, err = loadGlove(dir, cache, n)
	case "random-768":
		if n == 0 {
			n = 100_000
		}
		d, err = makeRandom(ctx, cache, n, progress)
	default:
		return nil, fmt.Errorf("no data set %q: there are %v", name, Names)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w\n`make data` fetches the data sets", err)
	}
	if err != nil {
		return nil, err
	}
	d.Name = name
	d.NQ = len(d.Queries) / d.Dim
	if nq > 0 && nq < d.NQ {
		d.NQ = nq
		d.Queries = d.Queries[:nq*d.Dim]
	}
	return d, d.answer(ctx, cache, progress)
}

// Progress is told how much of a stage is done.
type Progress func(stage string, done, total int64)

func (p Progress) tell(stage string, done, total int64) {
	if p != nil {
		p(stage, done, total)
	}
}

// Rows is the base as an index sees it.
func (d *Dataset) Rows() (*index.Rows, error) { return index.NewRows(d.Dim, d.Base) }

// Query is the vector of query i.
func (d *Dataset) Query(i int) []float32 { return d.Queries[i*d.Dim : (i+1)*d.Dim] }

// cached returns the mapped float32 file cache/name, made by fill if it is not there. rows of zero takes what the
// file has.
func cached(cache, name string, dim int, fill func(write func([]float32) error) error) ([]float32, string, error) {
	path := filepath.Join(cache, name)
	if _, err := os.Stat(path); err != nil {
		if err := writeFloats(path, fill); err != nil {
			return nil, "", err
		}
	}
	v, err := mapFloats(path)
	if err == nil && len(v)%dim != 0 {
		err = fmt.Errorf("%s holds %d numbers, not rows of %d: remove it", path, len(v), dim)
	}
	return v, path, err
}

// writeFloats makes a file by way of a temporary one.
func writeFloats(path string, fill func(write func([]float32) error) error) (err error) {
	tmp := path + ".tmp"
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if err := fill(func(v []float32) error {
		_, err := f.Write(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v)))
		return err
	}); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// normalise makes every row of v one long; a zero row stays.
func normalise(v []float32, dim int) {
	for ; len(v) >= dim; v = v[dim:] {
		sq := 0.0
		for _, x := range v[:dim] {
			sq += float64(x) * float64(x)
		}
		if sq == 0 {
			continue
		}
		inv := 1 / math.Sqrt(sq)
		for i, x := range v[:dim] {
			v[i] = float32(float64(x) * inv)
		}
	}
}

func writeUints(path string, v []uint32) error {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return os.WriteFile(path, b, 0o666)
}

func readUints(path string, n int) ([]uint32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) != 4*n {
		return nil, fmt.Errorf("%s holds %d bytes, want %d: remove it", path, len(b), 4*n)
	}
	v := make([]uint32, n)
	for i := range v {
		v[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return v, nil
}
