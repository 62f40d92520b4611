package media

import (
	"errors"
	"fmt"
)

// The errors of this package, found with errors.Is. The text around them says what was wrong.
var (
	// ErrFormat says that the bytes are in no format that is read here.
	ErrFormat = errors.New("media: unknown format")
	// ErrDecode says that the bytes are damaged or use a part of their format that is not read here.
	ErrDecode = errors.New("media: cannot be decoded")
	// ErrTooLarge says that a picture or a sound goes beyond Limits.
	ErrTooLarge = errors.New("media: too large")
)

// Limits bound what is decoded. The zero value is the default, and nil is fine.
//
// A picture takes up to 16 bytes of memory a pixel while it is decoded (a progressive JPEG keeps its coefficients), a sound
// four bytes a sample.
type Limits struct {
	Bytes   int // of the encoded picture or sound; 0 means 64 MiB
	Pixels  int // width times height of a picture; 0 means 33,554,432
	Samples int // samples a channel of a sound; 0 means 33,554,432, twelve minutes at 44.1 kHz
}

func (l *Limits) orDefault() Limits {
	var out Limits
	if l != nil {
		out = *l
	}
	if out.Bytes <= 0 {
		out.Bytes = 64 << 20
	}
	if out.Pixels <= 0 {
		out.Pixels = 32 << 20
	}
	if out.Samples <= 0 {
		out.Samples = 32 << 20
	}
	return out
}

// guard runs a decoder. Those of others are made with care, but a panic in one must not end the process.
func guard(what string, decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s: %v", ErrDecode, what, r)
		}
	}()
	return decode()
}
