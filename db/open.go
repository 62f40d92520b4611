package db

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/keys"
	"engram/db/internal/segment"
	"engram/db/internal/vecindex"
)

// What lies in a database's directory.
const (
	lockFile   = "LOCK"
	pebbleDir  = "pebble"
	segmentDir = "segments"
)

// Open opens the database in dir and makes it when there is none. Errors: ErrLocked while another process or another DB of this
// one has it open, ErrFormat when a newer version wrote it, ErrCorrupt when something is missing or broken.
func Open(dir string, o *Options) (*DB, error) {
	opt := o.withDefaults()
	d := &DB{dir: dir, opt: opt, fs: opt.FS, log: opt.Logger, recent: newRecentWrites(), unswept: map[*arena]bool{},
		seals: make(chan struct{}, 1), merges: make(chan struct{}, 1), builds: make(chan struct{}, 1), stop: make(chan struct{}),
		wake: make(chan struct{}, 1), wakeMerger: make(chan struct{}, 1), wakeIndexer: make(chan struct{}, 1)}
	d.seals <- struct{}{}
	d.merges <- struct{}{}
	d.builds <- struct{}{}
	d.closing, d.cancel = context.WithCancel(context.Background())
	d.drained.L = &d.mu
	d.encoders.open = opt.TextEncoder
	if err := d.open(); err != nil {
		d.cancel()
		return nil, errors.Join(err, d.shut())
	}
	if !opt.NoBackground {
		d.working.Add(3)
		go d.background()
		go d.merger()
		go d.indexer()
		d.wakeBackground()
	}
	return d, nil
}

func (d *DB) open() error {
	if d.fs == vfs.Default {
		abs, err := filepath.Abs(d.dir)
		if err != nil {
			return fmt.Errorf("db: open %s: %w", d.dir, err)
		}
		d.dir = abs
	}
	d.segDir = d.fs.PathJoin(d.dir, segmentDir)
	if err := d.makeDirs(); err != nil {
		return fmt.Errorf("db: open %s: %w", d.dir, err)
	}
	lock, err := d.fs.Lock(d.fs.PathJoin(d.dir, lockFile))
	if err != nil {
		return fmt.Errorf("%w: %s: %v", ErrLocked, d.dir, err)
	}
	d.lock = lock
	if err := d.openPebble(); err != nil {
		return err
	}
	d.counters = newCounters(d.kv)
	d.blocks = segment.NewCache(d.opt.MemoryLimit / 8)
	if err := d.checkFormat(); err != nil {
		return err
	}
	return d.load()
}

