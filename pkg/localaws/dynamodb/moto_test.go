package dynamodb

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// otherWords is an error that moto has too, in other words.
const otherWords = "has other words"

// motoIsWrong is what moto 5.2.1 does otherwise than DynamoDB. A case that it
// does right must not be here.
var motoIsWrong = map[string]string{
	"batches/key of another shape":                          otherWords,
	"batches/more keys":                                     otherWords,
	"batches/nothing":                                       "does not check",
	"capacity/batch rounds each item":                       "counts no sizes and no indexes",
	"capacity/delete":                                       "counts no sizes and no indexes",
	"capacity/get":                                          "counts no sizes and no indexes",
	"capacity/get without consistency":                      "counts no sizes and no indexes",
	"capacity/put into indexes":                             "counts no sizes and no indexes",
	"capacity/put of a KB and more":                         "counts no sizes and no indexes",
	"capacity/put of less than stood there":                 "counts no sizes and no indexes",
	"capacity/query of an index":                            "counts no sizes and no indexes",
	"capacity/query of nothing":                             "counts no sizes and no indexes",
	"capacity/update of a large item":                       "counts no sizes and no indexes",
	"capacity/update of an index's key":                     "counts no sizes and no indexes",
	"capacity/update of what an index includes":             "counts no sizes and no indexes",
	"capacity/update out of an index":                       "counts no sizes and no indexes",
	"capacity/update that no index has":                     "counts no sizes and no indexes",
	"conditions/#state < :v [:v:9]":                         "fails with a 500",
	"conditions/begins_with(#raw, :v) [:v:[97 98]]":         "does not know binary there",
	"conditions/not not #yes = :t [:t:true]":                "fails with a 500",
	"conditions/size(#absent) = :v [:v:0]":                  "fails with a 500",
	"expressions/(a = :v [:v:1]":                            "fails with a 500",
	"expressions/Size(a) = :v [:v:1]":                       otherWords,
	"expressions/a":                                         "fails with a 500",
	"expressions/a ! :v [:v:1]":                             "fails with a 500",
	"expressions/a < :v [:v:[a]]":                           "does not check",
	"expressions/a = :v ) [:v:1]":                           "fails with a 500",
	"expressions/a = :v AND [:v:1]":                         "fails with a 500",
	"expressions/a = a":                                     "does not check",
	"expressions/a = bbbbbbbbbbbbbbbbbbbbbbbbbb":            "does not check",
	"expressions/a == :v [:v:1]":                            "fails with a 500",
	"expressions/a BETWEEN :b AND :a [:a:a :b:1]":           "does not check",
	"expressions/a BETWEEN :b AND :a [:a:a :b:b]":           "does not check",
	"expressions/a[x] = :v [:v:1]":                          "fails with a 500",
	"expressions/alias of the wrong form":                   "does not check",
	"expressions/attribute_exists(:v) [:v:1]":               "fails with a 500",
	"expressions/attribute_exists(a, b)":                    "fails with a 500",
	"expressions/attribute_type(a, :v) [:v:X]":              "does not check",
	"expressions/begins_with(a, :v) [:v:1]":                 "does not check",
	"expressions/empty":                                     "does not check",
	"expressions/exists(a)":                                 otherWords,
	"expressions/names without an expression":               otherWords,
	"expressions/size(a)":                                   "fails with a 500",
	"expressions/undefined name":                            "fails with a 500",
	"expressions/undefined value":                           "fails with a 500",
	"expressions/unused values":                             "does not check",
	"expressions/value that cannot be":                      "does not check",
	"expressions/values without an expression":              "does not check",
	"items/item: 39 digits":                                 "does not check",
	"items/item: 400 KB":                                    "counts otherwise",
	"items/item: empty key":                                 otherWords,
	"items/item: empty number":                              otherWords,
	"items/item: empty set deep down":                       "does not check",
	"items/item: empty set of binary":                       "does not check",
	"items/item: key of an index of another type":           "does not check",
	"items/item: nested too deep":                           "does not check",
	"items/item: numbers are made plain":                    "leaves numbers as they are",
	"items/item: overflow":                                  "does not check",
	"items/item: set of equal numbers":                      "does not check",
	"items/item: set with duplicates":                       "does not check",
	"items/key of another type":                             "does not check",
	"items/key without its range":                           otherWords,
	"items/projection":                                      "loses names before an index",
	"items/projection with an overlap":                      "does not check",
	"items/put cannot return the new item":                  otherWords,
	"pages/limit at the end leaves a key":                   "leaves none",
	"pages/start of an index without the table's key":       "does not check",
	"pages/start of another hash key":                       "does not check",
	"pages/start of another shape":                          "does not check",
	"pages/start of another type":                           "does not check",
	"queries/all attributes of an index":                    "does not check",
	"queries/attribute that the index lacks":                "does not check",
	"queries/filter on a key":                               "does not check",
	"queries/key:":                                          otherWords,
	"queries/key: #pk = :p AND #pk = :p [:p:a]":             "does not check",
	"queries/key: #pk = :p AND #sk <> :p [:p:a]":            "fails with a 500",
	"queries/key: #pk = :p AND #sk = :p AND #x = :p [:p:a]": otherWords,
	"queries/key: #pk = :p AND contains(#sk, :p) [:p:a]":    otherWords,
	"queries/key: #pk = :p OR #sk = :p [:p:a]":              "fails with a 500",
	"queries/key: #pk = :p [:p:1]":                          "does not check",
	"queries/key: #pk.#x = :p [:p:a]":                       otherWords,
	"queries/limit of nothing":                              "does not check",
	"queries/no condition":                                  otherWords,
	"queries/no such index":                                 "has another code",
	"queries/value first":                                   "does not know the order",
	"tables/delete":                                         "tells the status ACTIVE",
	"tables/key that is not defined":                        otherWords,
	"tables/short name":                                     "does not check",
	"tables/time to live":                                   "does not check, and keeps the attribute",
	"tables/two indexes of one name":                        "does not check",
	"updates/add a string":                                  otherWords,
	"updates/conflict":                                      otherWords,
	"updates/delete a number":                               otherWords,
	"updates/function of a condition":                       otherWords,
	"updates/indexes beyond the end":                        "appends in the order of the expression",
	"updates/key of an index that is too long":              "does not check",
	"updates/key of an index of another type":               "does not check",
	"updates/list_append to a string":                       otherWords,
	"updates/no expression makes an item of the key":        "fails with a 500",
	"updates/numbers in a set":                              "compares numbers in sets as texts",
	"updates/overflow":                                      "does not check",
	"updates/overlap":                                       otherWords,
	"updates/plus with a string":                            otherWords,
	"updates/plus with a string value":                      otherWords,
	"updates/returns updated old":                           "returns whole maps",
	"updates/set and remove elements":                       "removes first",
	"updates/unknown function":                              otherWords,
}

// TestMotoIsWrong finds names that are no case's, and cases of one name.
func TestMotoIsWrong(t *testing.T) {
	cases := map[string]bool{}
	for group, list := range contractCases() {
		for _, tc := range list {
			name := group + "/" + tc.name
			if cases[name] {
				t.Errorf("two cases have the name %s", name)
			}
			cases[name] = true
		}
	}
	for name := range motoIsWrong {
		if !cases[name] {
			t.Errorf("%s is no case", name)
		}
	}
}

func judgeMoto(t *testing.T, reason string, want, got any) {
	t.Helper()
	if cmp.Equal(want, got) {
		t.Errorf("moto does this right by now, take it out of motoIsWrong (%s)", reason)
	}
	if reason != otherWords {
		t.Skip("moto " + reason)
	}
	w, _ := want.(refusal)
	if g, ok := got.(refusal); !ok || g.Code != w.Code {
		t.Errorf("got %+v, want %s in any words", got, w.Code)
	}
}
