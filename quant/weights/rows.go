package weights

import (
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// maxCellBytes bounds the text of one name or type.
const maxCellBytes = 4096

// readBatch is how many values are asked of the Parquet library at a time.
const readBatch = 1024

// rowGroup reads the columns of one row group. Every chunk is walked before the library decodes it.
type rowGroup struct {
	f    *File
	i    int
	meta *metadata.RowGroupMetaData
	rows int
}

// open checks a chunk and returns the library's reader of it.
func (g *rowGroup) open(col string, limit int64) (file.ColumnChunkReader, error) {
	c, err := g.chunk(col)
	if err != nil {
		return nil, err
	}
	if err := checkPages(g.f.src, c, limit); err != nil {
		return nil, err
	}
	return g.f.reader.RowGroup(g.i).Column(g.f.cols[col])
}

// chunk locates the chunk of a column.
func (g *rowGroup) chunk(col string) (chunk, error) {
	leaf := g.f.cols[col]
	m, err := g.meta.ColumnChunk(leaf)
	if err != nil {
		return chunk{}, err
	}
	c, err := chunkOf(m, g.f.reader.MetaData().Schema.Column(leaf).MaxDefinitionLevel() > 0, g.f.src.size())
	if err != nil {
		return chunk{}, err
	}
	// A flat column has a value a row; a list has at least one level a row, and maxDims elements at most.
	most := int64(g.rows)
	if col == colShape {
		most *= maxDims
	}
	if n := m.NumValues(); n < int64(g.rows) || n > most {
		return chunk{}, fmt.Errorf("%w: column %s has %d values in %d rows", ErrCorrupt, col, n, g.rows)
	}
	return c, nil
}

// binary calls row with every value of a binary column, nil for a null, until row returns false. The bytes are valid
// only during the call.
func (g *rowGroup) binary(col string, limit int64, row func(i int, v []byte) (bool, error)) error {
	r, err := g.open(col, limit)
	if err != nil {
		return err
	}
	br := r.(*file.ByteArrayColumnChunkReader)
	maxDef := br.Descriptor().MaxDefinitionLevel()
	size := min(readBatch, g.rows)
	vals, def := make([]parquet.ByteArray, size), make([]int16, size)
	for i := 0; i < g.rows; {
		// Values point into the page that was read last, so a batch must not run over a page's end.
		n, got, err := br.ReadBatchInPage(int64(min(size, g.rows-i)), vals, def, nil)
		if err != nil {
			return err
		}
		if n <= 0 {
			return fmt.Errorf("%w: column %s ends at row %d of %d", ErrCorrupt, col, i, g.rows)
		}
		k := 0
		for j := range int(n) {
			var v []byte
			if maxDef == 0 || def[j] == maxDef {
				if k >= got {
					return fmt.Errorf("%w: column %s lacks values", ErrCorrupt, col)
				}
				v = vals[k]
				if v == nil {
					v = []byte{}
				}
				k++
			}
			if more, err := row(i, v); err != nil || !more {
				return err
			}
			i++
		}
	}
	return nil
}

// texts reads a column of short strings. A null is an error.
func (g *rowGroup) texts(col string) ([]string, error) {
	out := make([]string, g.rows)
	err := g.binary(col, maxIndexBytes, func(i int, v []byte) (bool, error) {
		if v == nil || len(v) > maxCellBytes {
			return false, fmt.Errorf("%w: row %d has no usable %s", ErrCorrupt, i, col)
		}
		out[i] = string(v)
		return true, nil
	})
	return out, err
}

// int32s reads a flat column of integers; null gives absent.
func (g *rowGroup) int32s(col string, absent int32) ([]int32, error) {
	r, err := g.open(col, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	ir := r.(*file.Int32ColumnChunkReader)
	return flatNumbers(g, col, ir.Descriptor().MaxDefinitionLevel(), absent, ir.ReadBatchInPage)
}

// int64s reads a flat column of integers; null gives absent.
func (g *rowGroup) int64s(col string, absent int64) ([]int64, error) {
	r, err := g.open(col, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	ir := r.(*file.Int64ColumnChunkReader)
	return flatNumbers(g, col, ir.Descriptor().MaxDefinitionLevel(), absent, ir.ReadBatchInPage)
}

// float64s reads a flat column of numbers; null gives 0.
func (g *rowGroup) float64s(col string) ([]float64, error) {
	r, err := g.open(col, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	fr := r.(*file.Float64ColumnChunkReader)
	return flatNumbers(g, col, fr.Descriptor().MaxDefinitionLevel(), 0, fr.ReadBatchInPage)
}

func flatNumbers[T int32 | int64 | float64](g *rowGroup, col string, maxDef int16, absent T, read func(int64, []T, []int16, []int16) (int64, int, error)) ([]T, error) {
	out := make([]T, 0, g.rows)
	size := min(readBatch, g.rows)
	vals, def := make([]T, size), make([]int16, size)
	for len(out) < g.rows {
		n, got, err := read(int64(min(size, g.rows-len(out))), vals, def, nil)
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			return nil, fmt.Errorf("%w: column %s ends at row %d of %d", ErrCorrupt, col, len(out), g.rows)
		}
		k := 0
		for j := range int(n) {
			if maxDef > 0 && def[j] < maxDef {
				out = append(out, absent)
				continue
			}
			if k >= got {
				return nil, fmt.Errorf("%w: column %s lacks values", ErrCorrupt, col)
			}
			out = append(out, vals[k])
			k++
		}
	}
	return out, nil
}

// shapes reads the list column of the dimensions. A null or empty list is a scalar.
func (g *rowGroup) shapes() ([][]int, error) {
	r, err := g.open(colShape, maxIndexBytes)
	if err != nil {
		return nil, err
	}
	ir := r.(*file.Int32ColumnChunkReader)
	maxDef := ir.Descriptor().MaxDefinitionLevel()
	out := make([][]int, 0, g.rows)
	size := min(readBatch, g.rows*maxDims)
	vals, def, rep := make([]int32, size), make([]int16, size), make([]int16, size)
	for {
		n, got, err := ir.ReadBatchInPage(int64(size), vals, def, rep)
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		k := 0
		for j := range int(n) {
			if rep[j] == 0 {
				out = append(out, []int{})
			}
			if def[j] < maxDef {
				continue
			}
			if k >= got || len(out) == 0 || len(out) > g.rows {
				return nil, fmt.Errorf("%w: column shape does not fit its rows", ErrCorrupt)
			}
			out[len(out)-1] = append(out[len(out)-1], int(vals[k]))
			k++
		}
	}
	if len(out) != g.rows {
		return nil, fmt.Errorf("%w: column shape has %d rows of %d", ErrCorrupt, len(out), g.rows)
	}
	return out, nil
}
