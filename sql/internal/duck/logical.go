package duck

import (
	"fmt"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// maxTypeDepth bounds the nesting of types built from Go, which DuckDB would otherwise walk recursively.
const maxTypeDepth = 64

// logical builds DuckDB's object for t. The caller destroys it.
func (t *Type) logical() (mapping.LogicalType, error) { return t.logicalAt(0) }

func (t *Type) logicalAt(depth int) (lt mapping.LogicalType, err error) {
	if depth > maxTypeDepth {
		return lt, fmt.Errorf("duck: type is nested deeper than %d", maxTypeDepth)
	}
	switch t.ID {
	case InvalidID:
		return lt, fmt.Errorf("duck: the type is not known")
	case DecimalID:
		if t.Width < 1 || t.Width > 38 || t.Scale > t.Width {
			return lt, fmt.Errorf("duck: %s is not a decimal type", t)
		}
		lt = mapping.CreateDecimalType(t.Width, t.Scale)
	case ListID, ArrayID, MapID:
		lt, err = t.logicalNested(depth)
	case StructID, UnionID:
		lt, err = t.logicalFields(depth)
	case EnumID:
		if len(t.Labels) == 0 {
			return lt, fmt.Errorf("duck: an enum needs labels")
		}
		lt = mapping.CreateEnumType(t.Labels)
	default:
		if _, ok := typeNames[t.ID]; !ok {
			return lt, fmt.Errorf("duck: unknown type id %d", t.ID)
		}
		lt = mapping.CreateLogicalType(mapping.Type(t.ID))
	}
	if err != nil {
		return lt, err
	}
	if lt.Ptr == nil {
		return lt, fmt.Errorf("duck: DuckDB refuses the type %s", t)
	}
	if t.Alias != "" {
		mapping.LogicalTypeSetAlias(lt, t.Alias)
	}
	return lt, nil
}

func (t *Type) logicalNested(depth int) (lt mapping.LogicalType, err error) {
	if t.Elem == nil || (t.ID == MapID && len(t.Elem.Fields) != 2) {
		return lt, fmt.Errorf("duck: %s without its element type", typeNames[t.ID])
	}
	if t.ID == MapID {
		key, err := t.Elem.Fields[0].Type.logicalAt(depth + 1)
		if err != nil {
			return lt, err
		}
		defer mapping.DestroyLogicalType(&key)
		value, err := t.Elem.Fields[1].Type.logicalAt(depth + 1)
		if err != nil {
			return lt, err
		}
		defer mapping.DestroyLogicalType(&value)
		return mapping.CreateMapType(key, value), nil
	}
	elem, err := t.Elem.logicalAt(depth + 1)
	if err != nil {
		return lt, err
	}
	defer mapping.DestroyLogicalType(&elem)
	if t.ID == ListID {
		return mapping.CreateListType(elem), nil
	}
	if t.Size < 1 || t.Size > 100000 {
		return lt, fmt.Errorf("duck: array size %d is outside 1..100000", t.Size)
	}
	return mapping.CreateArrayType(elem, mapping.IdxT(t.Size)), nil
}

func (t *Type) logicalFields(depth int) (lt mapping.LogicalType, err error) {
	if len(t.Fields) == 0 {
		return lt, fmt.Errorf("duck: %s without fields", typeNames[t.ID])
	}
	members := make([]mapping.LogicalType, 0, len(t.Fields))
	defer func() {
		for i := range members {
			mapping.DestroyLogicalType(&members[i])
		}
	}()
	names := make([]string, len(t.Fields))
	for i := range t.Fields {
		names[i] = t.Fields[i].Name
		m, err := t.Fields[i].Type.logicalAt(depth + 1)
		if err != nil {
			return lt, err
		}
		members = append(members, m)
	}
	if t.ID == UnionID {
		return mapping.CreateUnionType(members, names), nil
	}
	return mapping.CreateStructType(members, names), nil
}

// takeType reads DuckDB's type object and destroys it. A nil object gives the unknown type.
func takeType(lt mapping.LogicalType) Type {
	defer mapping.DestroyLogicalType(&lt)
	return readType(lt)
}

func readType(lt mapping.LogicalType) Type {
	if lt.Ptr == nil {
		return Type{}
	}
	t := Type{ID: TypeID(mapping.GetTypeId(lt))}
	t.Alias = mapping.LogicalTypeGetAlias(lt)
	switch t.ID {
	case DecimalID:
		t.Width, t.Scale = mapping.DecimalWidth(lt), mapping.DecimalScale(lt)
	case ListID:
		elem := takeType(mapping.ListTypeChildType(lt))
		t.Elem = &elem
	case ArrayID:
		elem := takeType(mapping.ArrayTypeChildType(lt))
		t.Elem, t.Size = &elem, int(mapping.ArrayTypeArraySize(lt))
	case MapID:
		t.Elem = Map(takeType(mapping.MapTypeKeyType(lt)), takeType(mapping.MapTypeValueType(lt))).Elem
	case StructID:
		for i := range mapping.StructTypeChildCount(lt) {
			t.Fields = append(t.Fields, Field{mapping.StructTypeChildName(lt, i), takeType(mapping.StructTypeChildType(lt, i))})
		}
	case UnionID:
		for i := range mapping.UnionTypeMemberCount(lt) {
			t.Fields = append(t.Fields, Field{mapping.UnionTypeMemberName(lt, i), takeType(mapping.UnionTypeMemberType(lt, i))})
		}
	case EnumID:
		for i := range mapping.EnumDictionarySize(lt) {
			t.Labels = append(t.Labels, mapping.EnumDictionaryValue(lt, mapping.IdxT(i)))
		}
	}
	return t
}

// decimalBytes is how many bytes DuckDB stores a decimal of this width in.
func decimalBytes(width uint8) int {
	switch {
	case width <= 4:
		return 2
	case width <= 9:
		return 4
	case width <= 18:
		return 8
	}
	return 16
}

// enumBytes is how many bytes DuckDB stores a label's number in.
func enumBytes(labels int) int {
	switch {
	case labels <= 0xff:
		return 1
	case labels <= 0xffff:
		return 2
	}
	return 4
}

// width is the number of bytes one row takes in a vector's own data, 0 for types kept in child vectors only.
func (t *Type) width() int {
	switch t.ID {
	case BooleanID, TinyIntID, UTinyIntID:
		return 1
	case SmallIntID, USmallIntID:
		return 2
	case IntegerID, UIntegerID, FloatID, DateID, SQLNullID:
		return 4
	case BigIntID, UBigIntID, DoubleID, TimestampID, TimestampTZID, TimestampSID, TimestampMSID, TimestampNSID,
		TimeID, TimeTZID, TimeNSID:
		return 8
	case HugeIntID, UHugeIntID, UUIDID, IntervalID, VarcharID, BlobID, BitID, BigNumID, GeometryID, ListID, MapID:
		return 16
	case DecimalID:
		return decimalBytes(t.Width)
	case EnumID:
		return enumBytes(len(t.Labels))
	}
	return 0
}
