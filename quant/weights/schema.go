package weights

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// The columns of a weight file. The first five are V1, the next five make it V2, the rest is ours.
const (
	colName       = "layer_name"
	colShape      = "shape"
	colDType      = "dtype"
	colData       = "data"
	colParams     = "num_params"
	colQuant      = "quant_type"
	colScales     = "scales"
	colZeroPoints = "zero_points"
	colAxis       = "quant_axis"
	colGroup      = "group_size"
	colChecksum   = "data_crc32c"
	colMethod     = "method"
	colFallback   = "fallback_reason"
	colWeightErr  = "weight_error"
	colOutputErr  = "output_error"
)

// columns maps a column's name to its leaf in the schema; -1 where the file lacks it.
type columns map[string]int

// wantType is the physical type of each column's leaf.
var wantType = map[string]parquet.Type{
	colName: parquet.Types.ByteArray, colShape: parquet.Types.Int32, colDType: parquet.Types.ByteArray,
	colData: parquet.Types.ByteArray, colParams: parquet.Types.Int64, colQuant: parquet.Types.ByteArray,
	colScales: parquet.Types.ByteArray, colZeroPoints: parquet.Types.ByteArray, colAxis: parquet.Types.Int32,
	colGroup: parquet.Types.Int32, colChecksum: parquet.Types.Int64,
	colMethod: parquet.Types.ByteArray, colFallback: parquet.Types.ByteArray,
	colWeightErr: parquet.Types.Double, colOutputErr: parquet.Types.Double,
}

// findColumns locates the columns of a weight file and checks their types. Columns with other names are ignored.
func findColumns(sc *schema.Schema) (columns, error) {
	cols := columns{}
	for i := range sc.NumColumns() {
		c := sc.Column(i)
		name, _, nested := strings.Cut(c.Path(), ".")
		want, known := wantType[name]
		if !known {
			continue
		}
		if _, twice := cols[name]; twice {
			return nil, fmt.Errorf("%w: column %q has more than one leaf", ErrFormat, name)
		}
		if c.PhysicalType() != want {
			return nil, fmt.Errorf("%w: column %q is %v, not %v", ErrFormat, name, c.PhysicalType(), want)
		}
		if isList := c.MaxRepetitionLevel() > 0; isList != (name == colShape) || c.MaxRepetitionLevel() > 1 || nested != isList {
			return nil, fmt.Errorf("%w: column %q has a wrong structure", ErrFormat, name)
		}
		cols[name] = i
	}
	need := []string{colName, colShape, colDType, colData, colParams}
	if _, v2 := cols[colQuant]; v2 {
		need = append(need, colScales, colZeroPoints, colAxis, colGroup)
	}
	for _, n := range need {
		if _, ok := cols[n]; !ok {
			return nil, fmt.Errorf("%w: no column %q", ErrFormat, n)
		}
	}
	return cols, nil
}

// writtenSchema is the schema that Create and CreateV2 write: every column nullable, as Arrow's writers make them, shape a
// standard three-level list, and ours at the end.
func writtenSchema(version int) (*schema.GroupNode, error) {
	opt := parquet.Repetitions.Optional
	text := func(name string) *schema.PrimitiveNode {
		return schema.MustPrimitive(schema.NewPrimitiveNodeLogical(name, opt, schema.StringLogicalType{}, parquet.Types.ByteArray, -1, -1))
	}
	shape, err := schema.ListOfWithName(colShape, schema.NewInt32Node("element", opt, -1), opt, -1)
	if err != nil {
		return nil, err
	}
	fields := schema.FieldList{text(colName), shape, text(colDType), schema.NewByteArrayNode(colData, opt, -1), schema.NewInt64Node(colParams, opt, -1)}
	if version == 2 {
		fields = append(fields, text(colQuant), schema.NewByteArrayNode(colScales, opt, -1), schema.NewByteArrayNode(colZeroPoints, opt, -1),
			schema.NewInt32Node(colAxis, opt, -1), schema.NewInt32Node(colGroup, opt, -1))
	}
	fields = append(fields, schema.NewInt64Node(colChecksum, opt, -1))
	if version == 2 {
		fields = append(fields, text(colMethod), text(colFallback), schema.NewFloat64Node(colWeightErr, opt, -1), schema.NewFloat64Node(colOutputErr, opt, -1))
	}
	return schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
}
