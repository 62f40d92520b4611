package wire

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

func query(text string) *pgproto3.Query { return &pgproto3.Query{String: text} }

func TestSimpleQuery(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	for _, test := range []struct {
		text string
		want []string
	}{
		{"rows 2", []string{"T n:20:0", `D "0"`, `D "1"`, "C SELECT 2", "Z I"}},
		{"", []string{"I", "Z I"}},
		{"ints 1", []string{"T a:23:0 b:23:0 c:25:0", `D "0" "0" NULL`, "C SELECT 1", "Z I"}},
		{"none", []string{"T", "D", "C SELECT 1", "Z I"}},
		{"begin", []string{"C BEGIN", "Z T"}},
		{"rows 1;error 22012 division by zero;rows 5", []string{"T n:20:0", `D "0"`, "C SELECT 1", "E ERROR 22012 division by zero", "Z E"}},
		{"rows 1", []string{"T n:20:0", "E ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block", "Z E"}},
		{"rollback", []string{"C ROLLBACK", "Z I"}},
		{"badrow", []string{"T n:20:0", `D "1"`, "E ERROR XX000 value of Go type string cannot be sent as bigint", "Z I"}},
		{"plainerror", []string{"E ERROR XX000 plain \uFFFD \uFFFD text", "Z I"}},
		{"notice hello", []string{"N NOTICE 01000 hello", "C NOTICE", "Z I"}},
		{"set TimeZone Mars/Base", []string{"C SET", "S TimeZone=Mars/Base", "Z I"}},
	} {
		c.send(query(test.text))
		c.expect(test.want...)
	}
	c.send(query("bad \xff utf8"))
	c.expect(`E ERROR 22021 invalid byte sequence for encoding "UTF8": 0xff`, "Z I")
	c.write([]byte{'Q', 0, 0, 0, 8, 'a', 'b', 'c', 'd'}) // no terminator
	if lines := c.untilReady(); !strings.HasPrefix(lines[0], "E ERROR 08P01 invalid message format") {
		t.Fatal(lines)
	}
	c.send(&pgproto3.Terminate{})
	c.expectEnd()
}

func TestErrorFields(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	c.send(query("error 23505 duplicate"))
	var head [5]byte
	c.r.Read(head[:])
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	c.r.Read(body)
	want := "SERROR\x00VERROR\x00C23505\x00Mduplicate\x00Dthe detail\x00Hthe hint\x00P7\x00\x00"
	if string(body) != want {
		t.Fatalf("%q\nwant\n%q", body, want)
	}
	c.untilReady()
	e := types.Errorf("23505", "m")
	e.Schema, e.Table, e.Column, e.DataType, e.Constraint, e.Where = "s", "t", "c", "d", "n", "w"
	r := response(e, "ERROR")
	b, err := r.Encode(nil)
	if err != nil || string(b[5:]) != "SERROR\x00VERROR\x00C23505\x00Mm\x00Ww\x00ss\x00tt\x00cc\x00dd\x00nn\x00\x00" {
		t.Fatalf("%q %v", b, err)
	}
}

