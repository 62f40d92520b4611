package catalog

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"engram/sql/types"
)

// staticDump is written by _gen/dump.sh from a fresh PostgreSQL 15: column lists of all system relations, rows of
// those that users do not change.
//
//go:embed static.txt.gz
var staticDump []byte

type staticCatalog struct {
	relations []*Relation
	byName    map[string]*Relation // "schema.name"
	rows      map[string][][]any   // by relation name, pg_catalog only
}

// static parses the embedded dump once. The dump is part of the program: a failure to parse it is a programming error.
var static = sync.OnceValue(func() *staticCatalog {
	s, err := parseStatic(staticDump)
	if err != nil {
		panic("catalog: embedded dump: " + err.Error())
	}
	return s
})

func parseStatic(dump []byte) (*staticCatalog, error) {
	z, err := gzip.NewReader(bytes.NewReader(dump))
	if err != nil {
		return nil, err
	}
	s := &staticCatalog{byName: map[string]*Relation{}, rows: map[string][][]any{}}
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 1<<16), 1<<20)
	var relation *Relation
	for lines.Scan() {
		field := strings.Split(lines.Text(), "\t")
		switch field[0] {
		case "R":
			oid, err := strconv.ParseUint(field[4], 10, 32)
			if err != nil {
				return nil, err
			}
			relation = &Relation{Schema: field[1], Name: field[2], Kind: field[3][0], OID: uint32(oid)}
			s.relations = append(s.relations, relation)
			s.byName[relation.Schema+"."+relation.Name] = relation
		case "C":
			oid, err1 := strconv.ParseUint(field[2], 10, 32)
			mod, err2 := strconv.ParseInt(field[3], 10, 32)
			if err1 != nil || err2 != nil {
				return nil, fmt.Errorf("column line %q", lines.Text())
			}
			relation.Columns = append(relation.Columns, Column{Name: field[1],
				Type: types.Type{OID: uint32(oid), Mod: int32(mod)}, NotNull: field[4] == "t"})
		case "D":
			rows, err := parseRows(lines, s.byName["pg_catalog."+field[1]])
			if err != nil {
				return nil, fmt.Errorf("rows of %s: %w", field[1], err)
			}
			s.rows[field[1]] = rows
		}
	}
	return s, lines.Err()
}

func parseRows(lines *bufio.Scanner, r *Relation) ([][]any, error) {
	if r == nil {
		return nil, fmt.Errorf("no such relation")
	}
	var rows [][]any
	for lines.Scan() {
		if lines.Text() == `\.` {
			return rows, nil
		}
		field := strings.Split(lines.Text(), "\t")
		if len(field) != len(r.Columns) {
			return nil, fmt.Errorf("%d fields, want %d", len(field), len(r.Columns))
		}
		row := make([]any, len(field))
		for i, f := range field {
			v, err := parseStaticValue(r.Columns[i].Type.OID, f)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", r.Columns[i].Name, err)
			}
			row[i] = v
		}
		rows = append(rows, row)
	}
	return nil, io.ErrUnexpectedEOF
}

var copyUnescaper = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")

// parseStaticValue reads one field of COPY's text format into the Go form that package types documents.
func parseStaticValue(oid uint32, f string) (any, error) {
	if f == `\N` {
		return nil, nil
	}
	switch oid {
	case types.BoolOID:
		return f == "t", nil
	case types.Int2OID, types.Int4OID, types.Int8OID, types.OidOID, types.XidOID, types.RegprocOID:
		return strconv.ParseInt(f, 10, 64)
	case types.Float4OID:
		v, err := strconv.ParseFloat(f, 32)
		return float32(v), err
	case types.Int2VectorOID, types.OidVectorOID:
		return parseIntList(strings.Fields(f))
	case types.OidArrayOID:
		return parseIntList(splitBraces(f))
	case types.TextArrayOID, types.QCharArrayOID:
		list := []any{}
		for _, e := range splitBraces(f) {
			list = append(list, strings.Trim(e, `"`))
		}
		return list, nil
	}
	return copyUnescaper.Replace(f), nil
}

func splitBraces(f string) []string {
	f = strings.Trim(f, "{}")
	if f == "" {
		return nil
	}
	return strings.Split(f, ",")
}

func parseIntList(elems []string) (any, error) {
	list := make([]any, len(elems))
	for i, e := range elems {
		n, err := strconv.ParseInt(e, 10, 64)
		if err != nil {
			return nil, err
		}
		list[i] = n
	}
	return list, nil
}
