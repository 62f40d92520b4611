package db

import (
	"errors"
	"reflect"
	"testing"
)

func TestDescriptorRoundTrip(t *testing.T) {
	in := Table{ID: 7, Name: "t", Version: 3, Comment: "c", Checks: []Check{{"positive", "a > 0"}},
		Columns: []Column{
			{Name: "a", Type: TypeOf(Int4), Default: "1", Comment: "x", Missing: 5},
			{Name: "b", Type: Type{Kind: Array, Elem: Varchar, Mod: 9}, Missing: []string{"x", "y"}},
			{Name: "v", Type: VectorOf(3), NotNull: true},
			{Name: "n", Type: TypeOf(Int8), Identity: IdentityAlways},
		},
		PrimaryKey: []int{3, 0}, Uniques: []Unique{{Name: "u", Columns: []int{1}}}}
	must(t, in.finish())
	b := value(in.marshal())(t)
	out := value(unmarshalTable(b, 7))(t)
	if !reflect.DeepEqual(out, &in) {
		t.Errorf("got  %+v\nwant %+v", out, &in)
	}
	c := in.Clone()
	c.Uniques[0].Columns[0], c.Columns[0].Name, c.Checks[0].Name, c.PrimaryKey[0] = 9, "z", "z", 9
	if in.Uniques[0].Columns[0] == 9 || in.Columns[0].Name == "z" || in.Checks[0].Name == "z" || in.PrimaryKey[0] == 9 {
		t.Error("a clone shares memory with its table")
	}
}

func FuzzDescriptor(f *testing.F) {
	b, err := memoriesTable.marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"ID":1,"Name":"t","NextColumn":1,"Columns":[{"ID":1,"Name":"a","Kind":24,"Elem":20,"Missing":"AQ=="}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := unmarshalTable(b, MemoriesID)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error is not ErrCorrupt: %v", err)
			}
			return
		}
		again, err := table.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unmarshalTable(again, MemoriesID); err != nil {
			t.Fatalf("what was read does not read back: %v", err)
		}
	})
}
