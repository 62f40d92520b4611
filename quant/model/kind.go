package model

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// ErrKind says that a model is for something else than was asked of it.
var ErrKind = errors.New("model: of another kind")

// The kinds of models: what they make vectors of, or that they write texts.
const (
	KindText     = "text"
	KindImage    = "image"
	KindAudio    = "audio"
	KindLanguage = "language"
)

// Kind says what a model is for.
func (m *Manifest) Kind() string {
	switch m.Architecture {
	case MobileNetV1, MobileNetV2:
		return KindImage
	case YAMNet, SpeechEmbedding:
		return KindAudio
	case Llama:
		return KindLanguage
	}
	return KindText
}

// openModel opens the model in a directory, whatever its kind.
func openModel(dir string, o *Options) (io.Closer, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	switch m.Kind() {
	case KindImage:
		return closer(openImages(dir, m, o))
	case KindAudio:
		return closer(openAudio(dir, m, o))
	case KindLanguage:
		return closer(OpenLanguageModel(dir, o))
	}
	return closer(Open(dir, o))
}

// closer keeps a nil pointer from becoming an io.Closer, which would not be nil.
func closer[T io.Closer](m T, err error) (io.Closer, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// of refuses a model that is for something else than wanted.
func (m *Manifest) of(kinds ...string) error {
	if k := m.Kind(); !slices.Contains(kinds, k) {
		return fmt.Errorf("%w: %q is for %s, not for %s", ErrKind, m.Name, k, kinds[0])
	}
	return nil
}

// asKind gives a model as one of the kind that the caller wants.
func asKind[T io.Closer](name string, m io.Closer) (T, error) {
	t, ok := m.(T)
	if !ok {
		return t, fmt.Errorf("%w: %q is a %T, not a %T", ErrKind, name, m, t)
	}
	return t, nil
}
