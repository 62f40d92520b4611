package weights

import (
	"fmt"
	"hash/crc32"
	"slices"

	"engram/quant"
)

// rawLayer is the bytes of a layer as they lie in the file.
type rawLayer struct {
	data, scales, zeros []byte
	mapped              bool // data lies in the map
}

// Float32 returns the values of a layer in C order, dequantized where it holds codes. shape, where given, is what the
// layer must have; ErrShape says it has another. mapped says that the values lie in the mapped file: such a slice is
// read-only and lasts until Close. Otherwise the slice is the caller's.
//
// The checksum of the layer is verified when the file has one.
func (f *File) Float32(name string, shape ...int) (values []float32, mapped bool, err error) {
	l, err := f.find(name)
	if err != nil {
		return nil, false, err
	}
	if shape != nil && !slices.Equal(shape, l.Shape) {
		return nil, false, fmt.Errorf("%w: layer %q in %s is %v, the model needs %v", ErrShape, name, f.path, l.Shape, shape)
	}
	err = f.use(l, func(raw *rawLayer) error {
		switch {
		case l.quantized():
			values, err = dequantize(l, raw)
			return err
		case valueType(l, len(raw.data)) == Float32:
			if v, ok := asFloat32(raw.data); ok {
				values, mapped = v, raw.mapped
				return nil
			}
		}
		values, err = toFloat32(valueType(l, len(raw.data)), raw.data)
		return err
	})
	return values, mapped, err
}

// Tensor returns a layer as it lies in the file: for V1 its elements, for a quantized layer its codes. mapped is as for
// Float32.
func (f *File) Tensor(name string) (t *Tensor, mapped bool, err error) {
	l, err := f.find(name)
	if err != nil {
		return nil, false, err
	}
	err = f.use(l, func(raw *rawLayer) error {
		t = &Tensor{Name: l.Name, Shape: slices.Clone(l.Shape), DType: valueType(l, len(raw.data)), Data: raw.data}
		mapped = raw.mapped
		return nil
	})
	return t, mapped, err
}

