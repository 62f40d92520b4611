package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"engram/db"
	"engram/quant/model"
	"engram/sql"
	"engram/wire"
)

type serveCommand struct {
	Dir      string   `required:"" help:"Database directory; made when it is not there." type:"path"`
	Listen   string   `default:"127.0.0.1:5433" help:"HOST:PORT to listen on; port 0 picks a free one."`
	Auth     string   `default:"scram" enum:"scram,trust" help:"How clients prove who they are: scram, or trust (loopback only)."`
	TLSCert  string   `name:"tls-cert" help:"PEM certificate; with --tls-key, clients may use TLS." type:"path"`
	TLSKey   string   `name:"tls-key" help:"PEM private key." type:"path"`
	Models   string   `help:"Directory of models. Default: ENGRAM_MODELS, else DIR/models." type:"path"`
	SealRows int      `help:"Rows in the head of a table at which it is sealed into a segment. Default: 50,000."`
	Memory   byteSize `name:"memory-limit" default:"2GiB" help:"Memory to use, such as 4GiB: half for queries, a quarter for caches and write buffers, a quarter for building indexes."`
	Verbose  bool     `short:"v" help:"Log more."`
}

const shutdownMax = 10 * time.Second

// Run serves until ctx ends (SIGTERM or SIGINT), then stops cleanly.
func (c *serveCommand) Run(ctx context.Context) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if note := accelerationNote(); note != "" {
		logger.Warn("acceleration", "note", note)
	}
	tlsConfig, err := c.tlsConfig()
	if err != nil {
		return err
	}
	o := &db.Options{Logger: logger, SealRows: c.SealRows, MemoryLimit: int64(c.Memory) / 4, BuildMemory: int64(c.Memory) / 4}
	house, err := openHouse(c.Dir, c.Models, o)
	if err != nil {
		return err
	}
	defer house.Close()
	if err := firstRole(ctx, house.engine, c.Dir, logger); err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	listener := &announcedListener{Listener: tcp, accepting: make(chan struct{})}
	auth := wire.AuthSCRAM
	if c.Auth == "trust" {
		auth = wire.AuthTrust
	}
	server := &wire.Server{Engine: wire.Of(house.engine), Auth: auth, TLS: tlsConfig, Logger: logger}
	served := make(chan error, 1)
	go func() { served <- server.Serve(context.WithoutCancel(ctx), listener) }()

	select {
	case err := <-served:
		return err // trust on an address that is not loopback, for one
	case <-listener.accepting:
	}
	fmt.Printf("ready: postgres://%s@%s/%s\n", sql.FirstRole, listener.Addr(), sql.FirstRole)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	logger.Info("stopping")
	end, cancel := context.WithTimeout(context.Background(), shutdownMax)
	defer cancel()
	err = server.Shutdown(end)
	if closed := house.Close(); err == nil {
		err = closed
	}
	logger.Info("stopped")
	return err
}

// announcedListener tells when its server begins to accept: by then the server has found nothing wrong with it.
type announcedListener struct {
	net.Listener
	once      sync.Once
	accepting chan struct{}
}

func (l *announcedListener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.accepting) })
	return l.Listener.Accept()
}

func (c *serveCommand) tlsConfig() (*tls.Config, error) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return nil, nil
	case c.TLSCert == "" || c.TLSKey == "":
		return nil, errors.New("--tls-cert and --tls-key belong together")
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"postgresql"}}, nil
}

// house is an open database with its SQL engine.
type house struct {
	db     *db.DB
	engine *sql.Engine
	models *model.Registry
}

// openHouse opens the database, its models and an engine over both; it completes o.
func openHouse(dir, models string, o *db.Options) (*house, error) {
	registry := model.NewRegistry(model.SearchDirs(models, dir), nil)
	o.TextEncoder = textEncoder(registry)
	d, err := db.Open(dir, o)
	if err != nil {
		return nil, err
	}
	engine, err := sql.Open(d, &sql.Options{Logger: o.Logger, Version: version, TextEncoder: o.TextEncoder, Model: namedEncoder(registry),
		MediaEncoder: mediaEncoder(registry), MemoryLimit: 2 * o.MemoryLimit, Models: registry})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &house{db: d, engine: engine, models: registry}, nil
}

// Close closes the engine, the database and the models; a second call does nothing.
func (h *house) Close() error {
	if h.db == nil {
		return nil
	}
	err := errors.Join(h.engine.Close(), h.db.Close(), h.models.Close())
	h.db = nil
	return err
}

// byteSize is a number of bytes as people write it: 4GiB, 512MiB, 100000.
type byteSize int64

// leastMemory is the least memory that a server works with.
const leastMemory = 128 << 20

// UnmarshalText reads a size.
func (b *byteSize) UnmarshalText(text []byte) error {
	s, unit := strings.TrimSpace(string(text)), int64(1)
	for _, u := range []struct {
		names []string
		bytes int64
	}{{[]string{"GiB", "GB", "G"}, 1 << 30}, {[]string{"MiB", "MB", "M"}, 1 << 20}, {[]string{"KiB", "kB", "K"}, 1 << 10}, {[]string{"B"}, 1}} {
		for _, name := range u.names {
			if rest, ok := strings.CutSuffix(s, name); ok && unit == 1 {
				s, unit = strings.TrimSpace(rest), u.bytes
			}
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil || n > math.MaxInt64/unit:
		return fmt.Errorf("%q is not a size such as 4GiB", text)
	case n*unit < leastMemory:
		return fmt.Errorf("%q is less than 128MiB", text)
	}
	*b = byteSize(n * unit)
	return nil
}

// passwordFile keeps the password that the first start generates.
const passwordFile = "password"

// firstRole gives the role engram its first password: ENGRAM_PASSWORD, or a generated one kept in a file that only the
// owner reads.
func firstRole(ctx context.Context, e *sql.Engine, dir string, logger *slog.Logger) error {
	role, exists, err := e.Role(sql.FirstRole)
	if err != nil || exists && role.Verifier != "" {
		return err
	}
	password := os.Getenv("ENGRAM_PASSWORD")
	if password == "" {
		secret := make([]byte, 18)
		if _, err := rand.Read(secret); err != nil {
			return err
		}
		password = base64.RawURLEncoding.EncodeToString(secret)
		name := filepath.Join(dir, passwordFile)
		if err := writeSecret(name, password+"\n"); err != nil {
			return fmt.Errorf("keep the generated password: %w", err)
		}
		logger.Info("first start: role "+sql.FirstRole+" has a generated password", "password_file", name)
	} else {
		logger.Info("first start: role " + sql.FirstRole + " has the password from ENGRAM_PASSWORD")
	}
	return e.SetPassword(ctx, sql.FirstRole, password)
}

// writeSecret writes a file that only its owner can read, replacing a stale one.
func writeSecret(name, text string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
