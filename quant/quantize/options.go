package quantize

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"strings"

	"engram/quant"
)

// The errors of this package, found with errors.Is.
var (
	// ErrOptions says that Options ask for something that cannot be.
	ErrOptions = errors.New("quantize: bad options")
	// ErrQuantized says that the input holds codes already. Rounding twice loses twice; Options.Force does it all the same.
	ErrQuantized = errors.New("quantize: already quantized")
	// ErrJournal says that the journal beside the output is being written by another run, or is damaged.
	ErrJournal = errors.New("quantize: journal")
)

// Type is what the numbers of a layer become.
type Type string

// The types. Int2Mix can be asked for the whole model only, FP16 and FP32 for layers only.
const (
	Int8    Type = "int8"
	Int4    Type = "int4"
	Int3    Type = "int3"
	Int2    Type = "int2"
	Int2Mix Type = "int2-mix" // 2, 3, 4 or 8 bits, as the budget allows
	FP16    Type = "fp16"     // IEEE half precision
	FP32    Type = "fp32"     // as they are
)

// bits is the width of a code, 0 where there are none.
func (t Type) bits() int {
	switch t {
	case Int8:
		return 8
	case Int4:
		return 4
	case Int3:
		return 3
	case Int2:
		return 2
	}
	return 0
}

// Method is how codes are chosen.
type Method string

// The methods.
const (
	PTQ  Method = "ptq"  // the nearest code, of grids that fit the weights
	GPTQ Method = "gptq" // the codes that change the layer's output least; needs Texts
)

// Symmetry says whether codes have zero points.
type Symmetry uint8

// The symmetries.
const (
	AutoSymmetry Symmetry = iota // symmetric with 8 bits, else asymmetric
	Symmetric
	Asymmetric
)

// Rule gives the layers whose name matches a type of their own.
type Rule struct {
	Pattern string // as path.Match has it, or without any of *?[ a part of the name
	Type    Type   // Int8, Int4, Int3, Int2, FP16 or FP32
}

// ParseRule reads "PATTERN=TYPE"; "PATTERN" alone stands for PATTERN=fp16.
func ParseRule(s string) (Rule, error) {
	pattern, kind, ok := strings.Cut(s, "=")
	r := Rule{Pattern: strings.TrimSpace(pattern), Type: Type(strings.TrimSpace(kind))}
	if !ok {
		r.Type = FP16
	}
	return r, r.check()
}

func (r Rule) check() error {
	if _, err := path.Match(r.Pattern, ""); err != nil || r.Pattern == "" {
		return fmt.Errorf("%w: %q is no pattern of layer names", ErrOptions, r.Pattern)
	}
	if r.Type.bits() == 0 && r.Type != FP16 && r.Type != FP32 {
		return fmt.Errorf("%w: layers %q as %q; int8, int4, int3, int2, fp16 and fp32 can be had", ErrOptions, r.Pattern, r.Type)
	}
	return nil
}

func (r Rule) matches(name string) bool {
	if !strings.ContainsAny(r.Pattern, "*?[") {
		return strings.Contains(name, r.Pattern)
	}
	ok, _ := path.Match(r.Pattern, name)
	return ok
}

// Options say what Run does. The zero value is the default: int8 without calibration.
type Options struct {
	Type     Type     // default Int8
	Method   Method   // default GPTQ where there are Texts, else PTQ
	Symmetry Symmetry // default AutoSymmetry
	// Granularity says which weights share a scale; default per channel with 8 bits, else per group. Per group is along the
	// inputs of one output: where the size does not divide them the greatest divisor below it is taken, and where there is
	// none of at least 8 the whole channel; LayerReport.GroupSize says it.
	Granularity quant.Granularity
	GroupSize   int // default 64 for 4 bits, else 32
	// Layers are rules for some layers; the first that matches counts. Without one, vectors, norms and tables of positions
	// stay as they are, and embedding tables get 8 bits where the rest gets 4, and 4 where it gets fewer.
	Layers []Rule

	// Texts calibrate the model; some hundreds, as different as the texts that it will meet. The input must be a model
	// directory then.
	Texts []string
	// MixBits bounds the bits a weight of Int2Mix, over all layers that become codes, with scales and zero points as they lie in the
	// file; default 3.0.
	MixBits float64

	Name    string // of the model made, default the last element of the output
	Replace bool   // put the output in the place of what is there; default false, an error
	Force   bool   // quantize what is quantized already
	// Memory bounds what the calibration of a layer may take, in bytes, default 2 GiB; a layer that would need more is
	// rounded without.
	Memory  int64
	Threads int // goroutines at work; 0 means GOMAXPROCS. The output does not depend on it
	// Accept, if not nil, judges the finished model directory before it is put in its place; with an error it never is, and
	// Run returns that. Weight files are not judged.
	Accept func(dir string) error
	// Progress is called before each layer and after it, by one goroutine at a time. Default none.
	Progress func(Progress)
	Logger   *slog.Logger // nil means slog.Default
}

// Progress says how far a run has come.
type Progress struct {
	Step  string // "measure", "layer", "write"
	Layer string // the layer at work or done; empty where none is
	Done  int    // layers, or probes of "measure", that are done
	Total int
	// Report is what became of Layer, once it is done.
	Report *LayerReport
}

// filled is o with defaults, checked.
func (o *Options) filled() (Options, error) {
	var opt Options
	if o != nil {
		opt = *o
	}
	if opt.Type == "" {
		opt.Type = Int8
	}
	if opt.Method == "" {
		opt.Method = PTQ
		if len(opt.Texts) > 0 {
			opt.Method = GPTQ
		}
	}
	if opt.MixBits == 0 {
		opt.MixBits = 3
	}
	if opt.Memory <= 0 {
		opt.Memory = 2 << 30
	}
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0)
	}
	if opt.Progress == nil {
		opt.Progress = func(Progress) {}
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	return opt, opt.check()
}

func (o *Options) check() error {
	switch {
	case o.Type.bits() == 0 && o.Type != Int2Mix:
		return fmt.Errorf("%w: type %q; int8, int4, int3, int2 and int2-mix can be had", ErrOptions, o.Type)
	case o.Method != PTQ && o.Method != GPTQ:
		return fmt.Errorf("%w: method %q; ptq and gptq can be had", ErrOptions, o.Method)
	case o.Method == GPTQ && len(o.Texts) == 0:
		return fmt.Errorf("%w: method gptq without calibration texts", ErrOptions)
	case o.Symmetry > Asymmetric:
		return fmt.Errorf("%w: symmetry %d", ErrOptions, o.Symmetry)
	case o.Granularity > quant.PerGroup:
		return fmt.Errorf("%w: %v", ErrOptions, o.Granularity)
	case o.GroupSize < 0 || o.GroupSize > quant.MaxGroupSize:
		return fmt.Errorf("%w: groups of %d", ErrOptions, o.GroupSize)
	case o.GroupSize > 0 && o.Granularity != 0 && o.Granularity != quant.PerGroup:
		return fmt.Errorf("%w: groups of %d per %v", ErrOptions, o.GroupSize, o.Granularity)
	case !(o.MixBits > 2 && o.MixBits <= 8):
		return fmt.Errorf("%w: %v bits a weight for int2-mix; more than 2 and at most 8 can be had", ErrOptions, o.MixBits)
	}
	for _, r := range o.Layers {
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
}
