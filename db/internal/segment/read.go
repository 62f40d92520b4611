package segment

import (
	"context"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"engram/db/internal/row"
)

// Absent is the value Scan passes for a column that did not exist when the segment was written.
var Absent any = absent{}

type absent struct{}

// selection is a choice of columns, resolved for this segment.
type selection struct {
	scalars []int // positions among the sidecar's columns
	place   []int // where each of them goes
	vectors []*VectorColumn
	vplace  []int
	absent  []int
	values  []any // scratch for the scalars
}

func (s *Segment) choose(want []uint32, sel *selection) {
	for i, id := range want {
		p, ok := s.columns[id]
		switch {
		case !ok:
			sel.absent = append(sel.absent, i)
		case p.scalar >= 0:
			sel.scalars = append(sel.scalars, p.scalar)
			sel.place = append(sel.place, i)
		default:
			sel.vectors = append(sel.vectors, s.vectors[p.vector])
			sel.vplace = append(sel.vplace, i)
		}
	}
	if cap(sel.values) < len(sel.scalars) {
		sel.values = make([]any, len(sel.scalars))
	}
	sel.values = sel.values[:len(sel.scalars)]
}

// decode reads the chosen scalars of an encoded row into dst.
func (sel *selection) decode(s *Segment, b []byte, dst []any) error {
	clear(sel.values)
	if err := row.Decode(b, s.layout.scalar, sel.scalars, sel.values); err != nil {
		return err
	}
	for i, p := range sel.place {
		dst[p] = sel.values[i]
	}
	return nil
}

// Row reads one row: dst[i] receives the value of column want[i], nil for NULL. An element whose column did not exist when the
// segment was written is left untouched. The values are the caller's own. An ord beyond the last row is an error.
func (s *Segment) Row(ord uint32, want []uint32, dst []any) error {
	if int64(ord) >= int64(s.Rows()) {
		return fmt.Errorf("segment: %s: row %d of %d", s.base, ord, s.Rows())
	}
	if len(dst) < len(want) {
		return fmt.Errorf("segment: %d places for %d columns", len(dst), len(want))
	}
	var room struct {
		scalars, place, vplace, absent [16]int
		vectors                        [4]*VectorColumn
		values                         [16]any
	}
	sel := selection{scalars: room.scalars[:0], place: room.place[:0], vectors: room.vectors[:0], vplace: room.vplace[:0],
		absent: room.absent[:0], values: room.values[:0]}
	s.choose(want, &sel)
	if len(sel.scalars) > 0 {
		i := s.ix.blockOf(ord)
		b, err := s.cachedBlock(i)
		if err != nil {
			return err
		}
		if err := sel.decode(s, b.row(int(ord-s.ix.blocks[i].firstOrd)), dst); err != nil {
			return s.badRow(ord, err)
		}
	}
	for i, v := range sel.vectors {
		dst[sel.vplace[i]] = nil
		if x, ok := v.At(ord); ok {
			dst[sel.vplace[i]] = append([]float32(nil), x...)
		}
	}
	return nil
}

func (s *Segment) badRow(ord uint32, err error) error {
	return fmt.Errorf("%w: %s: row %d: %w", ErrCorrupt, rowsPath(s.base), ord, err)
}

// Scan calls f for each row from ord from on, in order, without touching the cache. values is reused and its vectors alias the
// mapped file: they are valid until f returns. A column that did not exist when the segment was written has the value Absent.
// An error of f ends the scan and is returned as it is.
func (s *Segment) Scan(ctx context.Context, from uint32, want []uint32, f func(ord uint32, id uint64, values []any) error) error {
	rows := uint32(s.Rows())
	if from >= rows {
		return ctx.Err()
	}
	var sel selection
	s.choose(want, &sel)
	values := make([]any, len(want))
	for _, i := range sel.absent {
		values[i] = Absent
	}
	var scratch, into []byte
	var b *block
	next := uint32(0) // first row after block b
	k := s.ix.blockOf(from)
	for ord := from; ord < rows; ord++ {
		if ord%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(sel.scalars) > 0 {
			if b == nil || ord == next {
				if b != nil {
					k++
				}
				var err error
				if b, scratch, err = s.readBlock(k, scratch, into); err != nil {
					return err
				}
				into, next = b.raw, s.ix.blocks[k].firstOrd+s.ix.blocks[k].rows
			}
			if err := sel.decode(s, b.row(int(ord-s.ix.blocks[k].firstOrd)), values); err != nil {
				return s.badRow(ord, err)
			}
		}
		for i, v := range sel.vectors {
			values[sel.vplace[i]] = nil
			if x, ok := v.At(ord); ok {
				values[sel.vplace[i]] = x
			}
		}
		if err := f(ord, s.RowID(ord), values); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Verify reads every byte and checks every checksum, and that every row decodes. A broken sidecar can be made anew with Rebuild;
// a broken Parquet file cannot.
func (s *Segment) Verify(ctx context.Context) error {
	if err := s.verifyParquet(ctx); err != nil {
		return err
	}
	fresh, err := readIndex(s.rows, s.size) // the file's index, not the one in memory
	if err != nil {
		return fmt.Errorf("segment: %s: %w", rowsPath(s.base), err)
	}
	if len(fresh.blocks) != len(s.ix.blocks) {
		return fmt.Errorf("segment: %s: %w", rowsPath(s.base), corrupt("it has changed since it was opened"))
	}
	var all []uint32
	for _, c := range s.layout.scalar {
		all = append(all, c.ID)
	}
	if len(all) > 0 {
		return s.Scan(ctx, 0, all, func(uint32, uint64, []any) error { return nil })
	}
	for i := range s.ix.blocks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, _, err := s.readBlock(i, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *Segment) verifyParquet(ctx context.Context) error {
	const step = 4 << 20
	sum := xxhash.New()
	for rest := s.parquet.data; len(rest) > 0; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n := min(step, len(rest))
		sum.Write(rest[:n])
		rest = rest[n:]
	}
	if sum.Sum64() != s.ix.footer.ParquetSum {
		return fmt.Errorf("segment: %s: %w", parquetPath(s.base), corrupt("checksum"))
	}
	return nil
}
