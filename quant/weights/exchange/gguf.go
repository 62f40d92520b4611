package exchange

import (
	"fmt"
	"math"

	"engram/quant"
	"engram/quant/weights"
)

// GGUF is a file of llama.cpp and its kin, versions 2 and 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
type GGUF struct {
	parts
	metadata map[string]any
}

// Limits on what describes a GGUF file.
const (
	maxGGUFKeys     = 1 << 16
	maxGGUFElements = 1 << 22 // of all arrays together; the largest vocabulary known has 256 thousand pieces
	maxGGUFText     = 1 << 24 // bytes of one text; chat templates are long
	maxGGUFNesting  = 4
)

// ggmlType is how numbers lie in a GGUF tensor: in blocks of so many elements and so many bytes.
type ggmlType struct {
	name         string
	block, bytes int
	dtype        weights.DType // of what Read gives; 0: named but not read
}

const (
	ggmlF32  = 0
	ggmlF16  = 1
	ggmlQ4_0 = 2
	ggmlQ8_0 = 8
	ggmlI8   = 24
	ggmlI16  = 25
	ggmlI32  = 26
	ggmlI64  = 27
	ggmlF64  = 28
)

var ggmlTypes = map[uint32]ggmlType{
	ggmlF32: {"F32", 1, 4, weights.Float32}, ggmlF16: {"F16", 1, 2, weights.Float16}, 30: {"BF16", 1, 2, weights.BFloat16},
	ggmlQ4_0: {"Q4_0", 32, 18, weights.Float32}, ggmlQ8_0: {"Q8_0", 32, 34, weights.Float32},
	ggmlI8: {"I8", 1, 1, weights.Int8}, ggmlI16: {"I16", 1, 2, weights.Int16}, ggmlI32: {"I32", 1, 4, weights.Int32},
	ggmlI64: {"I64", 1, 8, weights.Int64}, ggmlF64: {"F64", 1, 8, weights.Float64},
	3: {"Q4_1", 32, 20, 0}, 6: {"Q5_0", 32, 22, 0}, 7: {"Q5_1", 32, 24, 0}, 10: {"Q2_K", 256, 84, 0}, 11: {"Q3_K", 256, 110, 0},
	12: {"Q4_K", 256, 144, 0}, 13: {"Q5_K", 256, 176, 0}, 14: {"Q6_K", 256, 210, 0}, 15: {"Q8_K", 256, 292, 0},
}

// cursor reads numbers and texts from bytes. The first thing that does not fit sets err, after which all reads give 0.
type cursor struct {
	b     []byte
	at    int
	spent int // elements of arrays that have been read
	err   error
}

func (c *cursor) fail(kind error, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: at byte %d: %s", kind, c.at, fmt.Sprintf(format, args...))
	}
}

// take is the next n bytes.
func (c *cursor) take(n int) []byte {
	if c.err != nil || n < 0 || n > len(c.b)-c.at {
		c.fail(weights.ErrCorrupt, "the file ends early")
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at : c.at]
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return le.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return le.Uint64(b)
	}
	return 0
}

// count reads how many of something there are, each of which takes least bytes or more.
func (c *cursor) count(what string, least int, most uint64) int {
	n := c.u64()
	switch {
	case c.err != nil:
		return 0
	case n > uint64(len(c.b)-c.at)/uint64(least):
		c.fail(weights.ErrCorrupt, "%d %s in %d bytes", n, what, len(c.b)-c.at)
		return 0
	case n > most:
		c.fail(weights.ErrTooLarge, "%d %s, at most %d", n, what, most)
		return 0
	}
	return int(n)
}

func (c *cursor) text() string { return string(c.take(c.count("bytes of text", 1, maxGGUFText))) }

// value reads a metadata value of a type.
func (c *cursor) value(kind uint32, depth int) any {
	switch kind {
	case 0, 1, 7:
		b := c.take(1)
		if b == nil {
			return nil
		}
		switch kind {
		case 0:
			return b[0]
		case 1:
			return int8(b[0])
		}
		return b[0] != 0
	case 2, 3:
		b := c.take(2)
		if b == nil {
			return nil
		}
		if kind == 2 {
			return le.Uint16(b)
		}
		return int16(le.Uint16(b))
	case 4:
		return c.u32()
	case 5:
		return int32(c.u32())
	case 6:
		return math.Float32frombits(c.u32())
	case 8:
		return c.text()
	case 9:
		return c.array(depth)
	case 10:
		return c.u64()
	case 11:
		return int64(c.u64())
	case 12:
		return math.Float64frombits(c.u64())
	}
	c.fail(weights.ErrCorrupt, "metadata of type %d", kind)
	return nil
}

// array reads an array: of texts as []string, of float32 as []float32, of int32 as []int32, of others as []any.
func (c *cursor) array(depth int) any {
	kind := c.u32()
	least := map[uint32]int{2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 8: 8, 9: 12, 10: 8, 11: 8, 12: 8}[kind]
	n := c.count("elements", max(least, 1), maxGGUFElements)
	if c.spent += n; c.spent > maxGGUFElements || depth >= maxGGUFNesting {
		c.fail(weights.ErrTooLarge, "arrays of more than %d elements or %d deep", maxGGUFElements, maxGGUFNesting)
		return nil
	}
	switch kind {
	case 5:
		return repeat(c, n, func() int32 { return int32(c.u32()) })
	case 6:
		return repeat(c, n, func() float32 { return math.Float32frombits(c.u32()) })
	case 8:
		return repeat(c, n, c.text)
	}
	return repeat(c, n, func() any { return c.value(kind, depth+1) })
}

