package quantize

import (
	"fmt"
	"math"
)

// A mix gives every layer the width that keeps the model's error least while all layers together stay within a number of
// bits a weight. Errors of layers are taken as adding up: each width of each layer is tried alone, with all other layers as
// floats, and what it does is measured. Choosing one width for each layer is then a knapsack problem.

// option is one width of one layer.
type option struct {
	kind  Type
	bytes int64
	harm  float64
}

// knapsackSteps is how finely the budget is divided.
const knapsackSteps = 8192

// choose picks one option of each layer so that the harm is least and the bytes are at most budget. ok is false where even the
// smallest options are too large.
func choose(layers [][]option, budget int64) (picked []int, ok bool) {
	// Bytes are counted in units, rounded up, so that the sum is never above the budget.
	unit := max((budget+knapsackSteps-1)/knapsackSteps, 1)
	steps := int(budget / unit)
	least := make([]float64, steps+1) // the least harm of the layers so far, by units used at most
	from := make([][]int16, len(layers))
	for k, options := range layers {
		next := make([]float64, steps+1)
		from[k] = make([]int16, steps+1)
		for u := range next {
			next[u], from[k][u] = math.Inf(1), -1
			for i, o := range options {
				need := int((o.bytes + unit - 1) / unit)
				if need > u {
					continue
				}
				if h := least[u-need] + o.harm; h < next[u] {
					next[u], from[k][u] = h, int16(i)
				}
			}
		}
		least = next
	}
	if math.IsInf(least[steps], 1) {
		return nil, false
	}
	picked = make([]int, len(layers))
	u := steps
	for k := len(layers) - 1; k >= 0; k-- {
		picked[k] = int(from[k][u])
		u -= int((layers[k][picked[k]].bytes + unit - 1) / unit)
	}
	return picked, true
}

// mixFill is the share of the budget that is given out: scales take a little more or less in the end than in the trial.
const mixFill = 0.995

// settle chooses a width for each layer that has a choice, by the harm and the bytes that measure finds.
func (r *run) settle(measure func(j *job, done func(option) error) error) error {
	var open []*job
	var params, fixed int64
	for i := range r.jobs {
		j := &r.jobs[i]
		switch {
		case j.choices != nil:
			open = append(open, j)
			params += int64(j.layer.Params)
		case j.kind.bits() > 0: // a rule's; its bytes count too, about
			params += int64(j.layer.Params)
			fixed += int64(j.layer.Params*j.kind.bits()) / 8
		}
	}
	options := make([][]option, len(open))
	probes, total := 0, 0
	for _, j := range open {
		total += len(j.choices)
	}
	for k, j := range open {
		r.o.Progress(Progress{Step: "measure", Layer: j.layer.Name, Done: probes, Total: total})
		err := measure(j, func(o option) error {
			options[k] = append(options[k], o)
			probes++
			return r.ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	budget := int64(mixFill*r.o.MixBits*float64(params)/8) - fixed
	picked, ok := choose(options, budget)
	if !ok {
		return fmt.Errorf("%w: %.3g bits a weight are too few for this model", ErrOptions, r.o.MixBits)
	}
	for k, j := range open {
		j.kind = options[k][picked[k]].kind
		j.scheme, j.choices = r.o.scheme(j.kind, j.cols), nil
	}
	return nil
}

// mixByWeights chooses widths by the errors of the weights, where there are no texts: the squared relative error of a layer
// counts as much as that of any other.
func (r *run) mixByWeights() error {
	return r.settle(func(j *job, done func(option) error) error {
		for _, kind := range j.choices {
			o, err := r.probe(j, kind)
			if err != nil {
				return err
			}
			if err := done(option{kind: kind, bytes: o.report.Bytes, harm: o.report.WeightError * o.report.WeightError}); err != nil {
				return err
			}
		}
		return nil
	})
}

// probe makes codes of one layer in a width that may become its own.
func (r *run) probe(j *job, kind Type) (*outcome, error) {
	tried := *j
	tried.kind, tried.scheme = kind, r.o.scheme(kind, j.cols)
	return r.nearest(&tried, nil, "")
}

// probeTexts is how many of the texts the harm of a width is measured on.
const probeTexts = 128

// mix chooses widths by what they do to the model's outputs.
func (c *calibration) mix() error {
	texts := c.o.Texts[:min(probeTexts, len(c.o.Texts))]
	whole, err := c.net.outputs(c.ctx, texts)
	if err != nil {
		return err
	}
	return c.settle(func(j *job, done func(option) error) error {
		for _, kind := range j.choices {
			o, err := c.probe(j, kind)
			if err != nil {
				return err
			}
			if err := c.net.Params().Replace(j.layer.Name, o.q); err != nil {
				return err
			}
			got, err := c.net.outputs(c.ctx, texts)
			if err != nil {
				return err
			}
			if err := done(option{kind: kind, bytes: o.report.Bytes, harm: c.net.harm(whole, got)}); err != nil {
				return err
			}
		}
		return c.net.Params().Replace(j.layer.Name, nil)
	})
}
