package ledger

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// update is what a step writes and on which condition. All names go through
// aliases, since DynamoDB reserves 573 words: a condition says #state for the
// attribute state.
type update struct {
	condition string
	sets      []string
	adds      []string
	removes   []string
	names     map[string]string
	values    item
	returns   types.ReturnValue
}

// on begins a write. In the condition, every word after a # is an attribute, and
// every one after a : a value, which value gives.
func on(condition string) *update {
	u := &update{condition: condition, names: map[string]string{}, values: item{}, returns: types.ReturnValueAllNew}
	for _, word := range strings.FieldsFunc(condition, func(r rune) bool { return strings.ContainsRune(" (),.=<>", r) }) {
		if name, ok := strings.CutPrefix(word, "#"); ok {
			u.names[word] = name
		}
	}
	return u
}

// known begins a write that leaves an item alone whose state a later release has
// written: this one cannot know what it would destroy.
func known(condition string) *update {
	u := on("(attribute_not_exists(#state) OR #state IN (:isClaimed, :isDue, :isLaunched, :isAbandoned)) AND " + condition)
	return u.value("isClaimed", text(string(Claimed))).value("isDue", text(string(Due))).
		value("isLaunched", text(string(Launched))).value("isAbandoned", text(string(Abandoned)))
}

// value gives the condition a value.
func (u *update) value(name string, v types.AttributeValue) *update {
	u.values[":"+name] = v
	return u
}

// set writes an attribute; nil leaves it as it is.
func (u *update) set(name string, v types.AttributeValue) *update {
	if v == nil {
		return u
	}
	u.names["#"+name] = name
	u.values[":"+name+"_"] = v
	u.sets = append(u.sets, "#"+name+" = :"+name+"_")
	return u
}

// once writes an attribute that is not there yet.
func (u *update) once(name string, v types.AttributeValue) *update {
	if v == nil {
		return u
	}
	u.names["#"+name] = name
	u.values[":"+name+"_"] = v
	u.sets = append(u.sets, "#"+name+" = if_not_exists(#"+name+", :"+name+"_)")
	return u
}

// add adds to a number or a set.
func (u *update) add(name string, v types.AttributeValue) *update {
	u.names["#"+name] = name
	u.values[":"+name+"_"] = v
	u.adds = append(u.adds, "#"+name+" :"+name+"_")
	return u
}

func (u *update) remove(names ...string) *update {
	for _, name := range names {
		u.names["#"+name] = name
		u.removes = append(u.removes, "#"+name)
	}
	return u
}

// returning says what a write that is taken answers with, instead of the item as
// it is then.
func (u *update) returning(v types.ReturnValue) *update {
	u.returns = v
	return u
}

// anew is the same write on an item whose time to live is over, and which DynamoDB
// may take days to delete: as if it were not there any more.
func (u *update) anew(expires types.AttributeValue) *update {
	n := on("#expires = :expired")
	n.returns = u.returns
	n.value("expired", expires)
	written := map[string]bool{"pk": true, "sk": true}
	for _, list := range [][]string{u.sets, u.adds} {
		for _, clause := range list {
			name, _, _ := strings.Cut(strings.TrimPrefix(clause, "#"), " ")
			n.set(name, u.values[":"+name+"_"])
			written[name] = true
		}
	}
	for _, name := range append(slices.Clone(shown), "payload") {
		if !written[name] {
			n.remove(name)
		}
	}
	return n
}

func (u *update) expression() string {
	var parts []string
	for _, clause := range []struct {
		word string
		list []string
	}{{"SET", u.sets}, {"ADD", u.adds}, {"REMOVE", u.removes}} {
		if len(clause.list) > 0 {
			parts = append(parts, clause.word+" "+strings.Join(clause.list, ", "))
		}
	}
	return strings.Join(parts, " ")
}
