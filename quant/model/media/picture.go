package media

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// Picture is a decoded picture. It may be read by several goroutines.
type Picture struct {
	Format        string // "png", "jpeg", "gif", "bmp" or "webp"
	Width, Height int    // as it is looked at, after it was turned as its EXIF data say

	raw  image.Image
	turn turn
}

// codec is one format of pictures.
type codec struct {
	name   string
	magic  string // what its files begin with; '?' stands for any byte
	config func(b []byte) (image.Config, error)
	decode func(b []byte) (image.Image, error)
}

// reader adapts a decoder that reads to one that takes bytes.
func reader[T any](f func(r *bytes.Reader) (T, error)) func([]byte) (T, error) {
	return func(b []byte) (T, error) { return f(bytes.NewReader(b)) }
}

var codecs = []codec{
	{"png", "\x89PNG\r\n\x1a\n", reader(func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) }),
		reader(func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) })},
	{"jpeg", "\xff\xd8\xff", reader(func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) }), decodeJPEG},
	{"gif", "GIF8?a", reader(func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) }),
		reader(func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) })},
	{"bmp", "BM", reader(func(r *bytes.Reader) (image.Config, error) { return bmp.DecodeConfig(r) }),
		reader(func(r *bytes.Reader) (image.Image, error) { return bmp.Decode(r) })},
	{"webp", "RIFF????WEBP", reader(func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) }),
		reader(func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) })},
}

// begins says whether b begins with magic, in which '?' stands for any byte.
func begins(b []byte, magic string) bool {
	if len(b) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && b[i] != magic[i] {
			return false
		}
	}
	return true
}

// DecodePicture decodes a picture. Its format is told by its first bytes; of an animation it is the first frame.
// ErrFormat says that it is none of the formats of this package, ErrTooLarge that it is beyond the limits, which is found out
// before its pixels are decoded, ErrDecode that it is damaged.
func DecodePicture(b []byte, l *Limits) (*Picture, error) {
	limits := l.orDefault()
	if len(b) > limits.Bytes {
		return nil, fmt.Errorf("%w: a picture of %d bytes, at most %d", ErrTooLarge, len(b), limits.Bytes)
	}
	for _, c := range codecs {
		if begins(b, c.magic) {
			return c.picture(b, &limits)
		}
	}
	return nil, fmt.Errorf("%w: %d bytes that are no PNG, JPEG, GIF, BMP or WebP", ErrFormat, len(b))
}

func (c *codec) picture(b []byte, limits *Limits) (p *Picture, err error) {
	err = guard(c.name, func() error {
		conf, err := c.config(b)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDecode, c.name, err)
		}
		if conf.Width < 1 || conf.Height < 1 {
			return fmt.Errorf("%w: %s: %d x %d pixels", ErrDecode, c.name, conf.Width, conf.Height)
		}
		if conf.Width > limits.Pixels/conf.Height {
			return fmt.Errorf("%w: a picture of %d x %d pixels, at most %d", ErrTooLarge, conf.Width, conf.Height, limits.Pixels)
		}
		raw, err := c.decode(b)
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDecode, c.name, err)
		}
		if raw.Bounds().Empty() { // a GIF's frame may be
			return fmt.Errorf("%w: %s: no pixels", ErrDecode, c.name)
		}
		p = &Picture{Format: c.name, Width: raw.Bounds().Dx(), Height: raw.Bounds().Dy(), raw: raw}
		if c.name == "jpeg" {
			p.turn = exifTurn(b)
		}
		if p.turn.swaps() {
			p.Width, p.Height = p.Height, p.Width
		}
		return nil
	})
	return p, err
}

// maxScans bounds the scans of a progressive JPEG. Each visits the whole picture, so many small ones would keep a processor busy
// for hours; encoders make about ten.
const maxScans = 500

func decodeJPEG(b []byte) (image.Image, error) {
	if n := bytes.Count(b, []byte{0xff, 0xda}); n > maxScans {
		return nil, fmt.Errorf("%d scans, at most %d", n, maxScans)
	}
	return jpeg.Decode(bytes.NewReader(b))
}
