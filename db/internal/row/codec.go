package row

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// ErrCorrupt is wrapped by Decode's errors.
var ErrCorrupt = errors.New("row: corrupt encoding")

// A row is a version byte followed by one field per column, in ascending order of column ID. A field is a tag, the uvarint
// (ID difference << 3 | wire), and a payload whose length the wire form alone tells, so that a reader skips columns it does
// not know. A column the row was written without has no field; NULL has one.
const (
	version = 1

	wireNull  = 0 // no payload
	wireFalse = 1 // no payload
	wireTrue  = 2 // no payload
	wireInt   = 3 // zigzag varint
	wire4     = 4 // 4 bytes, little endian
	wire8     = 5 // 8 bytes, little endian
	wireBytes = 6 // uvarint length and that many bytes
	wire16    = 7 // 16 bytes
)

// MaxVectorDim is the length of the longest vector and halfvec.
const MaxVectorDim = 16000

// Append appends the encoding of a row to dst and returns the longer slice. values are in the order of cols, each in its kind's
// Go form or nil; a value of another form is an error, and dst then keeps its length.
func Append(dst []byte, cols []Column, values []any) ([]byte, error) {
	if len(values) != len(cols) {
		return dst, fmt.Errorf("row: %d values for %d columns", len(values), len(cols))
	}
	start := len(dst)
	dst = append(dst, version)
	prev := int64(-1)
	for _, i := range byID(cols) {
		id := int64(cols[i].ID)
		if id == prev {
			return dst[:start], fmt.Errorf("row: two columns have ID %d", id)
		}
		wire, err := wireOf(cols[i].Type, values[i])
		if err == nil {
			dst = binary.AppendUvarint(dst, uint64(id-prev)<<3|wire)
			dst, err = appendPayload(dst, cols[i].Type, values[i])
		}
		if err != nil {
			return dst[:start], fmt.Errorf("row: column %q: %w", cols[i].Name, err)
		}
		prev = id
	}
	return dst, nil
}

// byID gives the positions of cols in ascending order of ID. Tables nearly always have that order already.
func byID(cols []Column) []int {
	order := make([]int, len(cols))
	sorted := true
	for i := range cols {
		order[i] = i
		sorted = sorted && (i == 0 || cols[i-1].ID < cols[i].ID)
	}
	if !sorted {
		sort.SliceStable(order, func(a, b int) bool { return cols[order[a]].ID < cols[order[b]].ID })
	}
	return order
}

// wireOf chooses the wire form of a value and checks that its Go form is that of its kind.
func wireOf(t Type, v any) (uint64, error) {
	ok, wire := false, uint64(wireBytes)
	switch t.Kind {
	case Bool:
		var b bool
		b, ok = v.(bool)
		wire = wireFalse
		if b {
			wire = wireTrue
		}
	case Int2, Int4, Int8:
		_, ok = v.(int64)
		wire = wireInt
	case Date:
		_, ok = v.(int32)
		wire = wireInt
	case Time, Timestamp, Timestamptz:
		_, ok = v.(int64)
		wire = wire8
	case Float4:
		_, ok = v.(float32)
		wire = wire4
	case Float8:
		_, ok = v.(float64)
		wire = wire8
	case UUID:
		_, ok = v.([16]byte)
		wire = wire16
	case Numeric, Text, Varchar, Char, Bytea, IntervalK, JSON, JSONB, Vector, Halfvec, Bit, Varbit, Array:
		ok = hasBytesForm(t.Kind, v)
	}
	if v == nil && t.known() {
		return wireNull, nil
	}
	if !ok {
		return 0, typeError(t, v)
	}
	return wire, nil
}

// known tells whether the kind is one of the constants.
func (t Type) known() bool {
	if t.Kind == Array {
		return t.Elem != Array && (Type{Kind: t.Elem}).known()
	}
	_, ok := kindNames[t.Kind]
	return ok
}

// appendPayload appends what follows the tag; the value's form has been checked by wireOf.
func appendPayload(dst []byte, t Type, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil, bool:
		return dst, nil
	case int64:
		if t.Kind == Time || t.Kind == Timestamp || t.Kind == Timestamptz {
			return binary.LittleEndian.AppendUint64(dst, uint64(x)), nil
		}
		return binary.AppendVarint(dst, x), nil
	case int32:
		return binary.AppendVarint(dst, int64(x)), nil
	case float32:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(x)), nil
	case float64:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x)), nil
	case [16]byte:
		return append(dst, x[:]...), nil
	}
	return appendBytes(dst, t, v)
}

