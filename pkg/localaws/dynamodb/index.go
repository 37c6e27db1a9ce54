package dynamodb

import "slices"

// index is a global secondary index.
type index struct {
	name       string
	key        schema
	projection projectionType
	rows       rows
}

type projectionType struct {
	ProjectionType   string   `json:",omitempty"`
	NonKeyAttributes []string `json:",omitempty"`
}

// projects says whether the index has the attribute.
func (x *index) projects(t *table, name string) bool {
	return x.projection.ProjectionType == "ALL" || slices.Contains(x.key.names(), name) ||
		slices.Contains(t.key.names(), name) || slices.Contains(x.projection.NonKeyAttributes, name)
}

// entry is what the index has of the item: nothing if the item lacks one of the
// index's keys.
func (x *index) entry(t *table, i item) item {
	if len(x.key.of(i)) < len(x.key.names()) {
		return nil
	}
	entry := item{}
	for name, v := range i {
		if x.projects(t, name) {
			entry[name] = v
		}
	}
	return entry
}

// change is one write of an item. Nil is an item that is not there.
type change struct {
	old, new item
}

// apply brings the change into the index.
func (x *index) apply(t *table, c change) {
	if entry := x.entry(t, c.old); entry != nil {
		x.rows.remove(x.key, entry, t.key.id(entry))
	}
	if entry := x.entry(t, c.new); entry != nil {
		x.rows.put(x.key, entry, t.key.id(entry))
	}
}

// units is what the change costs in the index: one write to put or to delete an
// entry, both if a key of the index changes, none if the entry stays as it is:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations.Writes
func (x *index) units(t *table, c change) float64 {
	old, new := x.entry(t, c.old), x.entry(t, c.new)
	switch {
	case old.equal(new): // neither is there, too
		return 0
	case old != nil && new != nil && x.key.of(old).equal(x.key.of(new)):
		return writeUnits(max(old.size(), new.size()))
	}
	units := 0.0
	for _, entry := range []item{old, new} {
		if entry != nil {
			units += writeUnits(entry.size())
		}
	}
	return units
}
