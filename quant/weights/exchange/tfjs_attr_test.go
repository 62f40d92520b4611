package exchange

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestTFJSAttributesInBothSpellings reads what different converters write for the same attribute.
func TestTFJSAttributesInBothSpellings(t *testing.T) {
	for text, want := range map[string]Setting{
		`{"type":"DT_FLOAT"}`:              {Texts: []string{"DT_FLOAT"}},
		`{"type":1}`:                       {Texts: []string{"DT_FLOAT"}},
		`{"type":9}`:                       {Texts: []string{"DT_INT64"}},
		`{"type":77}`:                      {Texts: []string{"DT_77"}},
		`{"s":"TkhXQw=="}`:                 {Texts: []string{"NHWC"}},
		`{"s":[78,72,87,67]}`:              {Texts: []string{"NHWC"}},
		`{"s":[]}`:                         {Texts: []string{""}},
		`{"list":{"s":["TkhXQw==",[78]]}}`: {Texts: []string{"NHWC", "N"}},
		`{"list":{"i":["1",2]}}`:           {Ints: []int64{1, 2}},
		`{"shape":{"dim":[{"size":"-1"},{"size":3}]}}`: {Ints: []int64{-1, 3}},
	} {
		var a tfjsAttr
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := a.setting()
		if err != nil || !reflect.DeepEqual(got.Texts, want.Texts) || !reflect.DeepEqual(got.Ints, want.Ints) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{`{"s":[256]}`, `{"s":[-1]}`, `{"s":"="}`, `{"s":{}}`, `{"type":[]}`, `{"type":{}}`} {
		var a tfjsAttr
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			if _, err = a.setting(); err == nil {
				t.Errorf("%s is read", bad)
			}
		}
	}
}
