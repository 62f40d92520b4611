package model

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"engram/quant/weights"
	"engram/quant/weights/exchange"
)

// maxTFLiteBytes bounds a TFLite file, which a FlatBuffer does too.
const maxTFLiteBytes = 2<<30 - 1

// isTFLite says whether a file is a FlatBuffer of TensorFlow Lite, by the mark in it.
func isTFLite(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [8]byte
	_, err = io.ReadFull(f, head[:])
	return err == nil && string(head[4:]) == "TFL3"
}

// writeTFLite writes the files of the model in a TFLite file into dir.
func writeTFLite(ctx context.Context, src, dir string, opt *ImportOptions) error {
	b, err := readBounded(src, maxTFLiteBytes)
	if err != nil {
		return err
	}
	opt.Progress("read", int64(len(b)), int64(len(b)))
	net, err := exchange.ReadTFLite(b, nil)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, src, err)
	}
	defer net.Close()
	m := &Manifest{Source: Source{File: filepath.Base(src), SHA256: bytesSHA256(b)}}
	if m.Architecture, err = tfliteArchitecture(net.Graph()); err != nil {
		return err
	}
	copyNet := map[string]func(f *follower, m *Manifest) int{
		MobileNetV2: (*follower).tfliteMobileNetV2, YAMNet: (*follower).tfliteYAMNet,
	}[m.Architecture]
	return writeMedia(ctx, m, src, dir, int64(len(b)), opt, func(s *tensorSink) (classes int, err error) {
		f := follow(net, m.Architecture, s)
		classes = copyNet(f, m)
		return classes, f.result()
	})
}

// writeMedia writes the files of a model for pictures or sounds into dir. copyNet writes the tensors, fills in what the
// manifest says of the network, and gives the number of classes. size is about how many bytes there are to write.
func writeMedia(ctx context.Context, m *Manifest, src, dir string, size int64, opt *ImportOptions, copyNet func(s *tensorSink) (int, error)) error {
	m.Format, m.Name = manifestFormat, opt.Name
	path := filepath.Join(dir, WeightsFile)
	w, err := weights.CreateV2(path, &weights.WriterOptions{Metadata: map[string]string{"engram.architecture": m.Architecture}})
	if err != nil {
		return err
	}
	defer w.Abort()
	var written int64
	classes, err := copyNet(&tensorSink{ctx: ctx, w: w, done: func(n int) {
		written += int64(n)
		opt.Progress("write", min(written, size), size)
	}})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	opt.Progress("write", size, size)
	sum, err := fileSHA256(path)
	if err != nil {
		return err
	}
	m.Weights = FileRef{WeightsFile, sum}
	if classes > 0 {
		if err := importLabels(m, src, dir, opt.Labels, classes); err != nil {
			return err
		}
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	return m.write(dir)
}
