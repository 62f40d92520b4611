package duck

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// parquet writes a file of n rows (id = 10 * row number) with an unlocked engine beside the one under test: DuckDB itself
// writes it, from within the allowed directory.
func parquet(t testing.TB, path string, n int, columns string) {
	t.Helper()
	c := connect(t, open(t, &Config{AllowedDirs: []string{filepath.Dir(path)}}))
	stmt := "COPY (SELECT " + columns + " FROM range($n) t(r)) TO " + QuoteLiteral(path) + " (FORMAT parquet, ROW_GROUP_SIZE 100000)"
	exec(t, c, strings.ReplaceAll(stmt, "$n", strconv.Itoa(n)))
}

func TestOnlyAllowedDirectoriesAreRead(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	inside, outside := filepath.Join(in, "a.parquet"), filepath.Join(out, "b.parquet")
	parquet(t, inside, 5000, "r * 10 AS id, 'text ' || r AS s")
	parquet(t, outside, 10, "r AS id")
	os.WriteFile(filepath.Join(out, "x.csv"), []byte("a,b\n1,2\n"), 0o600)
	os.Symlink(outside, filepath.Join(in, "link.parquet"))

	i := open(t, &Config{AllowedDirs: []string{in}, Threads: 2})
	c := connect(t, i)
	got := query(t, c, "SELECT file_row_number, id, s FROM read_parquet(["+QuoteLiteral(inside)+"], file_row_number = true) WHERE id = 49990")
	if len(got) != 1 || got[0][0] != int64(4999) || got[0][2] != "text 4999" {
		t.Errorf("read_parquet inside: %v", got)
	}
	refused := []string{
		"SELECT * FROM read_parquet(" + QuoteLiteral(outside) + ")",
		"SELECT * FROM " + QuoteLiteral(outside),
		"SELECT * FROM read_parquet(" + QuoteLiteral(filepath.Join(in, "..", filepath.Base(out), "b.parquet")) + ")",
		"SELECT * FROM read_parquet(" + QuoteLiteral(filepath.Join(in, "link.parquet")) + ")",
		"SELECT * FROM read_csv(" + QuoteLiteral(filepath.Join(out, "x.csv")) + ")",
		"SELECT * FROM read_text('/etc/passwd')",
		"SELECT * FROM read_blob('/etc/passwd')",
		"SELECT * FROM glob('/etc/*')",
		"SELECT * FROM read_csv('/dev/stdin')",
		"SELECT * FROM read_text('/dev/stdin')",
		"SELECT * FROM '/proc/self/environ'",
		"COPY (SELECT 1) TO " + QuoteLiteral(filepath.Join(out, "y.csv")),
		"COPY (SELECT 1) TO '/dev/stdout'",
		"EXPORT DATABASE " + QuoteLiteral(filepath.Join(out, "dump")),
		"ATTACH " + QuoteLiteral(filepath.Join(out, "z.db")) + " AS z",
		"LOAD httpfs", "INSTALL httpfs", "LOAD '/tmp/x.duckdb_extension'",
		"SELECT * FROM read_parquet('http://localhost:1/x.parquet')",
		"SELECT * FROM read_parquet('s3://bucket/x.parquet')",
		"CREATE SECRET s (TYPE s3)",
		"SET enable_external_access = true", "SET GLOBAL lock_configuration = false", "SET allowed_directories = ['/']",
		"SET memory_limit = '100GB'", "SET temp_directory = '/tmp'", "RESET lock_configuration",
		"SET GLOBAL allowed_configs = ['threads']", "SET integer_division = false", "SET autoload_known_extensions = true",
		"PRAGMA enable_external_access", "SET allowed_paths = ['/etc/passwd']",
	}
	for _, sql := range refused {
		err := c.Exec(bg, sql)
		var e *Error
		if !errors.As(err, &e) || e.Kind == Parser || e.Kind == Interrupt {
			t.Errorf("%s: not refused: %v", sql, err)
		}
	}
	if err := c.Exec(bg, "SET TimeZone = 'Europe/Berlin'"); err != nil {
		t.Errorf("TimeZone cannot be set: %v", err)
	}
	if got := query(t, c, "SELECT '2024-06-01 12:00:00+00'::TIMESTAMPTZ::VARCHAR"); got[0][0] != "2024-06-01 14:00:00+02" {
		t.Errorf("TimeZone has no effect: %v", got)
	}
	if got := query(t, connect(t, i), "SELECT current_setting('TimeZone')"); got[0][0] != "UTC" {
		t.Errorf("one connection's time zone reaches another: %v", got)
	}
	if i.Broken() {
		t.Error("a refused statement broke the instance")
	}
	// What the directory list does not stop is writing inside it: the caller must keep COPY ... TO away from users.
	if err := c.Exec(bg, "COPY (SELECT 1) TO "+QuoteLiteral(filepath.Join(in, "new.csv"))); err != nil {
		t.Errorf("writing inside an allowed directory: %v; the package comment says it is possible", err)
	}
}

