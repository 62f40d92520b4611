package wire

import (
	"engram/sql"
	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// badMessage is the error for a message whose inside is malformed. The next one can be read.
func badMessage(cause error) *types.Error {
	return types.Errorf(types.CodeProtocolViolation, "invalid message format: %w", cause)
}

// message serves one message. An error ends the connection; those of statements have been reported.
func (c *conn) message(kind byte, body []byte) error {
	switch kind {
	case 'Q', 'P', 'B', 'D', 'E', 'C', 'H', 'F':
		if c.skipping {
			return nil
		}
	}
	switch kind {
	case 'Q':
		return c.simpleQuery(body)
	case 'S':
		return c.sync()
	case 'H':
		return c.out.flush()
	case 'F':
		return c.refuseCycle(types.Errorf(types.CodeFeatureNotSupported, "the function call message is not supported"))
	case 'd', 'c', 'f': // of a COPY that has failed
		return nil
	case 'P':
		return c.extended(c.parse, body)
	case 'B':
		return c.extended(c.bind, body)
	case 'D':
		return c.extended(c.describeMessage, body)
	case 'E':
		return c.extended(c.execute, body)
	case 'C':
		return c.extended(c.closeMessage, body)
	}
	return fatal(types.CodeProtocolViolation, "invalid frontend message type %d", kind)
}

// fail reports the error of a statement. What ends the connection is returned.
func (c *conn) fail(err error) error {
	c.result.in, c.result.out, c.result.columns, c.result.style = nil, nil, nil, nil
	if c.broken != nil {
		return c.broken
	}
	if c.out.err != nil {
		return c.out.err
	}
	e := asError(err)
	if e.Severity == "FATAL" || e.Severity == "PANIC" {
		return e
	}
	c.out.sendError(e)
	return nil
}

func (c *conn) simpleQuery(body []byte) error {
	var msg pgproto3.Query
	if err := msg.Decode(body); err != nil {
		return c.refuseCycle(badMessage(err))
	}
	if err := types.CheckUTF8(msg.String); err != nil {
		return c.refuseCycle(err)
	}
	c.result.formats = nil
	if err := c.session.Query(c.ctx, msg.String, &c.result); err != nil {
		if err := c.fail(err); err != nil {
			return err
		}
	}
	return c.ready()
}

// refuseCycle answers a message that is a cycle of its own with an error that the session did not see.
func (c *conn) refuseCycle(err error) error {
	c.session.Fail()
	if err := c.fail(err); err != nil {
		return err
	}
	return c.sync()
}

// sync ends a segment of the extended protocol.
func (c *conn) sync() error {
	if err := c.session.Sync(c.ctx); err != nil {
		if err := c.fail(err); err != nil {
			return err
		}
	}
	return c.ready()
}

// extended serves a message of the extended protocol. After an error nothing counts until Sync.
func (c *conn) extended(serve func(body []byte) error, body []byte) error {
	err := serve(body)
	if err == nil {
		return c.out.flushFull()
	}
	c.session.Fail()
	c.skipping = true
	if err := c.fail(err); err != nil {
		return err
	}
	return c.out.flush()
}

func (c *conn) parse(body []byte) error {
	var msg pgproto3.Parse
	if err := msg.Decode(body); err != nil {
		return badMessage(err)
	}
	for _, s := range []string{msg.Name, msg.Query} {
		if err := types.CheckUTF8(s); err != nil {
			return err
		}
	}
	if _, err := c.session.Prepare(c.ctx, msg.Name, msg.Query, msg.ParameterOIDs); err != nil {
		return err
	}
	c.out.send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) bind(body []byte) error {
	var msg pgproto3.Bind
	if err := msg.Decode(body); err != nil {
		return badMessage(err)
	}
	if n := len(msg.ParameterFormatCodes); n > 1 && n != len(msg.Parameters) {
		return types.Errorf(types.CodeProtocolViolation, "bind message has %d parameter formats but %d parameters", n, len(msg.Parameters))
	}
	for _, codes := range [][]int16{msg.ParameterFormatCodes, msg.ResultFormatCodes} {
		for _, code := range codes {
			if code != 0 && code != 1 {
				return types.Errorf(types.CodeInvalidParameterValue, "unsupported format code: %d", code)
			}
		}
	}
	params := make([]sql.Param, len(msg.Parameters))
	for i, value := range msg.Parameters {
		params[i] = sql.Param{Value: value, Null: value == nil, Binary: formatOf(msg.ParameterFormatCodes, i) == 1}
	}
	if _, err := c.session.Bind(c.ctx, msg.DestinationPortal, msg.PreparedStatement, params, msg.ResultFormatCodes); err != nil {
		return err
	}
	c.out.send(&pgproto3.BindComplete{})
	return nil
}

func (c *conn) describeMessage(body []byte) error {
	var msg pgproto3.Describe
	if err := msg.Decode(body); err != nil {
		return badMessage(err)
	}
	switch msg.ObjectType {
	case 'S':
		st, err := c.session.Statement(msg.Name)
		if err != nil {
			return err
		}
		columns := st.Columns()
		if err := c.mayDescribe(columns); err != nil {
			return err
		}
		params := st.Params()
		oids := make([]uint32, len(params))
		for i, p := range params {
			oids[i] = p.OID
		}
		c.out.send(&pgproto3.ParameterDescription{ParameterOIDs: oids})
		c.describe(columns, nil)
		return nil
	case 'P':
		p, err := c.session.Portal(msg.Name)
		if err != nil {
			return err
		}
		columns := p.Columns()
		if err := c.mayDescribe(columns); err != nil {
			return err
		}
		c.describe(columns, p.Formats())
		return nil
	}
	return types.Errorf(types.CodeProtocolViolation, "invalid DESCRIBE message subtype %d", msg.ObjectType)
}

// mayDescribe refuses to describe what cannot be executed any more.
func (c *conn) mayDescribe(columns []sql.Column) error {
	if columns != nil && c.session.Status() == 'E' {
		return types.Errorf(types.CodeInFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	return nil
}

func (c *conn) execute(body []byte) error {
	var msg pgproto3.Execute
	if err := msg.Decode(body); err != nil {
		return badMessage(err)
	}
	p, err := c.session.Portal(msg.Portal)
	if err != nil {
		return err
	}
	c.result.columns, c.result.formats = p.Columns(), p.Formats()
	c.result.style = c.session.Style()
	most := int(int32(msg.MaxRows))
	suspended, err := c.session.Execute(c.ctx, msg.Portal, max(most, 0), &c.result)
	if err != nil {
		return err
	}
	if suspended {
		c.out.send(&pgproto3.PortalSuspended{})
	}
	return nil
}

func (c *conn) closeMessage(body []byte) error {
	var msg pgproto3.Close
	if err := msg.Decode(body); err != nil {
		return badMessage(err)
	}
	switch msg.ObjectType {
	case 'S':
		c.session.CloseStatement(msg.Name)
	case 'P':
		c.session.ClosePortal(msg.Name)
	default:
		return types.Errorf(types.CodeProtocolViolation, "invalid CLOSE message subtype %d", msg.ObjectType)
	}
	c.out.send(&pgproto3.CloseComplete{})
	return nil
}
