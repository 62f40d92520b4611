package media

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"testing"

	"golang.org/x/image/bmp"
	"pgregory.net/rapid"
)

// webp1x1 is a lossless WebP of one transparent black pixel.
const webp1x1 = "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="

// painted is a picture whose pixels all differ a little.
func painted(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x*7 + y*13) % 256), 255})
		}
	}
	return m
}

func encoded(tb testing.TB, format string, m image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 100})
	case "gif":
		err = gif.Encode(&b, m, nil)
	case "bmp":
		err = bmp.Encode(&b, m)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func decoded(tb testing.TB, b []byte) *Picture {
	tb.Helper()
	p, err := DecodePicture(b, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestPictureFormats(t *testing.T) {
	want := painted(40, 40)
	// The mean error a number: a GIF has 256 colours, a JPEG half the chroma.
	for format, most := range map[string]float64{"png": 0, "bmp": 0, "jpeg": 10, "gif": 20} {
		p := decoded(t, encoded(t, format, want))
		if p.Format != format || p.Width != 40 || p.Height != 40 {
			t.Errorf("%s: %+v", format, p)
		}
		got := make([]float32, 40*40*3)
		p.Square(got, 40)
		var sum float64
		for i, v := range got {
			sum += math.Abs(float64(v) - float64(want.Pix[i/3*4+i%3]))
		}
		if mean := sum / float64(len(got)); mean > most {
			t.Errorf("%s: numbers are off by %v on average, %v at most", format, mean, most)
		}
	}
	b, _ := base64.StdEncoding.DecodeString(webp1x1)
	p := decoded(t, b)
	got := make([]float32, 2*2*3)
	p.Square(got, 2)
	if p.Format != "webp" || got[0] != 255 || got[11] != 255 {
		t.Errorf("webp: %+v, pixels %v", p, got)
	}
}

// TestPixelKinds reads the same picture through every kind of image; transparent pixels lie over white.
func TestPixelKinds(t *testing.T) {
	src := painted(6, 5)
	src.SetNRGBA(1, 2, color.NRGBA{200, 100, 0, 128})
	src.SetNRGBA(3, 4, color.NRGBA{9, 9, 9, 0})
	grey := image.NewGray(src.Rect)
	kinds := []image.Image{src, image.NewRGBA(src.Rect), image.NewNRGBA64(src.Rect), image.NewRGBA64(src.Rect), grey, image.NewYCbCr(src.Rect, image.YCbCrSubsampleRatio420)}
	for _, k := range kinds[1:] {
		if d, ok := k.(interface{ Set(x, y int, c color.Color) }); ok {
			for y := range 5 {
				for x := range 6 {
					d.Set(x, y, src.At(x, y))
				}
			}
		}
	}
	for _, k := range kinds {
		at := pixels(k)
		for y := range 5 {
			for x := range 6 {
				cr, cg, cb, ca := k.At(x, y).RGBA()
				for c, v := range [3]uint32{cr, cg, cb} {
					r, g, b := at(x, y)
					if want := float64(v+0xffff-ca) / 257; math.Abs(float64([3]float32{r, g, b}[c])-want) > 0.51 {
						t.Errorf("%T at %d %d: %v %v %v, want %v for number %d", k, x, y, r, g, b, want, c)
					}
				}
			}
		}
	}
	if r, g, b := pixels(src)(3, 4); r != 255 || g != 255 || b != 255 {
		t.Errorf("a transparent pixel is %v %v %v, not white", r, g, b)
	}
}

// plainSquare is the reference of Square: every new pixel from its definition.
func plainSquare(p *Picture, side int) []float32 {
	cut := min(p.Width, p.Height)
	x0, y0 := (p.Width-cut)/2, (p.Height-cut)/2
	ratio := float64(cut) / float64(side)
	base := max(ratio, 1)
	at := pixels(p.raw)
	out := make([]float32, 0, side*side*3)
	for y := range side {
		for x := range side {
			cx, cy := (float64(x)+0.5)*ratio-0.5, (float64(y)+0.5)*ratio-0.5
			var sum [3]float64
			var weight float64
			for j := range cut {
				for i := range cut {
					w := max(1-math.Abs(float64(i)-cx)/base, 0) * max(1-math.Abs(float64(j)-cy)/base, 0)
					r, g, b := at(p.turn.source(x0+i, y0+j, p.Width, p.Height))
					sum[0], sum[1], sum[2] = sum[0]+w*float64(r), sum[1]+w*float64(g), sum[2]+w*float64(b)
					weight += w
				}
			}
			out = append(out, float32(sum[0]/weight), float32(sum[1]/weight), float32(sum[2]/weight))
		}
	}
	return out
}

func TestSquareIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h, side := rapid.IntRange(1, 30).Draw(t, "w"), rapid.IntRange(1, 30).Draw(t, "h"), rapid.IntRange(1, 30).Draw(t, "side")
		m := painted(w, h)
		p := &Picture{Width: w, Height: h, raw: m, turn: turn(rapid.IntRange(0, 8).Draw(t, "turn"))}
		if p.turn.swaps() {
			p.Width, p.Height = h, w
		}
		got := make([]float32, side*side*3)
		p.Square(got, side)
		for i, want := range plainSquare(p, side) {
			if math.Abs(float64(got[i]-want)) > 0.01 {
				t.Fatalf("%d x %d to %d: number %d is %v, want %v", w, h, side, i, got[i], want)
			}
		}
	})
}