// Verify reads every layer, compares its checksum where the file has one, and its length with its shape.
func (f *File) Verify() error {
	for i := range f.layers {
		if err := f.use(&f.layers[i], func(*rawLayer) error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) find(name string) (*Layer, error) {
	i, ok := f.byName[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q in %s", ErrNoLayer, name, f.path)
	}
	return &f.layers[i], nil
}

// use reads a layer, checks it and hands it to do, while the file cannot be closed.
func (f *File) use(l *Layer, do func(*rawLayer) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return fmt.Errorf("%w: %s", ErrClosed, f.path)
	}
	err := guard(func() error {
		raw, err := f.read(f.rows[f.byName[l.Name]], l)
		if err != nil {
			return err
		}
		return do(raw)
	})
	if err != nil {
		return fmt.Errorf("%s: layer %q: %w", f.path, l.Name, err)
	}
	return nil
}

// read gets the bytes of a layer and checks their length and checksum.
func (f *File) read(ref rowRef, l *Layer) (*rawLayer, error) {
	meta := f.reader.MetaData().RowGroup(ref.group)
	g := &rowGroup{f: f, i: ref.group, meta: meta, rows: int(meta.NumRows())}
	raw := &rawLayer{}
	var err error
	if raw.data, raw.mapped, err = g.data(ref.row); err != nil {
		return nil, err
	}
	if l.quantized() {
		if raw.scales, err = g.cell(colScales, ref.row); err != nil {
			return nil, err
		}
		if raw.zeros, err = g.cell(colZeroPoints, ref.row); err != nil {
			return nil, err
		}
	}
	if least, most := l.dataBytes(); len(raw.data) < least || len(raw.data) > most {
		return nil, fmt.Errorf("%w: %d bytes of data; shape %v of %v needs %d", ErrCorrupt, len(raw.data), l.Shape, l.DType, least)
	}
	if ref.crc >= 0 {
		crc := crc32.Checksum(raw.data, castagnoli)
		if l.quantized() {
			crc = crc32.Update(crc32.Update(crc, castagnoli, raw.scales), castagnoli, raw.zeros)
		}
		if int64(crc) != ref.crc {
			return nil, fmt.Errorf("%w: checksum is %08x, should be %08x", ErrCorrupt, crc, ref.crc)
		}
	}
	return raw, nil
}

// data reads the data of a row: in place where it lies plain, else by decoding.
func (g *rowGroup) data(row int) (b []byte, mapped bool, err error) {
	if g.rows == 1 {
		c, err := g.chunk(colData)
		if err != nil {
			return nil, false, err
		}
		off, n, ok, err := plainValue(g.f.src, c)
		if err != nil {
			return nil, false, err
		}
		if ok {
			b, err = g.f.src.slice(off, n)
			return b, g.f.src.mapped(), err
		}
	}
	b, err = g.cell(colData, row)
	return b, false, err
}

// cell decodes one binary value of a row group and copies it. Null is an error.
func (g *rowGroup) cell(col string, row int) ([]byte, error) {
	var out []byte
	// Pages of a shared row group may hold several tensors; the page header check bounds each by what is really there.
	err := g.binary(col, max(g.f.limit, maxIndexBytes), func(i int, v []byte) (bool, error) {
		if i < row {
			return true, nil
		}
		if v == nil {
			return false, fmt.Errorf("%w: column %s is null", ErrCorrupt, col)
		}
		out = slices.Clone(v)
		return false, nil
	})
	return out, err
}

// valueType is the type of the elements in the data of a layer that is not quantized. The quant_type of V2 rules over
// the dtype, which some writers leave as it was before; and bfloat16 of four bytes is float32, see Layer.dataBytes.
func valueType(l *Layer, dataLen int) DType {
	switch {
	case l.Quant == QuantFP16:
		return Float16
	case l.Quant == QuantFP32:
		return Float32
	case l.Quant == QuantInt8:
		return Int8
	case l.quantized():
		return Uint8
	case l.DType == BFloat16 && l.Params > 0 && dataLen == l.Params*4:
		return Float32
	}
	return l.DType
}

// Quantized returns the codes of a quantized layer as a matrix: all dimensions of the shape but the first make the
// columns. shape is as for Float32. mapped says that the codes lie in the mapped file: they are read-only and last until
// Close. Scales and zero points are always the caller's; zero points that are all 0 give nil and a symmetric scheme.
// ErrUnsupported says that the layer holds plain values.
func (f *File) Quantized(name string, shape ...int) (q *quant.Quantized, mapped bool, err error) {
	l, err := f.find(name)
	if err != nil {
		return nil, false, err
	}
	if shape != nil && !slices.Equal(shape, l.Shape) {
		return nil, false, fmt.Errorf("%w: layer %q in %s is %v, the model needs %v", ErrShape, name, f.path, l.Shape, shape)
	}
	if !l.quantized() {
		return nil, false, fmt.Errorf("%w: layer %q in %s holds no codes but %v", ErrUnsupported, name, f.path, l.DType)
	}
	err = f.use(l, func(raw *rawLayer) error {
		mapped = raw.mapped
		q, err = quantized(l, raw)
		return err
	})
	return q, mapped, err
}

// quantized puts the parts of a quantized layer together and checks that they fit.
func quantized(l *Layer, raw *rawLayer) (*quant.Quantized, error) {
	want, err := l.scaleCount()
	if err != nil {
		return nil, err
	}
	if len(raw.scales) != want*4 || (len(raw.zeros) != want*4 && len(raw.zeros) != 0) {
		return nil, fmt.Errorf("%w: %d bytes of scales and %d of zero points; shape %v needs %d", ErrCorrupt,
			len(raw.scales), len(raw.zeros), l.Shape, want*4)
	}
	q := &quant.Quantized{Codes: raw.data}
	q.Scheme, _ = l.Scheme()
	q.Rows, q.Cols = l.matrix()
	if q.Scales, err = toFloat32(Float32, raw.scales); err != nil {
		return nil, err
	}
	if q.Zeros, err = toFloat32(Float32, raw.zeros); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(q.Zeros, func(z float32) bool { return z != 0 }) {
		q.Zeros, q.Scheme.Symmetric = nil, true
	}
	if l.GroupSize > l.Params && l.Params > 0 { // one group, whatever the writer called its size
		q.Scheme.GroupSize = l.Params
	}
	if err := q.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return q, nil
}

// dequantize computes (q - zero_point) * scale for every code.
func dequantize(l *Layer, raw *rawLayer) ([]float32, error) {
	q, err := quantized(l, raw)
	if err != nil {
		return nil, err
	}
	out := make([]float32, l.Params)
	q.Dequantize(out)
	return out, nil
}
