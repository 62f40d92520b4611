package weights

// Float16ToFloat32 is float16ToFloat32, for tests.
var Float16ToFloat32 = float16ToFloat32

// OpenBytes opens a file that lies in memory.
func OpenBytes(b []byte, o *Options) (*File, error) { return newFile("memory", bytesSource{b}, *o) }
