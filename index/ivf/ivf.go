package ivf

import (
	"fmt"

	"engram/accel"
	"engram/index"
	"engram/index/internal/sections"
	"engram/quant"
)

// Index is an inverted file. It may be searched by many goroutines at once.
type Index struct {
	metric  accel.Metric
	rows    *index.Rows
	n       int
	codes   *quant.RaBitQ // nil: too few rows for lists, or none has a code
	longest float32       // squared length of every row in the space of InnerProduct
	reach   float32       // how much farther than the nearest a centroid may be: see walker.enough
	// centroids of the lists, turned, one after the other.
	centroids []float32
	root      coded // the centroids as one list
	lists     coded
	parts     []sections.Part // of the file it was opened from
	odd       []uint32        // rows without a code, in order: they are not finite, or have no direction where only that counts
}

// Len is how many rows the index covers.
func (x *Index) Len() int { return x.n }

// Metric is what rows are compared by.
func (x *Index) Metric() accel.Metric { return x.metric }

// centroid is the centroid of a list, turned.
func (x *Index) centroid(list int) []float32 {
	dim := x.codes.Dim()
	return x.centroids[list*dim : (list+1)*dim]
}

// Lists is how many lists there are, 0 if rows are compared exactly.
func (x *Index) Lists() int { return x.lists.count() }

// Bytes is what the index takes beside the vectors.
func (x *Index) Bytes() int64 {
	if x.codes == nil {
		return 0
	}
	return x.root.bytes() + x.lists.bytes() + 4*int64(len(x.centroids)+len(x.odd)+x.codes.Dim())
}

// Describe says in a line what the index is.
func (x *Index) Describe() string {
	if x.codes == nil {
		return fmt.Sprintf("ivf: %d rows, compared exactly", x.n)
	}
	return fmt.Sprintf("ivf: %d rows in %d lists, the longest of %d, codes of 1 and 4 bits for %d dimensions",
		x.n, x.Lists(), x.lists.longest(), x.codes.Dim())
}

// coded is lists of rows coded around points. The codes of a list of m rows are ceil(m/32) blocks; records and ords have no gaps.
type coded struct {
	starts  []uint32 // where the rows of each list begin, and the end of the last
	blocks  []uint32 // where the blocks of each list begin, likewise; follows from starts
	ords    []uint32 // a row
	codes   []byte   // a block
	factors []float32
	records []byte // a row
	limit   uint32 // ords are below it
}

// plan makes room for lists of these sizes.
func (c *coded) plan(codes *quant.RaBitQ, sizes []int, limit int) {
	c.limit = uint32(limit)
	c.starts = make([]uint32, 1, len(sizes)+1)
	for _, m := range sizes {
		c.starts = append(c.starts, c.starts[len(c.starts)-1]+uint32(m))
	}
	c.count32()
	rows, blocks := c.total()
	c.ords = make([]uint32, rows)
	c.codes = make([]byte, blocks*codes.BlockSize())
	c.factors = make([]float32, blocks*accel.ScanFactors)
	c.records = make([]byte, rows*codes.RecordSize())
}

// count32 fills blocks from starts.
func (c *coded) count32() {
	c.blocks = make([]uint32, 1, len(c.starts))
	for l := range c.count() {
		from, to := c.span(l)
		c.blocks = append(c.blocks, c.blocks[l]+uint32(blocksOf(to-from)))
	}
}

func blocksOf(rows int) int { return (rows + accel.ScanRows - 1) / accel.ScanRows }

func (c *coded) count() int { return max(0, len(c.starts)-1) }

func (c *coded) span(list int) (from, to int) { return int(c.starts[list]), int(c.starts[list+1]) }

// total is how many rows and blocks there are.
func (c *coded) total() (rows, blocks int) {
	return int(c.starts[len(c.starts)-1]), int(c.blocks[len(c.blocks)-1])
}

func (c *coded) longest() int {
	most := 0
	for l := range c.count() {
		from, to := c.span(l)
		most = max(most, to-from)
	}
	return most
}

func (c *coded) bytes() int64 {
	return int64(len(c.codes)+len(c.records)) + 4*int64(len(c.starts)+len(c.blocks)+len(c.ords)+len(c.factors))
}

// set codes row number i of a list, whose ord is ord, around near; both are turned.
func (c *coded) set(codes *quant.RaBitQ, list, i int, ord uint32, v, near []float32) {
	from, _ := c.span(list)
	block := int(c.blocks[list]) + i/accel.ScanRows
	size, record := codes.BlockSize(), codes.RecordSize()
	c.ords[from+i] = ord
	codes.Encode(v, near, c.codes[block*size:(block+1)*size], i%accel.ScanRows, c.factors[block*accel.ScanFactors:(block+1)*accel.ScanFactors],
		c.records[(from+i)*record:(from+i+1)*record])
}