// makeDirs makes the directories, and makes their names durable.
func (d *DB) makeDirs() error {
	if err := d.fs.MkdirAll(d.segDir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{d.dir, d.fs.PathDir(d.dir)} {
		f, err := d.fs.OpenDir(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (d *DB) openPebble() error {
	limit := d.opt.MemoryLimit
	d.cache = pebble.NewCache(max(limit/4, 8<<20))
	o := &pebble.Options{
		FS:                          d.fs,
		Cache:                       d.cache,
		Merger:                      keys.Merger,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                uint64(min(max(limit/16, 4<<20), 64<<20)),
		MemTableStopWritesThreshold: 4,
		Logger:                      pebbleLog{d.log},
	}
	o.EnsureDefaults()
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	path := d.fs.PathJoin(d.dir, pebbleDir)
	kv, err := pebble.Open(path, o)
	if err != nil {
		if pebble.IsCorruptionError(err) {
			return corrupt(err, "%s", path)
		}
		return fmt.Errorf("db: open %s: %w", path, err)
	}
	d.kv = kv
	return nil
}

// checkFormat reads the format version, or writes it with what a new database holds.
func (d *DB) checkFormat() error {
	v, c, err := d.kv.Get(keys.Format())
	if errors.Is(err, pebble.ErrNotFound) {
		return d.create()
	}
	if err != nil {
		return d.storageError(err)
	}
	defer c.Close()
	version, err := keys.ParseFormat(v)
	if err != nil {
		return corrupt(err, "%s", d.dir)
	}
	if version != keys.FormatVersion {
		return fmt.Errorf("%w: %s has version %d, this program reads %d", ErrFormat, d.dir, version, keys.FormatVersion)
	}
	return nil
}

// create writes what a new database holds, in one synced batch.
func (d *DB) create() error {
	it, err := d.kv.NewIter(nil)
	if err != nil {
		return d.storageError(err)
	}
	empty := !it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return d.storageError(err)
	}
	if !empty {
		return fmt.Errorf("%w: %s has no format version", ErrCorrupt, d.dir)
	}
	descriptor, err := memoriesTable.marshal()
	if err != nil {
		return err
	}
	b := d.kv.NewBatch()
	defer b.Close()
	err = errors.Join(
		b.Set(keys.Format(), keys.FormatValue(keys.FormatVersion), nil),
		b.Set(keys.Schema(PublicSchema), nil, nil),
		b.Set(keys.Table(uint32(MemoriesID)), descriptor, nil),
		b.Set(keys.Counter(0, keys.CounterTables), keys.Number(firstUserTable), nil))
	if err != nil {
		return err
	}
	return d.kv.Apply(b, pebble.Sync)
}

// firstUserTable leaves room for tables that later versions make themselves.
const firstUserTable = 100

// load reads the catalog, opens the segments and fills memory.
func (d *DB) load() error {
	ctx, cat := context.Background(), newCatalog()
	err := eachKey(ctx, d.kv, keys.Schemas(), func(k, _ []byte) error { cat.schemas[string(k[1:])] = true; return nil })
	if err != nil {
		return d.storageError(err)
	}
	err = eachKey(ctx, d.kv, keys.Tables(), func(k, v []byte) error {
		if len(k) != 5 {
			return fmt.Errorf("%w: table key of %d bytes", ErrCorrupt, len(k))
		}
		t, err := unmarshalTable(v, TableID(uint32(k[1])<<24|uint32(k[2])<<16|uint32(k[3])<<8|uint32(k[4])))
		if err == nil {
			cat.put(&tableState{t: t, arenas: arenasFor(t, nil), mem: &tableMem{}})
		}
		return err
	})
	if err != nil {
		return d.storageError(err)
	}
	if cat.tables[MemoriesID] == nil {
		return fmt.Errorf("%w: %s has no table memories", ErrCorrupt, d.dir)
	}
	d.setCatalogLocked(cat)
	if err := d.loadSegments(ctx, cat); err != nil {
		return err
	}
	d.loadIndexes()
	for _, ts := range cat.tables {
		if err := d.loadHead(ctx, ts); err != nil {
			return err
		}
	}
	err = eachKey(ctx, d.kv, keys.PendingOf(uint32(MemoriesID)), func(k, _ []byte) error {
		_, id, err := keys.ParsePair(k)
		d.pending.Add(id)
		return err
	})
	if err != nil {
		return d.storageError(err)
	}
	return d.sweepFiles()
}

// manifestEntry is how a live segment stands in Pebble.
type manifestEntry struct {
	Base string // file name without extension, in the segment directory
	Rows int
}

func segmentName(table TableID, number uint64) string { return fmt.Sprintf("%06d-%09d", table, number) }

func (d *DB) loadSegments(ctx context.Context, cat *catalog) error {
	err := eachKey(ctx, d.kv, keys.Segments(), func(k, v []byte) error {
		table, number, err := keys.ParsePair(k)
		if err != nil {
			return corrupt(err, "manifest")
		}
		ts := cat.tables[TableID(table)]
		if ts == nil {
			return fmt.Errorf("%w: the manifest names segment %d of table %d, which does not exist", ErrCorrupt, number, table)
		}
		var e manifestEntry
		if err := json.Unmarshal(v, &e); err != nil {
			return corrupt(err, "manifest entry of segment %d", number)
		}
		g, err := d.openSegment(TableID(table), number, e)
		if err != nil {
			return err
		}
		g.refs = 1
		ts.segments = append(ts.segments, g)
		return nil
	})
	if err != nil {
		return d.storageError(err)
	}
	for _, ts := range cat.tables {
		slices.SortFunc(ts.segments, func(a, b *segmentRef) int { return cmp.Or(cmp.Compare(a.min, b.min), cmp.Compare(a.id, b.id)) })
		for _, g := range ts.segments {
			bits, err := readDead(d.kv, g)
			if err != nil {
				return d.storageError(err)
			}
			g.dead.Store(&deadRows{bits: bits})
		}
	}
	return nil
}

func (d *DB) openSegment(table TableID, number uint64, e manifestEntry) (*segmentRef, error) {
	if e.Base != segmentName(table, number) {
		return nil, fmt.Errorf("%w: the manifest entry of segment %d names file %q", ErrCorrupt, number, e.Base)
	}
	base := d.fs.PathJoin(d.segDir, e.Base)
	seg, err := segment.Open(base, nil, &segment.OpenOptions{FS: d.fs, Cache: d.blocks, Logger: d.log})
	if err != nil {
		return nil, corrupt(err, "segment %s", base)
	}
	if seg.Rows() != e.Rows {
		seg.Close()
		return nil, fmt.Errorf("%w: segment %s has %d rows, the manifest says %d", ErrCorrupt, base, seg.Rows(), e.Rows)
	}
	f := seg.Footer()
	g := &segmentRef{id: number, table: table, base: base, seg: seg, min: RowID(f.MinID), max: RowID(f.MaxID)}
	g.dead.Store(&deadRows{})
	return g, nil
}

// readDead reads the dead rows of a segment; nil is none.
func readDead(kv pebble.Reader, g *segmentRef) (*roaring.Bitmap, error) {
	v, c, err := kv.Get(keys.Dead(uint32(g.table), g.id))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.Close()
	bits, err := keys.ParseBitmap(v)
	if err != nil {
		return nil, corrupt(err, "segment %s", g.base)
	}
	if !bits.IsEmpty() && int(bits.Maximum()) >= g.seg.Rows() {
		return nil, fmt.Errorf("%w: segment %s of %d rows: row %d is dead", ErrCorrupt, g.base, g.seg.Rows(), bits.Maximum())
	}
	return bits, nil
}

func deadCount(b *roaring.Bitmap) int64 {
	if b == nil {
		return 0
	}
	return int64(b.GetCardinality())
}

// loadHead counts a table's rows and brings the vectors of its head rows into memory.
func (d *DB) loadHead(ctx context.Context, ts *tableState) error {
	var rows int64
	err := eachKey(ctx, d.kv, keys.Heads(uint32(ts.t.ID)), func(k, v []byte) error {
		_, n, err := keys.ParsePair(k)
		if err != nil {
			return corrupt(err, "head of %s", ts.t)
		}
		rows++
		ts.mem.headBytes += int64(len(v))
		for _, p := range ts.t.vectors {
			vec, err := ts.t.vectorOf(RowID(n), v, p)
			if err != nil {
				return err
			}
			if vec != nil {
				ts.arenas[ts.t.Columns[p].ID].put(RowID(n), vec, 0)
			}
		}
		return nil
	})
	if err != nil {
		return d.storageError(err)
	}
	for _, g := range ts.segments {
		rows += int64(g.seg.Rows()) - deadCount(g.dead.Load().bits)
	}
	ts.mem.counts = []countAt{{0, rows}}
	return nil
}

// ownsFile reports whether a file of a live segment belongs to it: one that is finished, and if it is an index's, of an index that the
// table has.
func (t *Table) ownsFile(name string) bool {
	if id, ok := parseIndexFile(name); ok {
		return t.hasIndex(id)
	}
	return !strings.HasSuffix(name, vecindex.TemporarySuffix)
}

var segmentFile = regexp.MustCompile(`^[0-9]{6,}-[0-9]{9,}\.`)

// sweepFiles removes files that no manifest entry and no descriptor names: those a crash left behind.
func (d *DB) sweepFiles() error {
	names, err := d.fs.List(d.segDir)
	if err != nil {
		return fmt.Errorf("db: list %s: %w", d.segDir, err)
	}
	live := map[string]*Table{}
	for _, ts := range d.cat.tables {
		for _, g := range ts.segments {
			live[d.fs.PathBase(g.base)] = ts.t
		}
	}
	for _, name := range names {
		base, _, _ := strings.Cut(name, ".")
		if !segmentFile.MatchString(name) || live[base] != nil && live[base].ownsFile(name) {
			continue
		}
		d.log.Info("removing a file that belongs to nothing", "file", name)
		if err := d.fs.Remove(d.fs.PathJoin(d.segDir, name)); err != nil {
			return fmt.Errorf("db: remove %s: %w", name, err)
		}
	}
	return nil
}

// pebbleLog passes Pebble's messages on.
type pebbleLog struct{ log *slog.Logger }

func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf is called when the log cannot be written: Pebble must not continue, for nobody knows what the disk holds.
func (l pebbleLog) Fatalf(format string, args ...any) {
	msg := fmt.Sprintf(format, args...)
	l.log.Error("pebble: " + msg)
	panic("db: the disk failed: " + msg)
}
