package exchange

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"engram/quant/weights"
)

// Safetensors is one file of the format of that name, several with an index, or a Hugging Face folder that holds them
// (https://github.com/huggingface/safetensors#format): eight bytes with the length of a JSON header, the header, the numbers.
type Safetensors struct {
	parts
	metadata map[string]string
	config   []byte
}

// Limits on what describes files of safetensors.
const (
	maxHeaderBytes = 64 << 20 // a header, an index or a config.json
	maxShards      = 1024
)

// The names of the files in a Hugging Face folder.
const (
	safetensorsFile  = "model.safetensors"
	safetensorsIndex = "model.safetensors.index.json"
	configFile       = "config.json"
)

// safetensorsTypes are the types that are read, by their names; others are named but not read.
var safetensorsTypes = map[string]weights.DType{
	"F64": weights.Float64, "F32": weights.Float32, "F16": weights.Float16, "BF16": weights.BFloat16, "I64": weights.Int64,
	"I32": weights.Int32, "I16": weights.Int16, "I8": weights.Int8, "U8": weights.Uint8, "BOOL": weights.Bool,
}

// safetensorsSizes are the bytes of an element of types that are not read.
var safetensorsSizes = map[string]int{"U16": 2, "U32": 4, "U64": 8, "F8_E4M3": 1, "F8_E5M2": 1}

// ReadSafetensors reads one file that lies in memory. b must not change while the result is used; of big tensors it is all
// there is.
func ReadSafetensors(b []byte, o *Options) (*Safetensors, error) {
	s := &Safetensors{parts: parts{format: FormatSafetensors}, metadata: map[string]string{}}
	return s, s.file(b, o.limit(), nil)
}

// isSafetensors says whether b begins as such a file does.
func isSafetensors(b []byte) bool {
	return len(b) > 8 && b[8] == '{' && le.Uint64(b) >= 2 && le.Uint64(b) <= uint64(len(b)-8)
}

// file adds the tensors of one file, or of those only that want is true of.
func (s *Safetensors) file(b []byte, limit int64, want func(name string) bool) error {
	if !isSafetensors(b) {
		return fmt.Errorf("%w: no header of safetensors", weights.ErrFormat)
	}
	n := le.Uint64(b)
	if n > maxHeaderBytes {
		return fmt.Errorf("%w: header of %d bytes", weights.ErrTooLarge, n)
	}
	head, body := b[8:8+n], b[8+n:]
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(head, &fields); err != nil {
		return fmt.Errorf("%w: header: %w", weights.ErrCorrupt, err)
	}
	type entry struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
		name    string
	}
	var entries []entry
	for name, raw := range fields {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &s.metadata); err != nil {
				return fmt.Errorf("%w: metadata: %w", weights.ErrCorrupt, err)
			}
			continue
		}
		e := entry{name: name}
		if err := json.Unmarshal(raw, &e); err != nil || len(e.Offsets) != 2 {
			return fmt.Errorf("%w: header of tensor %.80q", weights.ErrCorrupt, name)
		}
		if want == nil || want(name) {
			entries = append(entries, e)
		}
	}
	// In the order of the numbers, which is that of the file; the header is a map and has none.
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.name, b.name))
	})
	for _, e := range entries {
		from, to := e.Offsets[0], e.Offsets[1]
		if from < 0 || to < from || to > int64(len(body)) {
			return fmt.Errorf("%w: tensor %q at %d to %d of %d bytes", weights.ErrCorrupt, e.name, from, to, len(body))
		}
		p := part{Info: Info{Name: e.name, Type: e.DType, DType: safetensorsTypes[e.DType], Shape: []int{}}, data: body[from:to:to]}
		for _, d := range e.Shape {
			p.Shape = append(p.Shape, clampInt(d))
		}
		if err := s.add(p, limit); err != nil {
			return err
		}
		size := cmp.Or(p.DType.Size(), safetensorsSizes[e.DType])
		if size == 0 {
			return fmt.Errorf("%w: tensor %q of type %.20q", weights.ErrUnsupported, e.name, e.DType)
		}
		if n := s.infos[len(s.infos)-1].Params; int64(n)*int64(size) != to-from {
			return fmt.Errorf("%w: tensor %q of shape %v and %s has %d bytes", weights.ErrCorrupt, e.name, p.Shape, e.DType, to-from)
		}
	}
	return nil
}

// Metadata is what the file says of itself. The caller must not change it.
func (s *Safetensors) Metadata() map[string]string { return s.metadata }

// Config is the config.json of a Hugging Face folder, nil where there is none. The caller must not change it.
func (s *Safetensors) Config() []byte { return s.config }

// openIndex reads an index of shards and opens the tensors that it names in each.
func openIndex(path string, o *Options) (*Safetensors, error) {
	raw, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var index struct {
		Metadata map[string]any    `json:"metadata"`
		Weights  map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(raw, &index); err != nil || index.Weights == nil {
		return nil, fmt.Errorf("%w: index of safetensors", weights.ErrFormat)
	}
	shards := slices.Compact(slices.Sorted(maps.Values(index.Weights)))
	if len(shards) > maxShards {
		return nil, fmt.Errorf("%w: %d shards", weights.ErrTooLarge, len(shards))
	}
	s := &Safetensors{parts: parts{format: FormatSafetensors}, metadata: map[string]string{}}
	for k, v := range index.Metadata {
		s.metadata[k] = fmt.Sprint(v)
	}
	for _, shard := range shards {
		if err = s.shard(filepath.Dir(path), shard, o.limit(), index.Weights); err != nil {
			s.Close()
			return nil, fmt.Errorf("shard %.80q: %w", shard, err)
		}
	}
	if len(s.list) != len(index.Weights) {
		s.Close()
		return nil, fmt.Errorf("%w: the index names %d tensors, the shards have %d of them", weights.ErrCorrupt, len(index.Weights), len(s.list))
	}
	return s, nil
}

// shard adds the tensors that the index places in one file, which must lie beside the index.
func (s *Safetensors) shard(dir, name string, limit int64, index map[string]string) error {
	if filepath.Base(name) != name || !filepath.IsLocal(name) {
		return fmt.Errorf("%w: not a plain file name", weights.ErrCorrupt)
	}
	b, free, err := openBytes(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	s.free = append(s.free, free)
	return s.file(b, limit, func(tensor string) bool { return index[tensor] == name })
}

// openFolder opens a Hugging Face folder.
func openFolder(dir string, o *Options) (s *Safetensors, err error) {
	switch {
	case exists(filepath.Join(dir, safetensorsIndex)):
		s, err = openIndex(filepath.Join(dir, safetensorsIndex), o)
	default:
		s, err = openSafetensors(filepath.Join(dir, safetensorsFile), o)
	}
	if err != nil {
		return nil, err
	}
	if s.config, err = readSmall(filepath.Join(dir, configFile)); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func openSafetensors(path string, o *Options) (*Safetensors, error) {
	b, free, err := openBytes(path)
	if err != nil {
		return nil, err
	}
	s, err := ReadSafetensors(b, o)
	if err != nil {
		free()
		return nil, err
	}
	s.free = append(s.free, free)
	return s, nil
}

// readSmall reads a file that describes others.
func readSmall(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	if st.Size() > maxHeaderBytes || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s has %d bytes", weights.ErrTooLarge, filepath.Base(path), st.Size())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("exchange: %w", err)
	}
	return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
