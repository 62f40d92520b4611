package vecindex

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/segment"
	"engram/index"
)

// TemporarySuffix ends the name of a file that is being written.
const TemporarySuffix = ".tmp"

// Write writes an index of kind and metric s under path, durably: after it returns, the file is there as a whole. On an error
// nothing is left under path that was not there before.
func Write(fs vfs.FS, path string, x Index, s Spec, dim int, owner Owner) error {
	err := write(fs, path+TemporarySuffix, x, header{kind: s.Kind, metric: s.Metric, profile: s.Profile, owner: owner,
		dim: dim, vectors: x.Len()})
	if err == nil {
		err = fs.Rename(path+TemporarySuffix, path)
	}
	if err != nil {
		fs.Remove(path + TemporarySuffix)
		return fmt.Errorf("vecindex: write %s: %w", path, err)
	}
	dir, err := fs.OpenDir(fs.PathDir(path))
	if err != nil {
		return fmt.Errorf("vecindex: write %s: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// write writes the header last, for only then its length is known; until then there are zeros, which are no header.
func write(fs vfs.FS, path string, x Index, h header) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = w.Write(make([]byte, headerSize))
	if err == nil {
		sum := xxhash.New()
		h.length, err = x.WriteTo(io.MultiWriter(w, sum))
		h.body = sum.Sum64()
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		_, err = f.WriteAt(h.bytes(), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// File is an open index file. Close may not run beside any other call.
type File struct {
	Index
	Kind    index.Kind
	Profile index.Profile
	Size    int64 // bytes of the file
	data    []byte
	sum     uint64
	unmap   func() error
}

// Open maps the index of rows that owner's segment has under path. Only the header and what the index's own package checks at
// once are checked; Verify reads the rest. The error is index.ErrFile when the file is not the one wanted: want is the metric, and
// the kind unless that is auto, for a build may have taken a cheaper one than it was asked for.
func Open(fs vfs.FS, path string, rows *index.Rows, want Spec, owner Owner) (*File, error) {
	data, unmap, err := segment.Map(fs, path)
	if err != nil {
		return nil, err
	}
	x, h, err := open(data, rows, want, owner)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vecindex: %s: %w", path, err), unmap())
	}
	return &File{Index: x, Kind: h.kind, Profile: h.profile, Size: int64(len(data)), data: data[headerSize:], sum: h.body, unmap: unmap}, nil
}

func open(data []byte, rows *index.Rows, want Spec, owner Owner) (Index, header, error) {
	h, err := parseHeader(data)
	if err != nil {
		return nil, h, err
	}
	switch {
	case h.owner != owner || h.dim != rows.Dim() || h.vectors != rows.Len():
		return nil, h, fmt.Errorf("%w: of other rows", index.ErrFile)
	case h.metric != want.Metric || want.Kind != index.KindAuto && h.kind != want.Kind:
		return nil, h, fmt.Errorf("%w: %s by %s is not what is asked for", index.ErrFile, h.kind, h.metric)
	}
	x, err := openKind(h.kind, data[headerSize:len(data):len(data)], rows)
	if err == nil && x.Len() != rows.Len() {
		err = fmt.Errorf("%w: of %d rows where there are %d", index.ErrFile, x.Len(), rows.Len())
	}
	return x, h, err
}

// Verify reads the whole file: its checksum, and what the index's own package checks. The error is index.ErrFile.
func (f *File) Verify() error {
	if xxhash.Sum64(f.data) != f.sum {
		return fmt.Errorf("%w: its checksum does not hold", index.ErrFile)
	}
	return f.Index.Verify()
}

// Close unmaps the file.
func (f *File) Close() error { return f.unmap() }
