//go:build !unix

package wire

import "net"

// hungUp cannot tell on this system; the client's absence shows at the next write.
func hungUp(net.Conn) bool { return false }