func TestSettingsLikePostgres(t *testing.T) {
	i := open(t, nil)
	for _, c := range []*Conn{connect(t, i), connect(t, i)} {
		for sql, want := range map[string]any{
			"SELECT 7 / 2": int64(3), "SELECT -7 / 2": int64(-3), "SELECT 7.0 / 2": 3.5, "SELECT 7 % 2": int64(1),
			"SELECT string_agg(coalesce(x::VARCHAR, 'null'), ' ' ORDER BY x) FROM (VALUES (2), (NULL), (1)) t(x)":      "1 2 null",
			"SELECT string_agg(coalesce(x::VARCHAR, 'null'), ' ' ORDER BY x DESC) FROM (VALUES (2), (NULL), (1)) t(x)": "null 2 1",
			"SELECT '2024-01-01 00:00:00'::TIMESTAMP::TIMESTAMPTZ = '2024-01-01 00:00:00+00'::TIMESTAMPTZ":             true,
		} {
			if got := query(t, c, sql); got[0][0] != want {
				t.Errorf("%s: %#v, want %#v", sql, got[0][0], want)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []*Config{{MemoryLimit: -1}, {Threads: -1}, {MaxTempBytes: -2}, {AllowedDirs: []string{""}}, {AllowedDirs: []string{"a\x00b"}}} {
		if i, err := Open(c); err == nil {
			i.Close()
			t.Errorf("%+v was accepted", c)
		}
	}
	i, err := Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil || i.Close() != nil {
		t.Error(err)
	}
	if _, err := i.Connect(); !errors.Is(err, ErrClosed) {
		t.Errorf("Connect after Close: %v", err)
	}
}

func TestMemoryLimitIsAnError(t *testing.T) {
	i := open(t, &Config{MemoryLimit: 64 << 20, Threads: 1})
	c := connect(t, i)
	_, err := try(c, "SELECT count(*) FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(5000000))")
	var e *Error
	if !errors.As(err, &e) || e.Kind != OutOfMemory || i.Broken() {
		t.Errorf("%v, broken %v", err, i.Broken())
	}
	if got := query(t, c, "SELECT 1"); len(got) != 1 {
		t.Error("no answer afterwards")
	}
	dir := t.TempDir()
	spill := connect(t, open(t, &Config{MemoryLimit: 64 << 20, Threads: 1, TempDir: dir, MaxTempBytes: 1 << 30}))
	if got, err := try(spill, "SELECT count(*) FROM (SELECT md5(range::VARCHAR) FROM range(2000000) ORDER BY 1)"); err != nil || got[0][0] != int64(2000000) {
		t.Errorf("with room to spill: %v %v", got, err)
	}
}

// Links and relative spellings of an allowed directory are the directory.
func TestAllowedDirectoryByOtherNames(t *testing.T) {
	dir := t.TempDir()
	parquet(t, filepath.Join(dir, "a.parquet"), 10, "r AS id")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	names := []string{dir, link, dir + "/../" + filepath.Base(dir) + "/"}
	for _, allowed := range names {
		c := connect(t, open(t, &Config{AllowedDirs: []string{allowed}}))
		for _, name := range names {
			if _, err := try(c, "SELECT * FROM read_parquet("+QuoteLiteral(name+"/a.parquet")+")"); err != nil {
				t.Errorf("%s allowed, %s read: %v", allowed, name, err)
			}
		}
	}
}
