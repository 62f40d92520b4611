package validate

// The built-in texts are made of parts: enough to see that a model is broken, too regular to say how good it is.
var (
	who = []string{"A young woman", "The old fisherman", "My neighbour", "A group of children", "The engineer", "Nobody", "A tired nurse", "The committee"}
	did = []string{"repaired the bicycle", "was singing an old song", "lost a lot of money", "found a way out", "painted the kitchen blue",
		"explained the theory of gravity", "waited for the last train", "cooked soup for twenty guests"}
	how = []string{"in the rain.", "before the war began.", "without saying a word!", "although the shops were closed.", "on a small island in the north.",
		"because it was late?", "with 3 friends and a dog.", "near the river, as every Sunday."}
)

// Texts are the texts that are compared where none are given: 256 English sentences.
func Texts() []string {
	var texts []string
	for i, w := range who {
		for j, d := range did {
			for k := range 4 {
				texts = append(texts, w+" "+d+" "+how[(i+3*j+2*k)%len(how)])
			}
		}
	}
	return texts
}
