package sql

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"engram/sql/internal/duck"
)

// engineDuck is an engine's DuckDB.
type engineDuck struct {
	duckMu   sync.Mutex
	instance *duck.Instance
	idle     []idleConn // connections of instance that nobody uses
	tempDir  string
	ownTemp  bool
}

// defaultDuckMemory is what DuckDB may hold when the options do not say.
const defaultDuckMemory = 1 << 30

// maxIdle is how many unused connections are kept.
const maxIdle = 16

func (e *Engine) openDuck() (err error) {
	e.tempDir = e.options.TempDir
	if e.tempDir == "" {
		if e.tempDir, err = os.MkdirTemp("", "engram-sql-*"); err != nil {
			return err
		}
		e.ownTemp = true
	}
	memory := e.options.MemoryLimit
	if memory <= 0 {
		memory = defaultDuckMemory
	}
	c := &duck.Config{MemoryLimit: memory, Threads: e.options.Threads, TempDir: e.tempDir}
	if dir := e.db.SegmentDir(); dir != "" {
		c.AllowedDirs = []string{dir}
	}
	if e.instance, err = duck.Open(c); err != nil {
		e.dropTemp()
		return err
	}
	if err = e.registerFunctions(e.instance); err != nil {
		e.instance.Close()
		e.dropTemp()
	}
	return err
}

func (e *Engine) closeDuck() error {
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	for _, c := range e.idle {
		c.Close()
	}
	e.idle = nil
	err := e.instance.Close()
	e.dropTemp()
	return err
}

func (e *Engine) dropTemp() {
	if e.ownTemp {
		os.RemoveAll(e.tempDir)
	}
}

// idleConn is a connection with the time zone it was last given.
type idleConn struct {
	*duck.Conn
	zone string
}

// duckConn is a connection in use by one statement, with the relations bound for it.
type duckConn struct {
	*duck.Conn
	engine   *Engine
	instance *duck.Instance
	zone     string
	bound    []string
}

// connect takes a connection. An instance that an internal error of DuckDB has broken is replaced.
func (e *Engine) connect() (*duckConn, error) {
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	if e.instance.Broken() {
		fresh, err := e.instance.Reopen()
		if err != nil {
			return nil, err
		}
		e.log.Error("DuckDB reported an internal error and was started again")
		for _, c := range e.idle {
			c.Close()
		}
		old := e.instance
		e.instance, e.idle = fresh, nil
		old.Close() // succeeds once its last statement has ended
	}
	if n := len(e.idle); n > 0 {
		c := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return &duckConn{Conn: c.Conn, engine: e, instance: e.instance, zone: c.zone}, nil
	}
	c, err := e.instance.Connect()
	if err != nil {
		return nil, err
	}
	return &duckConn{Conn: c, engine: e, instance: e.instance, zone: "UTC"}, nil
}

// connect takes a connection in the session's time zone.
func (s *Session) connect(ctx context.Context) (*duckConn, error) {
	c, err := s.engine.connect()
	if err != nil {
		return nil, err
	}
	if zone := duckZone(s.Style().TimeZone); zone != c.zone {
		if err := c.Exec(ctx, "SET TimeZone = "+duck.QuoteLiteral(zone)); err != nil {
			c.release()
			return nil, err
		}
		c.zone = zone
	}
	return c, nil
}

// duckZone is DuckDB's name of a time zone: one of the zone database, or a whole number of hours.
func duckZone(loc *time.Location) string {
	if loc == nil || loc == time.UTC {
		return "UTC"
	}
	if name := loc.String(); name != "" && strings.ContainsAny(name, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") && name[0] != '<' {
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	_, east := time.Unix(0, 0).In(loc).Zone()
	return fmt.Sprintf("Etc/GMT%+d", -east/3600) // the sign counts west of Greenwich
}

// release gives a connection back. Nothing of its last statement may be open.
func (c *duckConn) release() {
	for _, token := range c.bound {
		c.Unbind(token)
	}
	e := c.engine
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	if c.instance != e.instance || c.instance.Broken() || len(e.idle) >= maxIdle {
		c.Conn.Close()
		if c.instance != e.instance {
			c.instance.Close()
		}
		return
	}
	e.idle = append(e.idle, idleConn{c.Conn, c.zone})
}

// bind makes a relation of ours scannable and spells its scan.
func (c *duckConn) bind(r duck.Relation) string {
	token := duck.NewToken()
	c.Bind(token, r)
	c.bound = append(c.bound, token)
	return duck.ScanSQL(token)
}
