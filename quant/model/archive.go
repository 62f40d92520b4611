package model

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// Limits on what is imported.
const (
	maxSourceFiles = 10_000
	maxSourceBytes = 4 << 30 // of an archive, unpacked
	maxKeptBytes   = 2 << 30 // of the files that are kept in memory
)

// bundle is the files of a source that may matter, by slash-separated path. They are held in memory: nothing of an
// archive is ever written under a name that the archive chose.
type bundle struct {
	files  map[string][]byte
	name   string // base name of the source
	sha256 string
}

// wanted says whether a file of a package can belong to a model.
func wanted(name string) bool {
	base := path.Base(name)
	return base == "package.json" || base == "model.json" || base == "vocab.json" || base == speechBandsFile || base == speechLayerFile ||
		strings.Contains(base, "-shard") || strings.HasSuffix(base, ".bin")
}

// readBundle reads a .tgz file or a directory. progress is told how many bytes of how many have been read.
func readBundle(ctx context.Context, src string, progress func(done, total int64)) (*bundle, error) {
	st, err := os.Stat(src)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	b := &bundle{files: map[string][]byte{}, name: filepath.Base(src)}
	h := sha256.New()
	if st.IsDir() {
		err = b.readDir(ctx, src, h, progress)
	} else {
		err = b.readArchive(ctx, src, st.Size(), h, progress)
	}
	if err != nil {
		return nil, err
	}
	b.sha256 = hex.EncodeToString(h.Sum(nil))
	return b, nil
}

// readArchive reads a gzipped tar file, front to back. Only regular files are looked at; links and devices are not.
func (b *bundle) readArchive(ctx context.Context, src string, size int64, h hash.Hash, progress func(done, total int64)) error {
	f, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	defer f.Close()
	in := &meter{ctx: ctx, r: io.TeeReader(f, h), told: func(n int64) { progress(n, size) }}
	gz, err := gzip.NewReader(in)
	if err != nil {
		return fmt.Errorf("%w: %s is not a .tgz file: %w", ErrSource, src, err)
	}
	unpacked := &io.LimitedReader{R: gz, N: maxSourceBytes}
	tr := tar.NewReader(unpacked)
	var kept int64
	for n := 0; ; n++ {
		head, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return b.archiveError(ctx, src, err)
		}
		if n >= maxSourceFiles || unpacked.N <= 0 {
			return fmt.Errorf("%w: %s has more than %d files or %d bytes", ErrSource, src, maxSourceFiles, int64(maxSourceBytes))
		}
		name := path.Clean(head.Name)
		if head.Typeflag != tar.TypeReg || !filepath.IsLocal(name) || !wanted(name) {
			continue
		}
		if head.Size > maxKeptBytes-kept {
			return fmt.Errorf("%w: files of %s exceed %d bytes", ErrSource, src, int64(maxKeptBytes))
		}
		var data bytes.Buffer // grows with what is read, not with what the archive claims
		if _, err := io.Copy(&data, tr); err != nil {
			return b.archiveError(ctx, src, err)
		}
		kept += int64(data.Len())
		b.files[name] = data.Bytes()
	}
	_, err = io.Copy(io.Discard, in) // the hash is of the whole file
	return b.archiveError(ctx, src, err)
}

func (b *bundle) archiveError(ctx context.Context, src string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: %s: %w", ErrSource, src, err)
}

// readDir reads the files of an unpacked package, those beside a model.json and in the folders above it.
func (b *bundle) readDir(ctx context.Context, src string, h hash.Hash, progress func(done, total int64)) error {
	var names []string
	var total int64
	err := filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(src, p)
		if err != nil || !d.Type().IsRegular() || !wanted(filepath.ToSlash(rel)) {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		total += st.Size()
		if names = append(names, rel); len(names) > maxSourceFiles || total > maxKeptBytes {
			return fmt.Errorf("%w: more than %d files or %d bytes", ErrSource, maxSourceFiles, int64(maxKeptBytes))
		}
		return ctx.Err()
	})
	if err != nil {
		return b.dirError(src, err)
	}
	sort.Strings(names)
	var done int64
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := readBounded(filepath.Join(src, n), maxKeptBytes)
		if err != nil {
			return err
		}
		h.Write(data)
		b.files[filepath.ToSlash(n)] = data
		done += int64(len(data))
		progress(done, max(total, done))
	}
	return nil
}

func (b *bundle) dirError(src string, err error) error {
	if errors.Is(err, ErrSource) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("model: reading %s: %w", src, err)
}

// meter counts the bytes that pass, and stops when the context is done.
type meter struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	last int64 // n when told was last called
	told func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	if m.n-m.last >= 1<<20 || err == io.EOF {
		m.last = m.n
		m.told(m.n)
	}
	return n, err
}
