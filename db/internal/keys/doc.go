// Package keys answers one question: where in Pebble is it?
//
// It is the whole key space on one page. Integers are big-endian, so that byte order is number order.
//
//	'f'                          format magic and version
//	'n' name                     schema
//	't' table(4)                 table descriptor
//	'h' table(4) row(8)          head row
//	'u' table(4) unique(4) key   unique key, to row(8)
//	'm' table(4) segment(8)      manifest entry: the segment is live
//	'd' table(4) segment(8)      ords of the segment's dead rows: a roaring bitmap, merged by OR
//	'c' table(4) column(4)       counter: the first number not reserved yet
//	'p' table(4) row(8)          the row waits for its embedding
//	's' key                      setting of an upper layer
//
// Columns are numbered from 1; counter column 0 counts the table's RowIDs. Table 0 is the database itself: its counter 1
// counts tables, its counter 2 segments.
package keys
