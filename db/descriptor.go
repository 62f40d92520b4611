package db

import (
	"encoding/json"
	"fmt"

	"engram/db/internal/row"
)

// storedTable is how a descriptor lies in Pebble: JSON, so that a field added later reads as its zero value.
type storedTable struct {
	ID         TableID
	Schema     string
	Name       string
	Columns    []storedColumn
	Uniques    []Unique `json:",omitempty"`
	Checks     []Check  `json:",omitempty"`
	Version    uint64
	Comment    string `json:",omitempty"`
	NextColumn uint32
	NextUnique uint32
	Indexes    []VectorIndex `json:",omitempty"`
	NextIndex  uint32        // 0: written before there were indexes, or none was ever made
}

type storedColumn struct {
	ID       uint32
	Name     string
	Kind     Kind
	Elem     Kind `json:",omitempty"`
	Mod      int32
	NotNull  bool     `json:",omitempty"`
	Default  string   `json:",omitempty"`
	Identity Identity `json:",omitempty"`
	Comment  string   `json:",omitempty"`
	Missing  []byte   `json:",omitempty"` // a row of this one column
}

func (t *Table) marshal() ([]byte, error) {
	s := storedTable{ID: t.ID, Schema: t.Schema, Name: t.Name, Uniques: t.Uniques, Checks: t.Checks,
		Version: t.Version, Comment: t.Comment, NextColumn: t.nextColumn, NextUnique: t.nextUnique,
		Indexes: t.Indexes, NextIndex: t.nextIndex}
	for i := range t.Columns {
		c := &t.Columns[i]
		sc := storedColumn{ID: c.ID, Name: c.Name, Kind: c.Type.Kind, Elem: c.Type.Elem, Mod: c.Type.Mod,
			NotNull: c.NotNull, Default: c.Default, Identity: c.Identity, Comment: c.Comment}
		if c.Missing != nil {
			b, err := row.Append(nil, t.cols[i:i+1], []any{c.Missing})
			if err != nil {
				return nil, err
			}
			sc.Missing = b
		}
		s.Columns = append(s.Columns, sc)
	}
	return json.Marshal(s)
}

func unmarshalTable(b []byte, id TableID) (*Table, error) {
	var s storedTable
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("%w: descriptor of table %d: %v", ErrCorrupt, id, err)
	}
	if s.ID != id {
		return nil, fmt.Errorf("%w: descriptor of table %d says %d", ErrCorrupt, id, s.ID)
	}
	t := &Table{ID: s.ID, Schema: s.Schema, Name: s.Name, Uniques: s.Uniques, Checks: s.Checks,
		Version: s.Version, Comment: s.Comment, nextColumn: s.NextColumn, nextUnique: s.NextUnique,
		Indexes: s.Indexes, nextIndex: s.NextIndex}
	for _, sc := range s.Columns {
		c := Column{ID: sc.ID, Name: sc.Name, Type: Type{Kind: sc.Kind, Elem: sc.Elem, Mod: sc.Mod},
			NotNull: sc.NotNull, Default: sc.Default, Identity: sc.Identity, Comment: sc.Comment}
		if sc.Missing != nil {
			v := []any{nil}
			cols := []row.Column{{ID: c.ID, Name: c.Name, Type: c.Type}}
			if err := row.Decode(sc.Missing, cols, nil, v); err != nil {
				return nil, fmt.Errorf("%w: descriptor of table %d: %v", ErrCorrupt, id, err)
			}
			c.Missing = v[0]
		}
		t.Columns = append(t.Columns, c)
	}
	if t.ID == MemoriesID && t.nextIndex == 0 {
		t.Indexes = memoriesIndexes(t)
	}
	if err := t.finish(); err != nil {
		return nil, fmt.Errorf("%w: descriptor of table %d: %v", ErrCorrupt, id, err)
	}
	return t, nil
}
