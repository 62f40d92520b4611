package media

import (
	"bytes"
	"encoding/binary"
)

// turn is how a picture lies in its file: the value of the EXIF tag Orientation (CIPA DC-008, 4.6.4), 1 to 8. 0 counts as 1.
type turn int

// swaps says whether rows of the file are columns of the picture.
func (t turn) swaps() bool { return t >= 5 }

// source maps a pixel of the picture of width w and height h, as it is looked at, to the pixel of the file.
func (t turn) source(x, y, w, h int) (int, int) {
	switch t {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, w - 1 - x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return h - 1 - y, x
	}
	return x, y
}

// exifTurn looks for the orientation in the EXIF data of a JPEG. Data that make no sense count as none: they do not belong to
// the picture.
func exifTurn(b []byte) turn {
	for b = b[2:]; len(b) >= 4 && b[0] == 0xff && b[1] != 0xda; {
		n := int(binary.BigEndian.Uint16(b[2:])) + 2
		if n < 4 || n > len(b) {
			return 0
		}
		if body, ok := bytes.CutPrefix(b[4:n], []byte("Exif\x00\x00")); ok && b[1] == 0xe1 {
			return tiffTurn(body)
		}
		b = b[n:]
	}
	return 0
}

// tiffTurn reads tag 0x0112 of the first directory of a TIFF header.
func tiffTurn(b []byte) turn {
	var order binary.ByteOrder = binary.BigEndian
	if len(b) < 8 {
		return 0
	}
	if b[0] == 'I' {
		order = binary.LittleEndian
	}
	at := order.Uint32(b[4:])
	if uint64(at)+2 > uint64(len(b)) {
		return 0
	}
	dir := b[at:]
	entries := dir[2:]
	for range order.Uint16(dir) {
		if len(entries) < 12 {
			return 0
		}
		if order.Uint16(entries) == 0x0112 {
			if v := order.Uint16(entries[8:]); order.Uint16(entries[2:]) == 3 && v >= 1 && v <= 8 {
				return turn(v)
			}
			return 0
		}
		entries = entries[12:]
	}
	return 0
}
