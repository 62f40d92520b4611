package sql

import (
	"context"
	"errors"
	"strings"

	"engram/db"
	"engram/quant/model"
	"engram/quant/model/media"
	"engram/sql/internal/duck"
	"engram/sql/types"
)

// embedMedia turns pictures or sounds into vectors, all in one call of the model.
func (e *Engine) embedMedia(ctx context.Context, kind, name string, items [][]byte) ([][]float32, error) {
	if e.options.MediaEncoder == nil {
		return nil, noMediaModel(kind, nil)
	}
	vectors, err := e.options.MediaEncoder(ctx, kind, name, items)
	if err != nil {
		return nil, mediaError(kind, err)
	}
	if len(vectors) != len(items) {
		return nil, types.Errorf(types.CodeInternalError, "the model gave %d vectors for %d inputs", len(vectors), len(items))
	}
	return vectors, nil
}

// mediaError gives errors of models for pictures and sounds their SQLSTATE.
func mediaError(kind string, err error) error {
	code := ""
	switch {
	case errors.Is(err, db.ErrNoModel):
		return noMediaModel(kind, err)
	case errors.Is(err, model.ErrNotFound):
		code = types.CodeUndefinedObject
	case errors.Is(err, model.ErrKind):
		code = types.CodeWrongObjectType
	case errors.Is(err, media.ErrTooLarge):
		code = types.CodeProgramLimitExceeded
	case errors.Is(err, media.ErrFormat), errors.Is(err, media.ErrDecode):
		code = types.CodeDataException
	default:
		return err
	}
	out := types.Errorf(code, "embed_%s: %s", kind, err)
	out.Cause = err
	return out
}

// noMediaModel is the error of embed_image and embed_audio when no model is installed.
func noMediaModel(kind string, cause error) *Error {
	e := types.Errorf(types.CodeObjectNotInPrerequisiteState, "embed_%s: no model for it is installed", kind).
		WithHint("Run \"make models\", or \"engram model import\" with the files of a model, and try again.")
	if e.Cause = cause; cause != nil {
		e.Detail = strings.TrimPrefix(cause.Error(), db.ErrNoModel.Error()+": ")
	}
	return e
}

// embedMediaChunk turns the pictures or sounds of a whole chunk into vectors in one call of each model named.
func (e *Engine) embedMediaChunk(ctx context.Context, kind string, args []duck.Vector, rows int, out *duck.Writer) error {
	byModel := map[string][]int{}
	for i := range rows {
		name := ""
		if len(args) > 2 {
			name = args[2].String(i)
		}
		byModel[name] = append(byModel[name], i)
	}
	for name, at := range byModel {
		items := make([][]byte, len(at))
		for k, i := range at {
			items[k] = args[1].Bytes(i)
		}
		vectors, err := e.embedMedia(ctx, kind, name, items)
		if err != nil {
			return err
		}
		for k, i := range at {
			out.SetFloats(i, vectors[k])
		}
	}
	return nil
}
