package plan

import (
	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// walkNodes visits all nodes of a parse tree below n until f says false; it looks no deeper than a tree can be.
func walkNodes(n any, f func(*pgquery.Node) bool, depth int) bool {
	m, ok := n.(proto.Message)
	if !ok {
		return true
	}
	return walkMessage(m.ProtoReflect(), f, depth)
}

func walkMessage(m protoreflect.Message, f func(*pgquery.Node) bool, depth int) bool {
	if !m.IsValid() || depth > 10*maxDepth {
		return true
	}
	if n, ok := m.Interface().(*pgquery.Node); ok && !f(n) {
		return false
	}
	more := true
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if d.Message() == nil {
			return true
		}
		if d.IsList() {
			for i := range v.List().Len() {
				if more = walkMessage(v.List().Get(i).Message(), f, depth+1); !more {
					break
				}
			}
			return more
		}
		more = walkMessage(v.Message(), f, depth+1)
		return more
	})
	return more
}
