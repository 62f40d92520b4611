package quantize

import (
	"context"
	"errors"
	"math"

	"engram/quant/model"
	"engram/quant/model/layer"
)

// network is a model that can be run on texts.
type network interface {
	Params() *layer.Params
	// outputs runs the model on texts and gives what it makes of each.
	outputs(ctx context.Context, texts []string) ([][]float32, error)
	// harm says how far outputs are from those of the model as it was.
	harm(whole, got [][]float32) float64
	Close() error
}

// openNetwork opens the model in a directory. It runs on one thread, so that what its layers see comes in a fixed order.
func openNetwork(dir string, o *Options) (network, error) {
	m, err := model.ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	opt := &model.Options{Threads: 1, Logger: o.Logger}
	if m.Architecture == model.Llama {
		l, err := model.OpenLanguageModel(dir, opt)
		if err != nil {
			return nil, err
		}
		return language{l}, nil
	}
	e, err := model.Open(dir, opt)
	if err != nil {
		return nil, err
	}
	return encoder{e}, nil
}

// encoder is a model that turns texts into vectors.
type encoder struct{ *model.Encoder }

func (e encoder) outputs(ctx context.Context, texts []string) ([][]float32, error) {
	return e.Encode(ctx, texts)
}

// harm is the mean over the texts of 1 - cosine.
func (e encoder) harm(whole, got [][]float32) float64 {
	var sum float64
	for i, v := range whole {
		var ab, aa, bb float64
		for k, x := range v {
			y := float64(got[i][k])
			ab, aa, bb = ab+float64(x)*y, aa+float64(x)*float64(x), bb+y*y
		}
		if aa > 0 && bb > 0 {
			sum += 1 - ab/math.Sqrt(aa*bb)
		} else if aa != bb {
			sum++
		}
	}
	return sum / float64(max(len(whole), 1))
}

// language is a model that predicts what comes next. Its output for a text is how badly it does.
type language struct{ *model.LanguageModel }

func (l language) outputs(ctx context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, t := range texts {
		p, err := l.Perplexity(ctx, []string{t}, nil)
		if err != nil && !errors.Is(err, model.ErrNoTokens) {
			return nil, err
		}
		out[i] = []float32{float32(p.Loss)}
	}
	return out, nil
}

// harm is by how much the loss rises, on average.
func (l language) harm(whole, got [][]float32) float64 {
	var sum float64
	for i, v := range whole {
		sum += max(float64(got[i][0]-v[0]), 0)
	}
	return sum / float64(max(len(whole), 1))
}
