package quantize

// LayerReport says what became of one layer.
type LayerReport struct {
	Name     string `json:"name"`
	Shape    []int  `json:"shape"`
	Params   int    `json:"params"`
	Type     Type   `json:"type"`
	Method   string `json:"method"`             // "gptq", "lsq" (nearest codes, grids of least squares), "span" (nearest codes, grids from end to end), "float"
	Fallback string `json:"fallback,omitempty"` // why it is not the method asked for
	// GroupSize is how many weights share a scale; 0 where a channel or the tensor does.
	GroupSize int `json:"group_size,omitempty"`
	// Bits is how many bits a weight takes in the file: codes, and scales and zero points as they are compressed there.
	Bits  float64 `json:"bits"`
	Bytes int64   `json:"bytes"` // of the same
	// WeightError is |w - w'| / |w|, OutputError |x w - x w'| / |x w| over the calibration texts; 0 is not known.
	WeightError float64 `json:"weight_error,omitempty"`
	OutputError float64 `json:"output_error,omitempty"`
	Seconds     float64 `json:"seconds"`
	Resumed     bool    `json:"resumed,omitempty"` // taken from the journal of an earlier run
}

// Report says what a run did.
type Report struct {
	Input  string        `json:"input"`
	Output string        `json:"output"`
	Type   Type          `json:"type"`
	Method Method        `json:"method"`
	Texts  int           `json:"texts,omitempty"` // that calibrated it
	Layers []LayerReport `json:"layers"`          // in the order of the file
	Params int64         `json:"params"`          // of all layers
	// Bits is how many bits a weight takes, over the layers that became codes; AllBits over all layers.
	Bits        float64 `json:"bits"`
	AllBits     float64 `json:"all_bits"`
	BytesBefore int64   `json:"bytes_before"` // of the weight files
	BytesAfter  int64   `json:"bytes_after"`
	Seconds     float64 `json:"seconds"`
}

// total fills in the sums over the layers.
func (r *Report) total() {
	var coded, all, codedBytes, allBytes int64
	for _, l := range r.Layers {
		all += int64(l.Params)
		allBytes += l.Bytes
		if l.Type.bits() > 0 {
			coded += int64(l.Params)
			codedBytes += l.Bytes
		}
	}
	r.Params = all
	r.Bits, r.AllBits = perWeight(codedBytes, coded), perWeight(allBytes, all)
}

// perWeight is bits a weight.
func perWeight(bytes, params int64) float64 {
	if params == 0 {
		return 0
	}
	return 8 * float64(bytes) / float64(params)
}
