package eventpattern_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"errand/pkg/eventpattern"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern, event string
		want                 bool
	}{
		{name: "the stop of a task of this stack", pattern: `{"source":["aws.ecs"],"detail":{"lastStatus":["STOPPED"],"startedBy":[{"prefix":"errand/jobs/"}]}}`, event: `{"source":"aws.ecs","detail":{"lastStatus":"STOPPED","startedBy":"errand/jobs/report"}}`, want: true},
		{name: "a task of another stack", pattern: `{"detail":{"startedBy":[{"prefix":"errand/jobs/"}]}}`, event: `{"detail":{"startedBy":"errand/jobs-2/report"}}`},
		{name: "a task that nobody's name is on", pattern: `{"detail":{"startedBy":[{"prefix":"errand/jobs/"}]}}`, event: `{"detail":{}}`},

		{name: "one of several literals", pattern: `{"a":["x","y"]}`, event: `{"a":"y"}`, want: true},
		{name: "none of several literals", pattern: `{"a":["x","y"]}`, event: `{"a":"z"}`},
		{name: "literals are compared with their case", pattern: `{"a":["x"]}`, event: `{"a":"X"}`},
		{name: "names are compared with their case", pattern: `{"a":["x"]}`, event: `{"A":"x"}`},
		{name: "every key must match", pattern: `{"a":["x"],"b":["y"]}`, event: `{"a":"x","b":"z"}`},
		{name: "a key that is missing", pattern: `{"a":["x"]}`, event: `{"b":"x"}`},
		{name: "an empty string", pattern: `{"a":[""]}`, event: `{"a":""}`, want: true},
		{name: "a number is no string", pattern: `{"a":["1"]}`, event: `{"a":1}`},
		{name: "numbers by value", pattern: `{"a":[300]}`, event: `{"a":3.0e2}`, want: true},
		{name: "other numbers", pattern: `{"a":[300]}`, event: `{"a":301}`},
		{name: "true", pattern: `{"a":[true]}`, event: `{"a":true}`, want: true},
		{name: "false is not true", pattern: `{"a":[true]}`, event: `{"a":false}`},
		{name: "null", pattern: `{"a":[null]}`, event: `{"a":null}`, want: true},
		{name: "null is not absent", pattern: `{"a":[null]}`, event: `{}`},
		{name: "a string with JSON in it has no fields", pattern: `{"a":{"b":["x"]}}`, event: `{"a":"{\"b\":\"x\"}"}`},

		{name: "any element of an array", pattern: `{"a":["x"]}`, event: `{"a":["w","x"]}`, want: true},
		{name: "no element of an array", pattern: `{"a":["x"]}`, event: `{"a":["w"]}`},
		{name: "an empty array has no value", pattern: `{"a":[null]}`, event: `{"a":[]}`},
		{name: "an object in an array", pattern: `{"a":{"b":["x"]}}`, event: `{"a":[{"b":"w"},{"b":"x"}]}`, want: true},
		{name: "two fields of the same object in an array", pattern: `{"a":{"b":["x"],"c":[1]}}`, event: `{"a":[{"b":"x","c":2},{"b":"x","c":1}]}`, want: true},
		{name: "two fields of different objects in an array", pattern: `{"a":{"b":["x"],"c":[1]}}`, event: `{"a":[{"b":"x","c":2},{"b":"w","c":1}]}`},

		{name: "prefix", pattern: `{"a":[{"prefix":"ab"}]}`, event: `{"a":"abc"}`, want: true},
		{name: "prefix of a number", pattern: `{"a":[{"prefix":"1"}]}`, event: `{"a":12}`},
		{name: "empty prefix", pattern: `{"a":[{"prefix":""}]}`, event: `{"a":"abc"}`, want: true},
		{name: "prefix in another case", pattern: `{"a":[{"prefix":{"equals-ignore-case":"ÄB"}}]}`, event: `{"a":"äbc"}`, want: true},
		{name: "prefix in another case, too short a value", pattern: `{"a":[{"prefix":{"equals-ignore-case":"AB"}}]}`, event: `{"a":"a"}`},
		{name: "suffix", pattern: `{"a":[{"suffix":".png"}]}`, event: `{"a":"x.png"}`, want: true},
		{name: "another suffix", pattern: `{"a":[{"suffix":".png"}]}`, event: `{"a":"x.jpg"}`},
		{name: "suffix in another case", pattern: `{"a":[{"suffix":{"equals-ignore-case":".png"}}]}`, event: `{"a":"x.PNG"}`, want: true},
		{name: "equal but for the case", pattern: `{"a":[{"equals-ignore-case":"alice"}]}`, event: `{"a":"ALICE"}`, want: true},
		{name: "not equal but for the case", pattern: `{"a":[{"equals-ignore-case":"alice"}]}`, event: `{"a":"ALICES"}`},

		{name: "anything but a string", pattern: `{"a":[{"anything-but":"x"}]}`, event: `{"a":"y"}`, want: true},
		{name: "not anything but the string", pattern: `{"a":[{"anything-but":"x"}]}`, event: `{"a":"x"}`},
		{name: "anything but needs a value", pattern: `{"a":[{"anything-but":"x"}]}`, event: `{}`},
		{name: "null is anything but a string", pattern: `{"a":[{"anything-but":"x"}]}`, event: `{"a":null}`, want: true},
		{name: "anything but a number", pattern: `{"a":[{"anything-but":0}]}`, event: `{"a":0.0}`},
		{name: "anything but a list", pattern: `{"a":[{"anything-but":["x",1]}]}`, event: `{"a":1}`},
		{name: "anything but a list, another value", pattern: `{"a":[{"anything-but":["x",1]}]}`, event: `{"a":2}`, want: true},
		{name: "anything but a prefix", pattern: `{"a":[{"anything-but":{"prefix":"us-"}}]}`, event: `{"a":"us-east-1"}`},
		{name: "a number is anything but a prefix", pattern: `{"a":[{"anything-but":{"prefix":"us-"}}]}`, event: `{"a":12}`, want: true},
		{name: "anything but two prefixes", pattern: `{"a":[{"anything-but":{"prefix":["us-","eu-"]}}]}`, event: `{"a":"eu-west-1"}`},
		{name: "anything but a suffix", pattern: `{"a":[{"anything-but":{"suffix":".png"}}]}`, event: `{"a":"x.jpg"}`, want: true},
		{name: "anything but a wildcard", pattern: `{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, event: `{"a":"/usr/lib/x"}`},
		{name: "anything but a string in any case", pattern: `{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}`, event: `{"a":"X"}`},

		{name: "exists", pattern: `{"a":[{"exists":true}]}`, event: `{"a":null}`, want: true},
		{name: "exists, and does not", pattern: `{"a":[{"exists":true}]}`, event: `{"b":1}`},
		{name: "an object does not exist as a value", pattern: `{"a":[{"exists":true}]}`, event: `{"a":{"b":1}}`},
		{name: "an empty array does not exist", pattern: `{"a":[{"exists":true}]}`, event: `{"a":[]}`},
		{name: "does not exist", pattern: `{"a":{"b":[{"exists":false}]}}`, event: `{"a":{"c":1}}`, want: true},
		{name: "does not exist, nor does what is around it", pattern: `{"a":{"b":{"c":[{"exists":false}]}}}`, event: `{}`, want: true},
		{name: "does not exist, and does", pattern: `{"a":[{"exists":false}]}`, event: `{"a":"x"}`},
		{name: "does not exist in one element only", pattern: `{"a":{"b":[{"exists":false}]}}`, event: `{"a":[{"b":1},{"c":1}]}`},
		{name: "does not exist, or has a value", pattern: `{"a":[{"exists":false},"x"]}`, event: `{"a":"x"}`, want: true},

		{name: "equal number", pattern: `{"a":[{"numeric":["=",3.018e2]}]}`, event: `{"a":301.8}`, want: true},
		{name: "within a range", pattern: `{"a":[{"numeric":[">",0,"<=",5]}]}`, event: `{"a":5}`, want: true},
		{name: "on the open end of a range", pattern: `{"a":[{"numeric":[">",0,"<=",5]}]}`, event: `{"a":0}`},
		{name: "over a bound", pattern: `{"a":[{"numeric":[">=",100]}]}`, event: `{"a":101.0}`, want: true},
		{name: "under a bound", pattern: `{"a":[{"numeric":["<",100]}]}`, event: `{"a":-1}`, want: true},
		{name: "a string is not in a range", pattern: `{"a":[{"numeric":[">",100]}]}`, event: `{"a":"300"}`},

		{name: "wildcard", pattern: `{"a":[{"wildcard":"/Users/*/dir/*.txt"}]}`, event: `{"a":"/Users/me/dir/dir/doc.txt"}`, want: true},
		{name: "wildcard that wants more", pattern: `{"a":[{"wildcard":"ab*ba"}]}`, event: `{"a":"aba"}`},
		{name: "wildcard in the middle only once", pattern: `{"a":[{"wildcard":"a*b*c"}]}`, event: `{"a":"ac"}`},
		{name: "wildcard for nothing", pattern: `{"a":[{"wildcard":"a*"}]}`, event: `{"a":"a"}`, want: true},
		{name: "wildcard without a star", pattern: `{"a":[{"wildcard":"ab"}]}`, event: `{"a":"abc"}`},
		{name: "wildcard with an escaped star", pattern: `{"a":[{"wildcard":"a\\*\\\\*"}]}`, event: `{"a":"a*\\x"}`, want: true},
		{name: "wildcard with an escaped star, and none there", pattern: `{"a":[{"wildcard":"a\\*"}]}`, event: `{"a":"ab"}`},

		{name: "an address in a block", pattern: `{"a":[{"cidr":"10.0.0.0/24"}]}`, event: `{"a":"10.0.0.255"}`, want: true},
		{name: "an address outside a block", pattern: `{"a":[{"cidr":"10.0.0.0/24"}]}`, event: `{"a":"10.0.1.1"}`},
		{name: "an IPv6 address in a block", pattern: `{"a":[{"cidr":"2001:db8::/32"}]}`, event: `{"a":"2001:db8::1"}`, want: true},
		{name: "no address", pattern: `{"a":[{"cidr":"10.0.0.0/24"}]}`, event: `{"a":"here"}`},

		{name: "the first alternative", pattern: `{"a":{"$or":[{"b":["x"]},{"c":[{"numeric":["<",10]}]}]}}`, event: `{"a":{"b":"x"}}`, want: true},
		{name: "the second alternative", pattern: `{"a":{"$or":[{"b":["x"]},{"c":[{"numeric":["<",10]}]}]}}`, event: `{"a":{"c":9}}`, want: true},
		{name: "no alternative", pattern: `{"a":{"$or":[{"b":["x"]},{"c":[{"numeric":["<",10]}]}]}}`, event: `{"a":{"b":"y","c":10}}`},
		{name: "an alternative, but not the rest", pattern: `{"$or":[{"b":["x"]},{"c":[1]}],"d":["y"]}`, event: `{"b":"x","d":"z"}`},

		{name: "an event that is no object", pattern: `{"a":[{"exists":false}]}`, event: `["a"]`},
		{name: "an event that is no JSON", pattern: `{"a":[{"exists":false}]}`, event: `{`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := eventpattern.Compile([]byte(tt.pattern))
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match([]byte(tt.event)); got != tt.want {
				t.Errorf("%s on %s: got %t, want %t", tt.pattern, tt.event, got, tt.want)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, pattern, want string }{
		{name: "nothing", pattern: ``, want: "not valid JSON: it ends too early"},
		{name: "half an object", pattern: `{"a":["x"]`, want: "not valid JSON: it ends too early"},
		{name: "no JSON", pattern: `{'a':['x']}`, want: "not valid JSON: invalid character"},
		{name: "two objects", pattern: `{"a":["x"]}{}`, want: "more text after its end"},
		{name: "an array", pattern: `["x"]`, want: "must be an object, not an array"},
		{name: "an empty object", pattern: `{}`, want: "the whole pattern is an empty object"},
		{name: "an empty object inside", pattern: `{"detail":{}}`, want: "detail is an empty object"},
		{name: "a string without an array", pattern: `{"detail":{"state":"x"}}`, want: `detail.state must be an array of values or an object, not the string "x"`},
		{name: "a number without an array", pattern: `{"a":1}`, want: "a must be an array of values or an object, not the number 1"},
		{name: "null without an array", pattern: `{"a":null}`, want: "not null"},
		{name: "an empty array", pattern: `{"detail":{"state":[]}}`, want: "detail.state is an empty array"},
		{name: "an array in an array", pattern: `{"a":["x",["y"]]}`, want: "a[1] must be a string, a number, true, false, null or an operator, not an array"},
		{name: "an unknown operator", pattern: `{"a":["x",{"starts-with":"x"}]}`, want: `a[1]: there is no operator "starts-with"`},
		{name: "an operator in capitals", pattern: `{"a":[{"EXISTS":true}]}`, want: `there is no operator "EXISTS"`},
		{name: "two operators in one", pattern: `{"a":[{"prefix":"x","suffix":"y"}]}`, want: "a[0] must have exactly one operator, not 2"},
		{name: "no operator", pattern: `{"a":[{}]}`, want: "a[0] must have exactly one operator, not 0"},
		{name: "prefix of a number", pattern: `{"a":[{"prefix":1}]}`, want: "a[0].prefix must be a string, not the number 1"},
		{name: "prefix of a list", pattern: `{"a":[{"prefix":["x"]}]}`, want: "a[0].prefix must be a string, not an array"},
		{name: "prefix of an unknown kind", pattern: `{"a":[{"prefix":{"suffix":"x"}}]}`, want: "takes a string or equals-ignore-case, not suffix"},
		{name: "suffix of null", pattern: `{"a":[{"suffix":null}]}`, want: "a[0].suffix must be a string, not null"},
		{name: "equals-ignore-case of a list", pattern: `{"a":[{"equals-ignore-case":["x"]}]}`, want: "must be a string"},
		{name: "exists of a string", pattern: `{"a":[{"exists":"no"}]}`, want: `a[0].exists must be true or false, not the string "no"`},
		{name: "anything but null", pattern: `{"a":[{"anything-but":null}]}`, want: "a[0].anything-but must be a string or a number, not null"},
		{name: "anything but a list with null", pattern: `{"a":[{"anything-but":["x",null]}]}`, want: "a[0].anything-but[1] must be a string or a number, not null"},
		{name: "anything but nothing", pattern: `{"a":[{"anything-but":[]}]}`, want: "empty array"},
		{name: "anything but an unknown operator", pattern: `{"a":[{"anything-but":{"exists":true}}]}`, want: "takes prefix, suffix, wildcard or equals-ignore-case, not exists"},
		{name: "anything but an empty prefix", pattern: `{"a":[{"anything-but":{"prefix":""}}]}`, want: "must not be empty"},
		{name: "anything but a numeric prefix", pattern: `{"a":[{"anything-but":{"prefix":1}}]}`, want: "must be a string, not the number 1"},
		{name: "anything but no prefix", pattern: `{"a":[{"anything-but":{"prefix":[]}}]}`, want: "empty array"},
		{name: "numeric of a number", pattern: `{"a":[{"numeric":10}]}`, want: "a[0].numeric must be an array"},
		{name: "numeric of nothing", pattern: `{"a":[{"numeric":[]}]}`, want: "one comparison or two"},
		{name: "numeric without a number", pattern: `{"a":[{"numeric":[">"]}]}`, want: "one comparison or two"},
		{name: "numeric of a string", pattern: `{"a":[{"numeric":[">","3"]}]}`, want: `a[0].numeric[1] must be a number, not the string "3"`},
		{name: "numeric of an unknown operator", pattern: `{"a":[{"numeric":["!=",3]}]}`, want: "a[0].numeric[0] must be"},
		{name: "numeric range of two lower bounds", pattern: `{"a":[{"numeric":[">",0,">",5]}]}`, want: `a[0].numeric[2] must be "<" or "<="`},
		{name: "numeric range downwards", pattern: `{"a":[{"numeric":["<",5,">",0]}]}`, want: `a[0].numeric[0] must be ">" or ">="`},
		{name: "numeric range of nothing", pattern: `{"a":[{"numeric":[">",5,"<",5]}]}`, want: "the lower bound must be less than the upper one"},
		{name: "a number beyond all bounds", pattern: `{"a":[1e999]}`, want: "not a number in range"},
		{name: "two stars", pattern: `{"a":[{"wildcard":"a**b"}]}`, want: "consecutive wildcard characters"},
		{name: "two stars at the start", pattern: `{"a":[{"wildcard":"**"}]}`, want: "consecutive wildcard characters"},
		{name: "a stray backslash", pattern: `{"a":[{"wildcard":"a\\b"}]}`, want: "a backslash stands before"},
		{name: "a backslash at the end", pattern: `{"a":[{"wildcard":"a\\"}]}`, want: "a backslash stands before"},
		{name: "a block without a mask", pattern: `{"a":[{"cidr":"10.0.0.1"}]}`, want: "not a block of addresses"},
		{name: "a block of strange addresses", pattern: `{"a":[{"cidr":"xx.0.0.0/8"}]}`, want: "not a block of addresses"},
		{name: "one alternative", pattern: `{"$or":[{"a":["x"]}]}`, want: "$or needs at least two alternatives"},
		{name: "alternatives in an object", pattern: `{"$or":{"a":["x"]}}`, want: "$or must be an array of objects"},
		{name: "an alternative that is no object", pattern: `{"detail":{"$or":[{"a":["x"]},"y"]}}`, want: `detail.$or[1] must be an object, not the string "y"`},
		{name: "a wrong alternative", pattern: `{"$or":[{"a":["x"]},{"b":"y"}]}`, want: "$or[1].b must be an array"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := eventpattern.Compile([]byte(tt.pattern))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want an error with %q", tt.pattern, err, tt.want)
			}
		})
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"detail":{"a":[{"prefix":"x"},{"anything-but":["y",1]},{"exists":false}],"$or":[{"b":[null]},{"c":[{"numeric":[">",0,"<=",5]}]}]}}`, `{"detail":{"a":["x"],"c":1}}`)
	f.Add(`{"a":[{"wildcard":"a\\**b*"},{"cidr":"10.0.0.0/8"},{"suffix":{"equals-ignore-case":"É"}}]}`, `{"a":[[],"a*xb","10.1.1.1",{"b":1}]}`)
	f.Add(`{"a":{"b":["x"],"c":[{"exists":false}]}}`, `{"a":[{"b":"x"},[{"c":1}],2]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := eventpattern.Compile([]byte(pattern))
		if err != nil {
			return
		}
		var tree any
		dec := json.NewDecoder(strings.NewReader(pattern))
		dec.UseNumber()
		if err := dec.Decode(&tree); err != nil || !json.Valid([]byte(pattern)) {
			t.Fatalf("%s was compiled, but is no JSON: %v", pattern, err)
		}
		var written bytes.Buffer
		enc := json.NewEncoder(&written)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(tree); err != nil {
			t.Fatal(err)
		}
		again, err := eventpattern.Compile(written.Bytes())
		if err != nil {
			t.Fatalf("%s was compiled, but not after it was written again: %v", pattern, err)
		}
		if p.Match([]byte(event)) != again.Match([]byte(event)) {
			t.Errorf("%s selects %s only once", pattern, event)
		}
	})
}
