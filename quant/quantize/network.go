package quantize

import (
	"context"

	"engram/quant/model"
	"engram/quant/model/layer"
)

// network is a model that can be run on texts.
type network interface {
	Params() *layer.Params
	// outputs runs the model on texts and gives a vector for each.
	outputs(ctx context.Context, texts []string) ([][]float32, error)
	Close() error
}

// openNetwork opens the model in a directory. It runs on one thread, so that what its layers see comes in a fixed order.
func openNetwork(dir string, o *Options) (network, error) {
	e, err := model.Open(dir, &model.Options{Threads: 1, Logger: o.Logger})
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
