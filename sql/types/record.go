package types

import (
	"encoding/binary"

	"github.com/cockroachdb/apd/v3"
)

// asRecord gives a composite value with the types of its fields.
func asRecord(t Type, v any) (Record, error) {
	switch x := v.(type) {
	case Record:
		if len(x.Types) == len(x.Values) {
			return x, nil
		}
	case []any:
		r := Record{Values: x, Types: make([]Type, len(x))}
		for i, f := range x {
			r.Types[i] = Of(naturalOID(f))
		}
		return r, nil
	}
	return Record{}, wrongForm(t, v)
}

// naturalOID guesses the type of a value from its Go form.
func naturalOID(v any) uint32 {
	switch x := v.(type) {
	case bool:
		return BoolOID
	case int64:
		return Int8OID
	case float32:
		return Float4OID
	case float64:
		return Float8OID
	case *apd.Decimal:
		return NumericOID
	case []byte:
		return ByteaOID
	case [16]byte:
		return UUIDOID
	case Interval:
		return IntervalOID
	case TimeTZ:
		return TimetzOID
	case []float32:
		return VectorOID
	case Record:
		return RecordOID
	case Named:
		return RegclassOID
	case []any:
		for _, e := range x {
			if d, ok := Lookup(naturalOID(e)); e != nil && ok && d.Array != 0 {
				return d.Array
			}
		}
		return TextArrayOID
	}
	return TextOID
}

func appendRecordText(dst []byte, t Type, v any, st *Style) ([]byte, error) {
	r, err := asRecord(t, v)
	if err != nil {
		return nil, err
	}
	dst = append(dst, '(')
	for i, f := range r.Values {
		if i > 0 {
			dst = append(dst, ',')
		}
		if f == nil {
			continue
		}
		start := len(dst)
		if dst, err = AppendText(dst, r.Types[i], f, st); err != nil {
			return nil, err
		}
		dst = quoteField(dst, start)
	}
	return append(dst, ')'), nil
}

// quoteField puts the bytes from start on in quotes, in place, when a record literal needs them.
func quoteField(dst []byte, start int) []byte {
	need := len(dst) == start
	for _, c := range dst[start:] {
		switch c {
		case '"', '\\', '(', ')', ',', ' ', '\t', '\n', '\v', '\f', '\r':
			need = true
		}
	}
	if !need {
		return dst
	}
	raw := string(dst[start:])
	dst = append(dst[:start], '"')
	for i := range len(raw) {
		if raw[i] == '"' || raw[i] == '\\' {
			dst = append(dst, raw[i])
		}
		dst = append(dst, raw[i])
	}
	return append(dst, '"')
}

func appendRecordBinary(dst []byte, t Type, v any) ([]byte, error) {
	r, err := asRecord(t, v)
	if err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Values)))
	for i, f := range r.Values {
		dst = binary.BigEndian.AppendUint32(dst, r.Types[i].OID)
		if dst, err = appendField(dst, r.Types[i], f); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
