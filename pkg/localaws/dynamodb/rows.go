package dynamodb

import (
	"cmp"
	"slices"
)

// schema is the key of a table or an index. Without a range key rng is empty.
type schema struct {
	hash, rng string
}

func (k schema) names() []string {
	if k.rng == "" {
		return []string{k.hash}
	}
	return []string{k.hash, k.rng}
}

// of is the part of the item that is its key, without what it lacks.
func (k schema) of(i item) item {
	key := item{}
	for _, name := range k.names() {
		if v := i[name]; v != nil {
			key[name] = v
		}
	}
	return key
}

// id is the key as a string, which only equal keys share.
func (k schema) id(i item) string {
	id := i[k.hash].id()
	if k.rng != "" {
		id += "\x00" + i[k.rng].id()
	}
	return id
}

func (v *value) id() string {
	if v.kind == kindN {
		return "N" + v.number.String()
	}
	return string(v.kind) + v.text
}

// row is an item where its hash key leads, at the place of its range key. Items
// of an index with one key stand by that of the table.
type row struct {
	rng  *value // nil without a range key
	id   string
	item item
}

func (r row) compare(s row) int {
	if r.rng != nil && s.rng != nil {
		if order, _ := r.rng.compare(s.rng); order != 0 {
			return order
		}
	}
	return cmp.Compare(r.id, s.id)
}

// rows are the items of a table or an index, by hash key and in order.
type rows map[string][]row

func (r rows) place(k schema, i item, id string) (hash string, place row) {
	return i[k.hash].id(), row{i[k.rng], id, i}
}

func (r rows) put(k schema, i item, id string) {
	hash, place := r.place(k, i, id)
	at, found := slices.BinarySearchFunc(r[hash], place, row.compare)
	if found {
		r[hash][at] = place
		return
	}
	r[hash] = slices.Insert(r[hash], at, place)
}

func (r rows) remove(k schema, i item, id string) {
	hash, place := r.place(k, i, id)
	at, found := slices.BinarySearchFunc(r[hash], place, row.compare)
	if !found {
		return
	}
	r[hash] = slices.Delete(r[hash], at, at+1)
	if len(r[hash]) == 0 {
		delete(r, hash)
	}
}

// find is the item with the key, or nil.
func (r rows) find(k schema, key item) item {
	hash, place := r.place(k, key, k.id(key))
	at, found := slices.BinarySearchFunc(r[hash], place, row.compare)
	if !found {
		return nil
	}
	return r[hash][at].item
}
