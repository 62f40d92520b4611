package token

// Words gives the parts that a pipeline gives to its model.
func Words(p *Pipeline, text string) []string {
	var w words
	q := *p
	q.model = &w
	q.Encode(text, 1<<20)
	return w
}

type words []string

func (w *words) appendWord(ids []int32, word string, _ int) []int32 {
	*w = append(*w, word)
	return ids
}
func (w *words) piece(int32) string { return "" }
func (w *words) id(string) int32    { return -1 }
func (w *words) size() int          { return 0 }
