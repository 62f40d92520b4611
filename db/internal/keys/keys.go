package keys

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// FormatVersion is the version of everything stored in Pebble.
//
//	1: first.
const FormatVersion = 1

const magic = "engram\x00"

// Kinds of keys: the first byte.
const (
	kindFormat  = 'f'
	kindSchema  = 'n'
	kindTable   = 't'
	kindHead    = 'h'
	kindUnique  = 'u'
	kindSegment = 'm'
	kindDead    = 'd'
	kindCounter = 'c'
	kindPending = 'p'
	kindSetting = 's'
)

// Counters of table 0, and the counter of a table's RowIDs.
const (
	CounterTables   = 1
	CounterSegments = 2
	CounterRows     = 0
)

// ErrFormat says that a format value is not one this package wrote.
var ErrFormat = errors.New("keys: not an engram database")

// ErrCounter says that a counter value is malformed.
var ErrCounter = errors.New("keys: malformed number")

// Format returns the key of the format version.
func Format() []byte { return []byte{kindFormat} }

// FormatValue returns the value stored under Format.
func FormatValue(version uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(magic), version)
}

// ParseFormat returns the version in a value made by FormatValue.
func ParseFormat(v []byte) (uint32, error) {
	if len(v) != len(magic)+4 || string(v[:len(magic)]) != magic {
		return 0, ErrFormat
	}
	return binary.BigEndian.Uint32(v[len(magic):]), nil
}

// Schema returns the key of a schema.
func Schema(name string) []byte { return append([]byte{kindSchema}, name...) }

// Setting returns the key of a setting.
func Setting(key string) []byte { return append([]byte{kindSetting}, key...) }

// Table returns the key of a table descriptor.
func Table(table uint32) []byte { return appendTable(nil, kindTable, table) }

// Head returns the key of a head row.
func Head(table uint32, row uint64) []byte { return appendPair(nil, kindHead, table, row) }

// AppendHead appends the key of a head row.
func AppendHead(dst []byte, table uint32, row uint64) []byte {
	return appendPair(dst, kindHead, table, row)
}

// Pending returns the key that says that a row waits for its embedding.
func Pending(table uint32, row uint64) []byte { return appendPair(nil, kindPending, table, row) }

// Segment returns the key of a manifest entry.
func Segment(table uint32, segment uint64) []byte {
	return appendPair(nil, kindSegment, table, segment)
}

// Dead returns the key of a segment's dead rows.
func Dead(table uint32, segment uint64) []byte { return appendPair(nil, kindDead, table, segment) }

// Counter returns the key of a counter.
func Counter(table, column uint32) []byte {
	return binary.BigEndian.AppendUint32(appendTable(nil, kindCounter, table), column)
}

// AppendUnique appends the prefix of the keys of a unique index; the ordered key bytes follow it.
func AppendUnique(dst []byte, table, unique uint32) []byte {
	return binary.BigEndian.AppendUint32(appendTable(dst, kindUnique, table), unique)
}

// ParsePair returns the table and the row or segment of a key made by Head, Pending, Segment or Dead.
func ParsePair(key []byte) (table uint32, number uint64, err error) {
	if len(key) != 13 {
		return 0, 0, fmt.Errorf("keys: key of %d bytes where 13 belong", len(key))
	}
	return binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint64(key[5:]), nil
}

// Number returns the value of a counter or of a unique key.
func Number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// ParseNumber returns the number in a value made by Number.
func ParseNumber(v []byte) (uint64, error) {
	if len(v) != 8 {
		return 0, ErrCounter
	}
	return binary.BigEndian.Uint64(v), nil
}

// Span is a half-open range of keys.
type Span struct{ Start, End []byte }

// Spans that hold all keys of one kind.
func Schemas() Span  { return kindSpan(kindSchema) }
func Tables() Span   { return kindSpan(kindTable) }
func Counters() Span { return kindSpan(kindCounter) }
func Settings() Span { return kindSpan(kindSetting) }
func Pendings() Span { return kindSpan(kindPending) }
func Segments() Span { return kindSpan(kindSegment) }

// SettingsUnder returns the span of the settings whose keys begin with prefix.
func SettingsUnder(prefix string) Span {
	start := Setting(prefix)
	return Span{Start: start, End: successor(start)}
}

// Heads returns the span of a table's head rows.
func Heads(table uint32) Span { return tableSpan(kindHead, table) }

// HeadRange returns the span of the head rows from first to last, both included.
func HeadRange(table uint32, first, last uint64) Span {
	return Span{Start: Head(table, first), End: successor(Head(table, last))}
}

// PendingOf returns the span of a table's rows that wait for embeddings.
func PendingOf(table uint32) Span { return tableSpan(kindPending, table) }

// UniqueIndex returns the span of the keys of a unique index.
func UniqueIndex(table, unique uint32) Span {
	start := AppendUnique(nil, table, unique)
	return Span{Start: start, End: successor(start)}
}

// Rows returns the spans that hold the rows of a table and what belongs to them: all but its descriptor and counters.
func Rows(table uint32) []Span {
	var spans []Span
	for _, k := range []byte{kindHead, kindUnique, kindSegment, kindDead, kindPending} {
		spans = append(spans, tableSpan(k, table))
	}
	return spans
}

// CountersOf returns the span of a table's counters.
func CountersOf(table uint32) Span { return tableSpan(kindCounter, table) }

// ParseCounter returns the table and the column of a counter key.
func ParseCounter(key []byte) (table, column uint32, err error) {
	if len(key) != 9 {
		return 0, 0, fmt.Errorf("keys: counter key of %d bytes where 9 belong", len(key))
	}
	return binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint32(key[5:]), nil
}

func appendTable(dst []byte, kind byte, table uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, kind), table)
}

func appendPair(dst []byte, kind byte, table uint32, n uint64) []byte {
	return binary.BigEndian.AppendUint64(appendTable(dst, kind, table), n)
}

func kindSpan(kind byte) Span { return Span{Start: []byte{kind}, End: []byte{kind + 1}} }

func tableSpan(kind byte, table uint32) Span {
	start := appendTable(nil, kind, table)
	return Span{Start: start, End: successor(start)}
}

// successor returns the smallest key that is larger than every key beginning with prefix.
// Every key begins with a kind, which is never 0xff, so there always is one.
func successor(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
}