// TestShrinkingKeepsNoPattern shrinks stripes of one pixel: what is left is grey, not other stripes.
func TestShrinkingKeepsNoPattern(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 300, 300))
	for i := range m.Pix {
		m.Pix[i] = uint8(i % 2 * 255)
	}
	got := make([]float32, 40*40*3)
	decoded(t, encoded(t, "png", m)).Square(got, 40)
	for i, v := range got {
		if math.Abs(float64(v)-127.5) > 10 {
			t.Fatalf("number %d is %v, want about 127.5", i, v)
		}
	}
}

// exif puts an orientation into a JPEG.
func exif(jpg []byte, order binary.AppendByteOrder, value uint16) []byte {
	mark := "II*\x00"
	if order == binary.AppendByteOrder(binary.BigEndian) {
		mark = "MM\x00*"
	}
	body := order.AppendUint32(append([]byte("Exif\x00\x00"), mark...), 8)
	body = order.AppendUint16(body, 2)
	for _, tag := range []uint16{0x0100, 0x0112} {
		body = order.AppendUint16(order.AppendUint16(body, tag), 3)
		body = order.AppendUint16(order.AppendUint16(order.AppendUint32(body, 1), value), 0)
	}
	out := append([]byte{}, jpg[:2]...)
	out = binary.BigEndian.AppendUint16(append(out, 0xff, 0xe0), 4) // a segment that is passed over
	out = append(out, 1, 2)
	out = binary.BigEndian.AppendUint16(append(out, 0xff, 0xe1), uint16(len(body)+2))
	return append(append(out, body...), jpg[2:]...)
}

