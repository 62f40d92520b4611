package quantize

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"

	"engram/quant/gptq"
	"engram/quant/weights"
)

// calibration runs the model on the texts and chooses codes by what the layers see there.
type calibration struct {
	*run
	net    network  // runs on the codes as far as there are any
	float  network  // the model as it was
	stages [][]*job // the dense layers in the order in which they run; those of one stage see the same inputs
	tables []*job   // layers that become codes but see no inputs
}

// orderTexts is how many texts tell the order of the layers.
const orderTexts = 2

// calibrate opens the model and finds out which layers it runs in which order.
func (r *run) calibrate() (*calibration, error) {
	net, err := openNetwork(r.modelDir, r.o)
	if err != nil {
		return nil, err
	}
	float, err := openNetwork(r.modelDir, r.o)
	if err != nil {
		net.Close()
		return nil, err
	}
	c := &calibration{run: r, net: net, float: float}
	if err := c.order(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *calibration) close() {
	c.net.Close()
	c.float.Close()
}

// order sorts the layers into stages by watching the model on a few texts.
func (c *calibration) order() error {
	byName := map[string]*job{}
	for i := range c.jobs {
		byName[c.jobs[i].layer.Name] = &c.jobs[i]
	}
	stageOf := map[uint64]int{} // by what the stage's layers see first
	seen := map[string]bool{}
	seed := maphash.MakeSeed()
	c.net.Params().Observe(func(name string, x []float32, rows int) {
		j := byName[name]
		if j == nil || seen[name] || j.table || j.kind.bits() == 0 {
			return
		}
		seen[name] = true
		var h maphash.Hash
		h.SetSeed(seed)
		var b [4]byte
		for _, v := range x {
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			h.Write(b[:])
		}
		at, ok := stageOf[h.Sum64()]
		if !ok {
			at = len(c.stages)
			stageOf[h.Sum64()] = at
			c.stages = append(c.stages, nil)
		}
		c.stages[at] = append(c.stages[at], j)
	})
	_, err := c.net.outputs(c.ctx, c.o.Texts[:min(orderTexts, len(c.o.Texts))])
	c.net.Params().Observe(nil)
	if err != nil {
		return err
	}
	for i := range c.jobs {
		if j := &c.jobs[i]; !seen[j.layer.Name] && j.kind.bits() > 0 {
			c.tables = append(c.tables, j)
		}
	}
	return nil
}

// layers makes codes of all layers. Tables come first, then the layers as they run, so that each is calibrated with the
// inputs that it will see: those that the layers before it make with their codes.
func (c *calibration) layers() error {
	if c.o.Type == Int2Mix {
		if err := c.mix(); err != nil {
			return err
		}
	}
	for i := range c.jobs {
		if j := &c.jobs[i]; j.kind.bits() == 0 {
			if err := c.plain(j); err != nil {
				return err
			}
		}
	}
	for _, j := range c.tables {
		if err := c.table(j); err != nil {
			return err
		}
	}
	for _, stage := range c.stages {
		if err := c.stage(stage); err != nil {
			return err
		}
	}
	return nil
}

// table rounds a layer that sees no inputs.
func (c *calibration) table(j *job) error {
	if c.results[j.layer.Name] == nil {
		began := c.start(j)
		reason := ""
		if !j.table && c.o.Method == GPTQ {
			reason = "no inputs seen"
		}
		o, err := c.nearest(j, nil, reason)
		if err != nil {
			return err
		}
		if err := c.finish(o, began); err != nil {
			return err
		}
	}
	return c.net.Params().Replace(j.layer.Name, c.results[j.layer.Name].q)
}

// stage makes codes of the layers that see the same inputs.
func (c *calibration) stage(stage []*job) error {
	var left []*job
	for _, j := range stage {
		if c.results[j.layer.Name] == nil {
			left = append(left, j)
		}
	}
	if len(left) > 0 {
		began := c.start(left[0])
		h, reason, err := c.inputs(left[0])
		if err != nil {
			return err
		}
		for i, j := range left {
			if i > 0 {
				began = c.start(j)
			}
			o, err := c.dense(j, h, reason)
			if err != nil {
				return err
			}
			if err := c.finish(o, began); err != nil {
				return err
			}
		}
	}
	for _, j := range stage {
		if err := c.use(c.results[j.layer.Name]); err != nil {
			return err
		}
	}
	return nil
}

// use makes the model run on a layer's codes from now on.
func (c *calibration) use(o *outcome) error {
	p := c.net.Params()
	if err := p.Replace(o.report.Name, o.q); err != nil {
		return err
	}
	if o.shift == nil {
		return nil
	}
	return p.Shift(o.report.Name, o.shift)
}

// workFactor is how many times the memory of a Hessian the choice of codes takes, about.
const workFactor = 5

// inputs runs the model and gathers what a layer sees. The Hessian is nil where that cannot be had, and reason says why.
func (c *calibration) inputs(j *job) (h *gptq.Hessian, reason string, err error) {
	if need := workFactor * gptq.Bytes(j.cols); need > c.o.Memory {
		return nil, fmt.Sprintf("calibration needs %d MB, %d MB are allowed", need>>20, c.o.Memory>>20), nil
	}
	h = gptq.NewHessian(j.cols, c.o.Threads)
	var whole []float32 // the inputs in the model as it was
	err = c.watch(c.float, j, func(x []float32) { whole = append(whole, x...) })
	if err != nil {
		return nil, "", err
	}
	at := 0
	err = c.watch(c.net, j, func(x []float32) {
		h.AddPair(x, whole[at:at+len(x)])
		at += len(x)
	})
	return h, "", err
}

// watch runs a model on the texts and hands on what a layer sees.
func (c *calibration) watch(net network, j *job, see func(x []float32)) error {
	net.Params().Observe(func(name string, x []float32, rows int) {
		if name == j.layer.Name {
			see(x[:rows*j.cols])
		}
	})
	defer net.Params().Observe(nil)
	_, err := net.outputs(c.ctx, c.o.Texts)
	return err
}

// leastRows says how many rows of inputs a layer of n inputs must have seen: with fewer, what they have in common is chance.
func leastRows(n int) int64 { return int64(max(n/8, 16)) }

// dense makes codes of a dense layer from what it has seen.
func (c *calibration) dense(j *job, h *gptq.Hessian, reason string) (*outcome, error) {
	if c.o.Method == PTQ {
		return c.nearest(j, nil, "")
	}
	if h == nil {
		return c.nearest(j, nil, reason)
	}
	if h.Rows() < leastRows(j.cols) {
		return c.nearest(j, nil, fmt.Sprintf("%d rows of inputs seen, %d needed", h.Rows(), leastRows(j.cols)))
	}
	o, err := c.solve(c.ctx, j, h)
	if errors.Is(err, gptq.ErrInputs) || errors.Is(err, gptq.ErrNotPositiveDefinite) || errors.Is(err, gptq.ErrShape) {
		return c.nearest(j, c.importance(h, j.cols), err.Error())
	}
	return o, err
}

// importance is the mean square of each input, nil where there is none to be had.
func (c *calibration) importance(h *gptq.Hessian, n int) []float32 {
	m := make([]float64, n*n)
	if h.Matrix(m, false) != nil {
		return nil
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(m[i*n+i])
	}
	if slices.ContainsFunc(v, func(x float32) bool { return math.IsInf(float64(x), 0) }) {
		return nil
	}
	return v
}

// targetDamp is the share of the mean diagonal that is added when a layer's weights are moved to its new inputs.
const targetDamp = 0.05

// caution says how far the moments of a layer of n inputs can be trusted after so many rows: how much to damp them, and what
// share of the way to go to the weights that are best for them. What few rows have in common is partly chance, the more so
// the more inputs there are to combine.
func caution(n int, rows int64) (damp, share float64) {
	few := float64(n) / float64(rows)
	return min(0.01+0.1*few, 0.1), 1 / (1 + 4*few)
}

// solve makes codes of a dense layer by GPTQ.
func (c *calibration) solve(ctx context.Context, j *job, h *gptq.Hessian) (*outcome, error) {
	w, _, err := c.f.Float32(j.layer.Name)
	if err != nil {
		return nil, err
	}
	centered := c.hasBias(j)
	damp, share := caution(j.cols, h.Rows())
	target, err := h.Target(j.rows, w, centered, targetDamp, share)
	if err != nil {
		return nil, err
	}
	res, err := gptq.Quantize(ctx, j.scheme, j.rows, target, h, &gptq.Options{Shift: centered, Damp: damp, Threads: c.o.Threads})
	if err != nil {
		return nil, err
	}
	if centered {
		x, y := make([]float32, j.cols), make([]float32, j.cols)
		h.Mean(x)
		h.PairMean(y)
		res.ShiftedBy = gptq.Shift(res.Q, w, x, y)
	}
	o := &outcome{q: res.Q, shift: res.ShiftedBy, report: LayerReport{
		Name: j.layer.Name, Shape: j.layer.Shape, Params: j.layer.Params, Type: j.kind, Method: "gptq", OutputError: res.Error,
	}}
	return o, o.describe(w)
}

// hasBias says whether the bias of a dense layer is there to take a correction up.
func (c *calibration) hasBias(j *job) bool {
	l, ok := c.f.Layer(biasOf(j.layer.Name))
	return ok && len(l.Shape) == 1 && l.Shape[0] == j.rows && (l.DType == weights.Float32 || l.DType == weights.Float64) && l.Quant.Bits() == 0
}
