package exchange

import (
	"fmt"
	"strings"

	"engram/quant/weights"
)

// tfliteOps are the names of BuiltinOperator by number, up to the last one that networks of this kind use.
var tfliteOps = strings.Fields(`ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP
	FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION
	LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS
	SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND
	TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT
	LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL
	LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
	ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV
	REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS
	SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG
	ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL`)

const tfliteCustom = 32 // CUSTOM: the name is beside it

// optionKind is how a field of an options table is read.
type optionKind uint8

const (
	optInt optionKind = iota
	optOne            // an integer whose default is 1
	optBool
	optFloat
	optInts
	optPadding
	optActivation
)

type option struct {
	id   int // of the field
	name string
	kind optionKind
}

var (
	optFused   = option{0, "fused_activation_function", optActivation}
	optStrides = []option{{0, "padding", optPadding}, {1, "stride_w", optInt}, {2, "stride_h", optInt}}
)

// tfliteOptions are the fields of the tables in the union BuiltinOptions by their numbers in it, and their names in the
// schema (https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs).
var tfliteOptions = map[uint8][]option{
	1: append(optStrides[:3:3], option{3, optFused.name, optActivation}, option{4, "dilation_w_factor", optOne},
		option{5, "dilation_h_factor", optOne}), // Conv2DOptions
	2: append(optStrides[:3:3], option{3, "depth_multiplier", optInt}, option{4, optFused.name, optActivation},
		option{5, "dilation_w_factor", optOne}, option{6, "dilation_h_factor", optOne}), // DepthwiseConv2DOptions
	5: append(optStrides[:3:3], option{3, "filter_width", optInt}, option{4, "filter_height", optInt},
		option{5, optFused.name, optActivation}), // Pool2DOptions
	8:  {optFused, {1, "weights_format", optInt}, {2, "keep_num_dims", optBool}}, // FullyConnectedOptions
	9:  {{0, "beta", optFloat}},                                                  // SoftmaxOptions
	10: {{0, "axis", optInt}, {1, optFused.name, optActivation}},                 // ConcatenationOptions
	11: {optFused},                                                               // AddOptions
	15: {{2, "align_corners", optBool}, {3, "half_pixel_centers", optBool}},      // ResizeBilinearOptions
	17: {{0, "new_shape", optInts}},                                              // ReshapeOptions
	21: {optFused},                                                               // MulOptions
	23: {{0, "axis", optInt}, {1, "batch_dims", optInt}},                         // GatherOptions
	27: {{0, "keep_dims", optBool}},                                              // ReducerOptions
	28: {optFused},                                                               // SubOptions
	29: {optFused},                                                               // DivOptions
	30: {{0, "squeeze_dims", optInts}},                                           // SqueezeOptions
	32: {{0, "begin_mask", optInt}, {1, "end_mask", optInt}, {2, "ellipsis_mask", optInt}, {3, "new_axis_mask", optInt},
		{4, "shrink_axis_mask", optInt}, {5, "offset", optBool}}, // StridedSliceOptions
	35:  {{0, "num_splits", optInt}},                        // SplitOptions
	59:  {{0, "values_count", optInt}, {1, "axis", optInt}}, // PackOptions
	75:  {{0, "alpha", optFloat}},                           // LeakyReluOptions
	101: {{0, "adj_x", optBool}, {1, "adj_y", optBool}},     // BatchMatMulOptions
}

var (
	tflitePadding    = []string{"SAME", "VALID"}
	tfliteActivation = []string{"NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"}
)

// operators reads the tables Operator (code 0, inputs 1, outputs 2, kind of options 3, options 4) with the help of the
// tables OperatorCode (old number 0, custom name 1, number 3).
func (t *TFLite) operators(codes, ops []flatTable, names []string) error {
	if len(ops) > maxNodes {
		return fmt.Errorf("%w: more than %d operators", weights.ErrTooLarge, maxNodes)
	}
	kinds := make([]string, len(codes))
	for i, c := range codes {
		// The old field is a signed byte and stays at 127 where the number needs more.
		n := max(int(c.int32(3, 0)), int(int8(c.uint8(0, 0))))
		switch {
		case n == tfliteCustom:
			kinds[i] = c.text(1)
		case n >= 0 && n < len(tfliteOps):
			kinds[i] = tfliteOps[n]
		default:
			kinds[i] = fmt.Sprintf("BUILTIN_%d", n)
		}
	}
	for i, x := range ops {
		k := x.int32(0, 0)
		if k < 0 || int(k) >= len(kinds) {
			return fmt.Errorf("%w: operator %d is of kind %d of %d", weights.ErrCorrupt, i, k, len(kinds))
		}
		n := Node{Op: kinds[k], Settings: map[string]Setting{}}
		var err error
		if n.Inputs, err = pick(names, x.int32s(1)); err == nil {
			n.Outputs, err = pick(names, x.int32s(2))
		}
		if err == nil {
			err = n.options(x.table(4), tfliteOptions[x.uint8(3, 0)])
		}
		if err != nil {
			return fmt.Errorf("operator %d, %s: %w", i, n.Op, err)
		}
		t.graph.Nodes = append(t.graph.Nodes, n)
	}
	return nil
}

// options reads the fields of an options table. A field that the file leaves out has its default.
func (n *Node) options(x flatTable, fields []option) error {
	for _, o := range fields {
		var s Setting
		switch o.kind {
		case optInt:
			s.Ints = []int64{int64(x.int32(o.id, 0))}
		case optOne:
			s.Ints = []int64{int64(x.int32(o.id, 1))}
		case optBool:
			s.Ints = []int64{int64(x.uint8(o.id, 0))}
		case optFloat:
			s.Floats = []float32{x.float32(o.id, 0)}
		case optInts:
			for _, v := range x.int32s(o.id) {
				s.Ints = append(s.Ints, int64(v))
			}
		case optPadding, optActivation:
			words := tflitePadding
			if o.kind == optActivation {
				words = tfliteActivation
			}
			k := int(x.uint8(o.id, 0))
			if k >= len(words) {
				return fmt.Errorf("%w: %s is %d", weights.ErrUnsupported, o.name, k)
			}
			s.Texts = []string{words[k]}
		}
		n.Settings[o.name] = s
	}
	return nil
}