func TestExtendedProtocol(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	c.send(&pgproto3.Parse{Name: "s", Query: "rows 5"}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", ResultFormatCodes: []int16{1}}, &pgproto3.Describe{ObjectType: 'P', Name: "p"},
		&pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Execute{Portal: "p"},
		&pgproto3.Close{ObjectType: 'P', Name: "p"}, &pgproto3.Close{ObjectType: 'S', Name: "unheard of"}, &pgproto3.Sync{})
	c.expect("1", "t 0000", "T n:20:0", "2", "T n:20:1", `D "\x00\x00\x00\x00\x00\x00\x00\x00"`, `D "\x00\x00\x00\x00\x00\x00\x00\x01"`, "s",
		`D "\x00\x00\x00\x00\x00\x00\x00\x02"`, `D "\x00\x00\x00\x00\x00\x00\x00\x03"`, "s", `D "\x00\x00\x00\x00\x00\x00\x00\x04"`, "C SELECT 1", "C SELECT 0", "3", "3", "Z I")
	// mixed formats, a parameter, NoData, an empty statement
	c.send(&pgproto3.Parse{Query: "ints 1"}, &pgproto3.Bind{ResultFormatCodes: []int16{0, 1, 0}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("1", "2", "T a:23:0 b:23:1 c:25:0", `D "0" "\x00\x00\x00\x00" NULL`, "C SELECT 1", "Z I")
	c.send(&pgproto3.Parse{Query: "echo 23"}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{Parameters: [][]byte{{0, 0, 1, 0}}, ParameterFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("1", "t 000100000017", "T echo:23:0", "2", `D "256"`, "C SELECT 1", "Z I")
	c.send(&pgproto3.Bind{Parameters: [][]byte{nil}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("2", "D NULL", "C SELECT 1", "Z I")
	c.send(&pgproto3.Parse{Query: "begin"}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("1", "t 0000", "n", "2", "C BEGIN", "Z T")
	c.send(&pgproto3.Parse{Query: ""}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("1", "2", "I", "Z T")
	// a portal lives past Sync inside a block; Flush sends what there is
	c.send(&pgproto3.Parse{Query: "rows 2"}, &pgproto3.Bind{DestinationPortal: "q"}, &pgproto3.Execute{Portal: "q", MaxRows: 1}, &pgproto3.Sync{})
	c.expect("1", "2", `D "0"`, "s", "Z T")
	c.send(&pgproto3.Execute{Portal: "q", MaxRows: 5}, &pgproto3.Flush{})
	c.expect(`D "1"`, "C SELECT 1")
	c.send(&pgproto3.Sync{})
	c.expect("Z T")
	c.send(query("rollback"))
	c.expect("C ROLLBACK", "Z I")
}

func TestErrorsSkipToSync(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	// two segments in flight; the error of the first leaves the second alone
	c.send(&pgproto3.Parse{Query: "error 22012 div"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Parse{Query: "rows 1"}, query("rows 9"), &pgproto3.Bind{}, &pgproto3.Flush{}, &pgproto3.Sync{},
		&pgproto3.Parse{Query: "rows 1"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("1", "2", "E ERROR 22012 div", "Z I", "1", "2", `D "0"`, "C SELECT 1", "Z I")
	for _, test := range []struct {
		msg  pgproto3.FrontendMessage
		want string
	}{
		{&pgproto3.Parse{Query: "syntax"}, "E ERROR 42601 syntax error"},
		{&pgproto3.Bind{PreparedStatement: "no"}, `E ERROR 26000 prepared statement "no" does not exist`},
		{&pgproto3.Describe{ObjectType: 'S', Name: "no"}, `E ERROR 26000 prepared statement "no" does not exist`},
		{&pgproto3.Describe{ObjectType: 'P', Name: "no"}, `E ERROR 34000 portal "no" does not exist`},
		{&pgproto3.Execute{Portal: "no"}, `E ERROR 34000 portal "no" does not exist`},
		{&pgproto3.Bind{ParameterFormatCodes: []int16{0, 0}, Parameters: [][]byte{nil}}, "E ERROR 08P01 bind message has 2 parameter formats but 1 parameters"},
		{&pgproto3.Bind{ResultFormatCodes: []int16{2}}, "E ERROR 22023 unsupported format code: 2"},
		{&pgproto3.Bind{Parameters: [][]byte{nil}}, `E ERROR 08P01 bind message supplies 1 parameters, but prepared statement "" requires 0`},
		{&pgproto3.Parse{Query: "a\xffb"}, `E ERROR 22021 invalid byte sequence for encoding "UTF8": 0xff`},
	} {
		c.send(test.msg, &pgproto3.Execute{Portal: "skipped"}, &pgproto3.Sync{})
		c.expect(test.want, "Z I")
	}
	for _, raw := range [][]byte{
		{'D', 0, 0, 0, 6, 'X', 0}, {'C', 0, 0, 0, 6, 'X', 0}, {'B', 0, 0, 0, 4}, {'E', 0, 0, 0, 5, 0}, {'P', 0, 0, 0, 6, 0, 0}, {'C', 0, 0, 0, 4}, {'D', 0, 0, 0, 4},
		append([]byte{'B', 0, 0, 0, 12, 0, 0, 0xff, 0xff}, 0, 0, 0, 0), {'B', 0, 0, 0, 10, 0, 0, 0, 0, 0xff, 0xff},
	} {
		c.write(raw)
		c.send(&pgproto3.Sync{})
		if lines := c.untilReady(); len(lines) != 2 || !strings.HasPrefix(lines[0], "E ERROR 08P01") {
			t.Fatalf("%q: %q", raw, lines)
		}
	}
	// a failed block refuses to describe what returns rows, before ParameterDescription
	c.send(&pgproto3.Parse{Name: "r", Query: "rows 1"}, &pgproto3.Sync{})
	c.expect("1", "Z I")
	c.send(query("begin"))
	c.untilReady()
	c.send(query("error 22012 x"))
	c.untilReady()
	c.send(&pgproto3.Describe{ObjectType: 'S', Name: "r"}, &pgproto3.Sync{})
	c.expect("E ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block", "Z E")
	c.send(query("rollback"))
	c.expect("C ROLLBACK", "Z I")
	// fast path
	c.send(&pgproto3.FunctionCall{Function: 1})
	c.expect("E ERROR 0A000 the function call message is not supported", "Z I")
	c.send(query("rows 1"))
	c.expect("T n:20:0", `D "0"`, "C SELECT 1", "Z I")
}

func TestCopy(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	data := func(s string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(s)} }
	c.send(query("copyin"))
	c.expect("G 00000200000000")
	c.send(data("ab"), data(""), &pgproto3.Flush{}, &pgproto3.Sync{}, data("cde"), &pgproto3.CopyDone{})
	c.expect("C COPY 5", "Z I")
	c.send(query("copyin binary"))
	c.expect("G 01000200010001")
	c.send(&pgproto3.CopyDone{})
	c.expect("C COPY 0", "Z I")
	c.send(query("copyin"))
	c.expect("G 00000200000000")
	c.send(data("ab"), &pgproto3.CopyFail{Message: "changed my mind"})
	c.expect("E ERROR 57014 COPY from stdin failed: changed my mind", "Z I")
	// an error of the statement: what the client still sends is dropped
	c.send(query("copyin reject"), data("ab"), data("cd"), &pgproto3.CopyDone{}, query("rows 1"))
	c.expect("G 00000200000000", "E ERROR 22P04 no thanks", "Z I", "T n:20:0", `D "0"`, "C SELECT 1", "Z I")
	// a statement that ends before its data does
	c.send(query("copyin early"), data("ab"), &pgproto3.CopyDone{})
	c.expect("G 00000200000000", "C COPY 0", "Z I")
	c.send(query("copyin"), query("rows 1"))
	c.expect("G 00000200000000", "E ERROR 08P01 unexpected message type 0x51 during COPY from stdin", "Z I")
	c.send(query("copyout 2"))
	c.expect("H 0000010000", `d "line 0\n"`, `d "line 1\n"`, "c", "C COPY 2", "Z I")
	// in the extended protocol a Sync sent ahead is ignored inside the COPY
	c.send(&pgproto3.Parse{Query: "copyin"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}, data("xyz"), &pgproto3.CopyDone{}, &pgproto3.Sync{})
	c.expect("1", "2", "G 00000200000000", "C COPY 3", "Z I")
	// the client leaves in the middle
	c.send(query("copyin"))
	c.expect("G 00000200000000")
	c.send(data("ab"), &pgproto3.Terminate{})
	c.expectEnd()
}

func TestCancel(t *testing.T) {
	s := &Server{Engine: newFake(), Auth: AuthTrust}
	addr := start(t, s)
	c := connect(t, addr)
	cancel := func(pid uint32, key []byte) {
		k := dial(t, addr)
		body := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, codeCancel), pid), key...)
		k.write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...))
		k.expectEnd() // no answer, whatever the key
	}
	if len(c.key) != 4 {
		t.Fatalf("a key of %d bytes for protocol 3.0", len(c.key))
	}
	wrong := append([]byte{}, c.key...)
	wrong[0]++
	c.send(query("sleep"))
	cancel(c.pid, wrong)
	cancel(c.pid+1000, c.key)
	cancel(c.pid, append(c.key, 0))
	c.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if line, err := c.next(); err == nil {
		t.Fatalf("a wrong key cancelled: %s", line)
	}
	c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	cancel(c.pid, c.key)
	c.expect("E ERROR 57014 canceling statement due to user request", "Z I")
	c.send(query("rows 1"))
	c.expect("T n:20:0", `D "0"`, "C SELECT 1", "Z I")
	// while rows stream
	c.send(query("rows 1000000000"))
	c.expect("T n:20:0")
	cancel(c.pid, c.key)
	lines := c.until("E")
	if lines[len(lines)-1] != "E ERROR 57014 canceling statement due to user request" {
		t.Fatal(lines[len(lines)-1])
	}
	c.expect("Z I")
}

func TestNotifications(t *testing.T) {
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust})
	idle, inBlock, sender := connect(t, addr), connect(t, addr), connect(t, addr)
	inBlock.send(query("begin"))
	inBlock.expect("C BEGIN", "Z T")
	sender.send(query("notify hi"))
	sender.expect("C NOTIFY")
	if line := sender.until("A")[0]; !strings.HasSuffix(line, "6300686900") {
		t.Fatal(line)
	}
	sender.expect("Z I")
	if line := idle.until("A")[0]; !strings.HasSuffix(line, "6300686900") { // without asking
		t.Fatal(line)
	}
	inBlock.send(query("rows 1"))
	inBlock.expect("T n:20:0", `D "0"`, "C SELECT 1", "Z T") // not inside a transaction
	inBlock.send(query("commit"))
	inBlock.expect("C COMMIT")
	inBlock.until("A")
	inBlock.expect("Z I")
}