// TestOrientation: the corner that is red in the file goes where the tag says (row 0, column 0 of the file lies at ...).
func TestOrientation(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 32, 16))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	for y := range 8 {
		for x := range 8 {
			m.SetNRGBA(x, y, color.NRGBA{0, 0, 0, 255})
		}
	}
	jpg := encoded(t, "jpeg", m)
	for value, corner := range [...]string{1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left", 5: "top left", 6: "top right", 7: "bottom right", 8: "bottom left"} {
		if value == 0 {
			continue
		}
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			p := decoded(t, exif(jpg, order, uint16(value)))
			w, h := 32, 16
			if value >= 5 {
				w, h = h, w
			}
			if p.Width != w || p.Height != h {
				t.Errorf("orientation %d: %d x %d", value, p.Width, p.Height)
			}
			line := make([]float32, 3)
			for name, at := range map[string][2]int{"top left": {2, 2}, "top right": {w - 3, 2}, "bottom left": {2, h - 3}, "bottom right": {w - 3, h - 3}} {
				p.rows()(line, at[0], at[1])
				if dark := line[0] < 100; dark != (name == corner) {
					t.Errorf("orientation %d: %s is %v; the dark corner should be %s", value, name, line, corner)
				}
			}
		}
	}
	for _, odd := range []uint16{0, 9, 65535} {
		if p := decoded(t, exif(jpg, binary.BigEndian, odd)); p.turn != 0 {
			t.Errorf("orientation %d taken as %d", odd, p.turn)
		}
	}
}

func TestPictureLimits(t *testing.T) {
	b := encoded(t, "png", painted(20, 10))
	for name, l := range map[string]Limits{"pixels": {Pixels: 199}, "bytes": {Bytes: len(b) - 1}} {
		if _, err := DecodePicture(b, &l); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodePicture(b, &Limits{Pixels: 200, Bytes: len(b)}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
	// A header that claims four thousand million pixels is refused before they are decoded.
	bomb := bytes.Clone(b)
	binary.BigEndian.PutUint32(bomb[16:], 1<<16-1)
	binary.BigEndian.PutUint32(bomb[20:], 1<<16-1)
	binary.BigEndian.PutUint32(bomb[29:], crc32.ChecksumIEEE(bomb[12:29]))
	if _, err := DecodePicture(bomb, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("bomb: %v", err)
	}
	scans := append(encoded(t, "jpeg", painted(8, 8)), bytes.Repeat([]byte{0xff, 0xda, 0, 3, 0}, maxScans+1)...)
	if _, err := DecodePicture(scans, nil); !errors.Is(err, ErrDecode) {
		t.Errorf("scans: %v", err)
	}
}

func TestPictureDamage(t *testing.T) {
	if _, err := DecodePicture([]byte("<svg/>"), nil); !errors.Is(err, ErrFormat) {
		t.Errorf("svg: %v", err)
	}
	if _, err := DecodePicture(nil, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("nothing: %v", err)
	}
	for _, format := range []string{"png", "jpeg", "gif", "bmp"} {
		b := encoded(t, format, painted(9, 7))
		for n := range b {
			if _, err := DecodePicture(b[:n], nil); err == nil && n < len(b)/2 {
				t.Errorf("%s cut to %d of %d bytes is taken", format, n, len(b))
			} else if err != nil && !errors.Is(err, ErrDecode) && !errors.Is(err, ErrFormat) {
				t.Errorf("%s cut to %d bytes: %v", format, n, err)
			}
		}
	}
	if err := guard("test", func() error { panic("boom") }); !errors.Is(err, ErrDecode) {
		t.Errorf("panic: %v", err)
	}
	empty := codec{name: "test", config: func([]byte) (image.Config, error) { return image.Config{}, nil }}
	if _, err := empty.picture(nil, &Limits{}); !errors.Is(err, ErrDecode) {
		t.Errorf("no width: %v", err)
	}
}

func FuzzDecodePicture(f *testing.F) {
	for _, format := range []string{"png", "jpeg", "gif", "bmp"} {
		f.Add(encoded(f, format, painted(5, 4)))
	}
	f.Add(exif(encoded(f, "jpeg", painted(5, 4)), binary.LittleEndian, 6))
	b, _ := base64.StdEncoding.DecodeString(webp1x1)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePicture(b, &Limits{Pixels: 1 << 16})
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrDecode) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		dst := make([]float32, 8*8*3)
		p.Square(dst, 8)
		for _, v := range dst {
			if !(v >= -0.01 && v <= 255.01) {
				t.Fatalf("a pixel is %v", v)
			}
		}
	})
}
