package quantize

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"engram/quant"
)

// A journal is a mark and then frames, each the length of its payload (4 bytes), the payload's CRC-32C (4 bytes) and the
// payload. The first frame is the header as JSON: what the run is. Each further frame is a finished layer: the length of
// what describes it (4 bytes), that as JSON, then codes, scales, zero points and shift. Numbers are little-endian. What
// follows the last whole frame was being written when the run ended, and is cut off.

const journalMark = "engram quantize journal 1\n"

// maxDescription bounds the JSON of a frame.
const maxDescription = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// syncEvery is how much work may be lost when the machine, not only the program, stops.
const syncEvery = time.Second

// header says which run a journal belongs to.
type header struct {
	Input   string          `json:"input"`   // SHA-256 of the weight file and of model.json
	Options json.RawMessage `json:"options"` // those that the result depends on
	Texts   string          `json:"texts"`   // SHA-256 of the calibration texts
}

// outcome is a finished layer.
type outcome struct {
	report LayerReport
	q      *quant.Quantized // nil where the layer stays a float
	shift  []float32        // to add to the bias, or nil
}

// description is the part of a frame that is JSON.
type description struct {
	Report LayerReport
	Rows   int
	Cols   int
	Scheme quant.Scheme
	Codes  int // bytes
	Scales int // numbers, as the next two
	Zeros  int
	Shift  int
}

// journal appends to a file.
type journal struct {
	f      *os.File
	synced time.Time
}

// openJournal opens the journal at path for a run, making it if there is none, and returns the layers that it holds. One
// of another input or other options is begun anew; one that another run is writing gives ErrJournal.
func openJournal(path string, h header) (*journal, []outcome, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, nil, fmt.Errorf("quantize: %w", err)
	}
	j := &journal{f: f, synced: time.Now()}
	done, err := j.begin(path, h)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return j, done, nil
}

func (j *journal) begin(path string, h header) ([]outcome, error) {
	if err := lockFile(j.f); err != nil {
		return nil, fmt.Errorf("%w: %s is in use by another run: %w", ErrJournal, path, err)
	}
	b, err := io.ReadAll(j.f)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	want, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	have, done, end := readJournal(b)
	if string(have) != string(want) {
		done, end = nil, 0
	}
	if err := j.f.Truncate(int64(end)); err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	if _, err := j.f.Seek(int64(end), io.SeekStart); err != nil {
		return nil, fmt.Errorf("quantize: %w", err)
	}
	if end == 0 {
		if _, err := j.f.Write(appendFrame([]byte(journalMark), want)); err != nil {
			return nil, fmt.Errorf("quantize: %w", err)
		}
	}
	return done, nil
}

// append adds a finished layer.
func (j *journal) append(o *outcome) error {
	b, err := encodeOutcome(o)
	if err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	if _, err := j.f.Write(appendFrame(nil, b)); err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	if time.Since(j.synced) < syncEvery {
		return nil
	}
	j.synced = time.Now()
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.f.Close() }

// remove closes the journal and takes it away, after its run has ended well.
func (j *journal) remove() error {
	if err := errors.Join(os.Remove(j.f.Name()), j.f.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("quantize: %w", err)
	}
	return nil
}

func appendFrame(dst, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(payload, castagnoli))
	return append(dst, payload...)
}

// nextFrame splits a whole frame off b.
func nextFrame(b []byte) (payload, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, false
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-8) {
		return nil, nil, false
	}
	payload, rest = b[8:8+n], b[8+n:]
	return payload, rest, crc32.Checksum(payload, castagnoli) == binary.LittleEndian.Uint32(b[4:])
}

// readJournal gives the header and the layers of a journal, and where its last whole frame ends; 0 says that there is not
// even a header.
func readJournal(b []byte) (head []byte, done []outcome, end int) {
	if len(b) < len(journalMark) || string(b[:len(journalMark)]) != journalMark {
		return nil, nil, 0
	}
	head, rest, ok := nextFrame(b[len(journalMark):])
	if !ok {
		return nil, nil, 0
	}
	for {
		payload, after, ok := nextFrame(rest)
		if !ok {
			return head, done, len(b) - len(rest)
		}
		o, err := decodeOutcome(payload)
		if err != nil {
			return head, done, len(b) - len(rest)
		}
		done, rest = append(done, *o), after
	}
}

func encodeOutcome(o *outcome) ([]byte, error) {
	d := description{Report: o.report, Shift: len(o.shift)}
	if q := o.q; q != nil {
		d.Rows, d.Cols, d.Scheme = q.Rows, q.Cols, q.Scheme
		d.Codes, d.Scales, d.Zeros = quant.PackedBytes(q.Scheme.Bits, q.Rows*q.Cols), len(q.Scales), len(q.Zeros)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if size := int64(d.Codes) + 4*int64(d.Scales+d.Zeros+d.Shift); size > math.MaxUint32-maxDescription || len(text) > maxDescription {
		return nil, fmt.Errorf("%w: layer %q is too large for a journal", ErrJournal, o.report.Name)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	b = append(b, text...)
	if o.q != nil {
		b = append(b, o.q.Codes[:d.Codes]...)
		b = appendFloats(appendFloats(b, o.q.Scales), o.q.Zeros)
	}
	return appendFloats(b, o.shift), nil
}

func decodeOutcome(b []byte) (*outcome, error) {
	bad := func(what string) error { return fmt.Errorf("%w: damaged frame: %s", ErrJournal, what) }
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return nil, bad("length")
	}
	n := binary.LittleEndian.Uint32(b)
	var d description
	if err := json.Unmarshal(b[4:4+n], &d); err != nil {
		return nil, bad(err.Error())
	}
	b = b[4+n:]
	for _, v := range []int{d.Rows, d.Cols, d.Codes, d.Scales, d.Zeros, d.Shift} {
		if v < 0 || v > math.MaxInt32 {
			return nil, bad("sizes")
		}
	}
	if int64(d.Codes)+4*(int64(d.Scales)+int64(d.Zeros)+int64(d.Shift)) != int64(len(b)) {
		return nil, bad("sizes")
	}
	o := &outcome{report: d.Report}
	if d.Codes > 0 || d.Scales > 0 {
		q := &quant.Quantized{Rows: d.Rows, Cols: d.Cols, Scheme: d.Scheme, Codes: slices.Clone(b[:d.Codes])}
		b = b[d.Codes:]
		q.Scales, b = takeFloats(b, d.Scales)
		q.Zeros, b = takeFloats(b, d.Zeros)
		if err := q.Check(); err != nil {
			return nil, bad(err.Error())
		}
		o.q = q
	}
	o.shift, _ = takeFloats(b, d.Shift)
	return o, nil
}

func appendFloats(dst []byte, v []float32) []byte {
	for _, x := range v {
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}

// takeFloats splits n numbers off b; none are nil.
func takeFloats(b []byte, n int) ([]float32, []byte) {
	if n == 0 {
		return nil, b
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, b[4*n:]
}
