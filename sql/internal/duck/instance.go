package duck

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Config says how an instance may use the machine. Nil and the zero value give DuckDB's defaults where none is named.
type Config struct {
	MemoryLimit  int64    // bytes DuckDB may use; 0: 80 % of the machine's memory
	Threads      int      // threads of all connections together; 0: one per core
	TempDir      string   // directory for spilled intermediate results; "": nothing is spilled
	MaxTempBytes int64    // bytes spilled at most; 0: 90 % of the disk's free space
	AllowedDirs  []string // directories whose files statements may read (and write: see the package comment); none by default
}

// Instance is one DuckDB engine in memory, locked down. It holds no data of its own, only functions and macros. All
// methods may be called concurrently.
type Instance struct {
	cfg    Config
	db     mapping.Database
	broken atomic.Bool
	conns  sync.Map // connection id -> *Conn

	mu     sync.Mutex
	closed bool
	open   int // connections
	funcs  [][]ScalarFunction
	setup  []string
}

// Open starts an instance and closes it against the file system, the network and changes of its configuration.
func Open(c *Config) (*Instance, error) {
	if c == nil {
		c = &Config{}
	}
	i := &Instance{cfg: *c}
	i.cfg.AllowedDirs = append([]string(nil), c.AllowedDirs...)
	if err := i.start(); err != nil {
		return nil, err
	}
	if err := i.harden(); err != nil {
		return nil, errorsJoin(err, i.Close())
	}
	return i, nil
}

// start opens the engine with the options that must be known from the beginning.
func (i *Instance) start() error {
	if i.cfg.MemoryLimit < 0 || i.cfg.Threads < 0 || i.cfg.MaxTempBytes < 0 {
		return fmt.Errorf("duck: a negative limit in the configuration")
	}
	var cfg mapping.Config
	if mapping.CreateConfig(&cfg) != mapping.StateSuccess {
		return fmt.Errorf("duck: cannot create a configuration")
	}
	defer mapping.DestroyConfig(&cfg)
	options := map[string]string{
		"autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
		"allow_community_extensions": "false", "temp_directory": i.cfg.TempDir,
	}
	if i.cfg.MemoryLimit > 0 {
		options["memory_limit"] = strconv.FormatInt(i.cfg.MemoryLimit, 10) + "B"
	}
	if i.cfg.Threads > 0 {
		options["threads"] = strconv.Itoa(i.cfg.Threads)
	}
	if i.cfg.MaxTempBytes > 0 {
		options["max_temp_directory_size"] = strconv.FormatInt(i.cfg.MaxTempBytes, 10) + "B"
	}
	for name, value := range options {
		if mapping.SetConfig(cfg, name, value) != mapping.StateSuccess {
			return fmt.Errorf("duck: DuckDB refuses %s = %q", name, value)
		}
	}
	var msg string
	if mapping.OpenExt(":memory:", &i.db, cfg, &msg) != mapping.StateSuccess {
		return fmt.Errorf("duck: cannot open: %s", msg)
	}
	return nil
}

// harden makes the engine behave like Postgres where a setting can, and then shuts it. The order matters: directories
// cannot be allowed after external access is off, and nothing can be set after the lock except what is listed.
func (i *Instance) harden() error {
	dirs := make([]string, len(i.cfg.AllowedDirs))
	for k, d := range i.cfg.AllowedDirs {
		if d == "" || strings.ContainsRune(d, 0) {
			return fmt.Errorf("duck: %q is not a directory to allow", d)
		}
		dirs[k] = QuoteLiteral(strings.TrimRight(d, "/") + "/")
	}
	c, err := i.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	settings := []string{
		"SET GLOBAL integer_division = true",
		"SET GLOBAL default_null_order = 'nulls_last_on_asc_first_on_desc'",
		"SET GLOBAL TimeZone = 'UTC'",
		"SET GLOBAL allow_persistent_secrets = false",
		"SET GLOBAL allowed_directories = [" + strings.Join(dirs, ", ") + "]",
		"SET GLOBAL enable_external_access = false",
		"SET GLOBAL allowed_configs = ['TimeZone', 'streaming_buffer_size']",
		"SET GLOBAL lock_configuration = true",
	}
	for _, s := range settings {
		if err := c.Exec(context.Background(), s); err != nil {
			return fmt.Errorf("duck: %s: %w", s, err)
		}
	}
	return errorsJoin(i.registerRows(c), i.registerFloats(c))
}

// Broken reports whether DuckDB raised an internal or fatal error: it then refuses every further statement, so the
// instance does, too, with ErrBroken. Reopen gives a sound one.
func (i *Instance) Broken() bool { return i.broken.Load() }

// Reopen starts another instance with the same configuration, functions and set-up statements. The old one is left to
// its holders, who close it and its connections when their statements have ended; nothing is lost with it, because an
// instance holds no data.
func (i *Instance) Reopen() (*Instance, error) {
	i.mu.Lock()
	funcs, setup := append([][]ScalarFunction(nil), i.funcs...), append([]string(nil), i.setup...)
	i.mu.Unlock()
	n, err := Open(&i.cfg)
	if err != nil {
		return nil, err
	}
	for _, fs := range funcs {
		if err := n.Register(fs...); err != nil {
			return nil, errorsJoin(err, n.Close())
		}
	}
	for _, s := range setup {
		if err := n.Setup(s); err != nil {
			return nil, errorsJoin(err, n.Close())
		}
	}
	return n, nil
}

// Setup runs a statement whose effect is instance-wide, such as CREATE MACRO, and repeats it on Reopen.
func (i *Instance) Setup(sql string) error {
	c, err := i.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Exec(context.Background(), sql); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.setup = append(i.setup, sql)
	return nil
}

// streamBuffer is how much of a result DuckDB computes before it hands the first chunk out; its own default would keep a
// reader of slow rows waiting for sixty chunks.
const streamBuffer = "64KB"

// Connect opens a connection. It is cheap (see the package comment), so a caller may take one for each open result.
func (i *Instance) Connect() (*Conn, error) {
	c, err := i.connect()
	if err != nil {
		return nil, err
	}
	if err := c.Exec(context.Background(), "SET streaming_buffer_size = '"+streamBuffer+"'"); err != nil {
		return nil, errorsJoin(err, c.Close())
	}
	return c, nil
}

func (i *Instance) connect() (*Conn, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, fmt.Errorf("duck: instance: %w", ErrClosed)
	}
	if i.broken.Load() {
		return nil, ErrBroken
	}
	c := &Conn{inst: i, relations: map[string]Relation{}}
	if mapping.Connect(i.db, &c.h) != mapping.StateSuccess {
		return nil, fmt.Errorf("duck: cannot connect")
	}
	var ctx mapping.ClientContext
	mapping.ConnectionGetClientContext(c.h, &ctx)
	c.id = uint64(mapping.ClientContextGetConnectionId(ctx))
	mapping.DestroyClientContext(&ctx)
	i.conns.Store(c.id, c)
	i.open++
	return c, nil
}

// running finds what the connection with this id is doing now; nil if nothing.
func (i *Instance) running(id uint64) *execution {
	if c, ok := i.conns.Load(id); ok {
		return c.(*Conn).current.Load()
	}
	return nil
}

// Close frees the engine. Connections must be closed before; while some are open it does nothing but return an error.
func (i *Instance) Close() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil
	}
	if i.open > 0 {
		return fmt.Errorf("duck: %d connections are still open", i.open)
	}
	i.closed = true
	mapping.Close(&i.db)
	return nil
}