// repeat reads n elements, which count has found to fit.
func repeat[T any](c *cursor, n int, one func() T) []T {
	out := make([]T, 0, n)
	for range n {
		if out = append(out, one()); c.err != nil {
			return nil
		}
	}
	return out
}

// ReadGGUF reads a GGUF file that lies in memory. b must not change while the result is used; of big tensors it is all
// there is. Blocks of Q8_0 and Q4_0 are read as the float32 numbers that they stand for; other blocks (Q4_K and so on) are
// listed, and Read refuses them.
func ReadGGUF(b []byte, o *Options) (*GGUF, error) {
	c := &cursor{b: b}
	if string(c.take(4)) != "GGUF" {
		return nil, fmt.Errorf("%w: no mark of GGUF", weights.ErrFormat)
	}
	if v := c.u32(); v != 2 && v != 3 {
		return nil, fmt.Errorf("%w: GGUF version %d, 2 and 3 are read (a large number: big-endian)", weights.ErrUnsupported, v)
	}
	g := &GGUF{parts: parts{format: FormatGGUF}, metadata: map[string]any{}}
	tensors := c.count("tensors", 24, maxTensors)
	for range c.count("metadata keys", 13, maxGGUFKeys) {
		key := c.text()
		if _, twice := g.metadata[key]; twice {
			c.fail(weights.ErrCorrupt, "metadata key %.80q twice", key)
		}
		g.metadata[key] = c.value(c.u32(), 0)
		if c.err != nil {
			return nil, c.err
		}
	}
	type placed struct {
		part
		kind   ggmlType
		offset uint64
	}
	list := make([]placed, 0, tensors)
	for range tensors {
		p := placed{part: part{Info: Info{Name: c.text(), Shape: []int{}}}}
		dims := int(c.u32())
		if dims > maxDims {
			c.fail(weights.ErrCorrupt, "%d dimensions", dims)
		}
		for i := 0; i < dims && c.err == nil; i++ { // innermost first
			p.Shape = append([]int{clampInt(int64(min(c.u64(), math.MaxInt64)))}, p.Shape...)
		}
		kind := c.u32()
		var ok bool
		if p.kind, ok = ggmlTypes[kind]; !ok && c.err == nil {
			c.err = fmt.Errorf("%w: tensor %q of type %d", weights.ErrUnsupported, p.Name, kind)
		}
		p.Type, p.DType, p.offset = p.kind.name, p.kind.dtype, c.u64()
		if list = append(list, p); c.err != nil {
			return nil, c.err
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	align := uint64(32)
	if v, ok := g.metadata["general.alignment"]; ok {
		a, ok := v.(uint32)
		if align = uint64(a); !ok || a == 0 || a&(a-1) != 0 || a > 1<<20 {
			return nil, fmt.Errorf("%w: alignment of %v", weights.ErrCorrupt, v)
		}
	}
	start := (uint64(c.at) + align - 1) &^ (align - 1)
	for _, p := range list {
		if err := g.place(p.part, p.kind, start, p.offset, b, o.limit()); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// place adds a tensor whose data lies at an offset of the data section.
func (g *GGUF) place(p part, kind ggmlType, start, offset uint64, b []byte, limit int64) error {
	n, err := count(p.Shape, limit/4)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", p.Name, err)
	}
	row := 1
	if len(p.Shape) > 0 {
		row = p.Shape[len(p.Shape)-1]
	}
	if row%kind.block != 0 {
		return fmt.Errorf("%w: tensor %q has rows of %d in blocks of %d", weights.ErrCorrupt, p.Name, row, kind.block)
	}
	size := uint64(n / kind.block * kind.bytes)
	if end := uint64(len(b)); start > end || offset > end-start || size > end-start-offset {
		return fmt.Errorf("%w: tensor %q of %d bytes at %d lies outside the file", weights.ErrCorrupt, p.Name, size, offset)
	}
	p.data = b[start+offset : start+offset+size]
	switch kind.name {
	case "Q8_0":
		p.decode = func(data []byte, n int) ([]byte, error) { return weights.Float32Bytes(decodeQ8(data, n)), nil }
	case "Q4_0":
		p.decode = func(data []byte, n int) ([]byte, error) { return weights.Float32Bytes(decodeQ4(data, n)), nil }
	}
	return g.add(p, limit)
}

// ggmlBlock is how many elements share a scale in Q8_0 and Q4_0.
const ggmlBlock = 32

// decodeQ8 reads blocks of a half, the scale, and 32 signed bytes. place has compared the lengths.
func decodeQ8(b []byte, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		block := b[i/ggmlBlock*34:]
		out[i] = float32(int8(block[2+i%ggmlBlock])) * quant.FromHalf(le.Uint16(block))
	}
	return out
}

// decodeQ4 reads blocks of a half, the scale, and 16 bytes: their low halves are the first 16 codes, their high halves the
// rest, each 8 above what it means.
func decodeQ4(b []byte, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		block, k := b[i/ggmlBlock*18:], i%ggmlBlock
		code := block[2+k%16] >> (k / 16 * 4) & 15
		out[i] = float32(int(code)-8) * quant.FromHalf(le.Uint16(block))
	}
	return out
}

// Metadata is what the file says of itself and its tokenizer ("tokenizer.ggml.tokens" and so on): numbers of Go's types by
// their sizes, bool, string; arrays as []string, []float32, []int32, else []any. The caller must not change it.
func (g *GGUF) Metadata() map[string]any { return g.metadata }