// Decode reads the columns at positions want of cols: dst[i] receives the value of cols[want[i]], nil for NULL. A column that the
// row does not carry (it was added later) leaves dst[i] untouched. A nil want means all columns. The values do not alias b.
// Decode checks everything before use and never panics on b; its errors wrap ErrCorrupt.
func Decode(b []byte, cols []Column, want []int, dst []any) error {
	n := len(want)
	if want == nil {
		n = len(cols)
	}
	if len(dst) < n {
		return fmt.Errorf("row: %d places for %d columns", len(dst), n)
	}
	if len(b) == 0 {
		return corrupt("empty row")
	}
	if b[0] != version {
		return corrupt("unknown version %d", b[0])
	}
	column := func(i int) *Column {
		if want == nil {
			return &cols[i]
		}
		return &cols[want[i]]
	}
	ascending := true
	for i := 1; i < n && ascending; i++ {
		ascending = column(i-1).ID < column(i).ID
	}
	r := reader{b: b[1:]}
	id, next := int64(-1), 0
	for len(r.b) > 0 {
		tag, payload, err := r.field()
		if err != nil {
			return err
		}
		delta := tag >> 3
		if delta == 0 || delta > math.MaxUint32+1 || id+int64(delta) > math.MaxUint32 {
			return corrupt("column ID out of range")
		}
		id += int64(delta)
		if !ascending {
			next = 0
		}
		for ; next < n && (!ascending || int64(column(next).ID) <= id); next++ {
			c := column(next)
			if int64(c.ID) != id {
				continue
			}
			if dst[next], err = decodeValue(c.Type, tag&7, payload); err != nil {
				return fmt.Errorf("column %q: %w", c.Name, err)
			}
		}
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// reader takes fields off the front of b.
type reader struct{ b []byte }

func (r *reader) uvarint() (uint64, error) {
	x, n := binary.Uvarint(r.b)
	if n <= 0 {
		return 0, corrupt("truncated or overlong varint")
	}
	r.b = r.b[n:]
	return x, nil
}

func (r *reader) varint() (int64, error) {
	u, err := r.uvarint()
	return int64(u>>1) ^ -int64(u&1), err
}

func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.b)) {
		return nil, corrupt("%d bytes wanted, %d left", n, len(r.b))
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p, nil
}

// field takes one tag and its payload. The payload of wireInt is the varint's bytes.
func (r *reader) field() (tag uint64, payload []byte, err error) {
	if tag, err = r.uvarint(); err != nil {
		return 0, nil, err
	}
	payload, err = r.payload(tag & 7)
	return tag, payload, err
}

func (r *reader) payload(wire uint64) ([]byte, error) {
	switch wire {
	case wireNull, wireFalse, wireTrue:
		return nil, nil
	case wireInt:
		before := r.b
		if _, err := r.uvarint(); err != nil {
			return nil, err
		}
		return before[:len(before)-len(r.b)], nil
	case wire4:
		return r.take(4)
	case wire8:
		return r.take(8)
	case wire16:
		return r.take(16)
	}
	n, err := r.uvarint()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// wireWanted is the wire form of a kind's values other than NULL; Bool has two and is treated apart.
func wireWanted(k Kind) uint64 {
	switch k {
	case Int2, Int4, Int8, Date:
		return wireInt
	case Time, Timestamp, Timestamptz, Float8:
		return wire8
	case Float4:
		return wire4
	case UUID:
		return wire16
	}
	return wireBytes
}

// decodeValue turns a payload into the Go form of t.
func decodeValue(t Type, wire uint64, p []byte) (any, error) {
	if wire == wireNull {
		return nil, nil
	}
	if t.Kind == Bool {
		if wire != wireFalse && wire != wireTrue {
			return nil, corrupt("wire form %d of a %s", wire, t)
		}
		return wire == wireTrue, nil
	}
	if wire != wireWanted(t.Kind) {
		return nil, corrupt("wire form %d of a %s", wire, t)
	}
	switch t.Kind {
	case Int2, Int4, Int8, Date:
		x, _ := binary.Varint(p)
		return checkInt(t, x)
	case Time, Timestamp, Timestamptz:
		return int64(binary.LittleEndian.Uint64(p)), nil
	case Float4:
		return math.Float32frombits(binary.LittleEndian.Uint32(p)), nil
	case Float8:
		return math.Float64frombits(binary.LittleEndian.Uint64(p)), nil
	case UUID:
		return [16]byte(p), nil
	}
	return decodeBytes(t, p)
}

// checkInt rejects integers that a kind cannot hold.
func checkInt(t Type, x int64) (any, error) {
	switch {
	case t.Kind == Int2 && x != int64(int16(x)), (t.Kind == Int4 || t.Kind == Date) && x != int64(int32(x)):
		return nil, corrupt("%d is out of range for %s", x, t)
	case t.Kind == Date:
		return int32(x), nil
	}
	return x, nil
}
