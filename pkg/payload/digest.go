package payload

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"errand/pkg/awsjson"
)

// digestLength is the length of one field's digest in characters of six bits.
const digestLength = 6

// Digest tells payloads apart, field by field and without their values: for each
// field as it was given, in the order of the names, the name, a colon and six
// characters. The form of the JSON document does not count, nor do the job, which
// is a part of the run's identity, and the schedule that sent it. It is "-" for a payload of nothing else,
// and "" for what is no object.
func Digest(raw []byte) string {
	if len(raw) > maxBytes { // which nobody reads
		sum := sha256.Sum256(raw)
		return "payload:" + base64.RawURLEncoding.EncodeToString(sum[:])[:digestLength]
	}
	w := unwrap(raw)
	if w.problem != "" {
		return ""
	}
	dec := json.NewDecoder(bytes.NewReader(w.payload))
	dec.UseNumber() // a number counts as it was written
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil || fields == nil {
		return ""
	}
	delete(fields, "job")
	delete(fields, "schedule")
	if len(fields) == 0 {
		return "-"
	}
	var parts []string
	hidden := map[string]any{} // by names that may be values
	for name, value := range fields {
		if awsjson.Name(name) != name {
			hidden[name] = value
			delete(fields, name)
		}
	}
	if len(hidden) > 0 {
		fields["…"] = hidden
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, _ := json.Marshal(fields[name]) // decoded from JSON, and with sorted names
		sum := sha256.Sum256(text)
		parts = append(parts, name+":"+base64.RawURLEncoding.EncodeToString(sum[:])[:digestLength])
	}
	return strings.Join(parts, ",")
}

// Differing are the names of the fields in which two payloads with these digests
// differ, in order.
func Differing(a, b string) []string {
	of := func(digest string) map[string]string {
		fields := map[string]string{}
		for part := range strings.SplitSeq(digest, ",") {
			name, sum, _ := strings.Cut(part, ":")
			fields[name] = sum
		}
		delete(fields, "")
		return fields
	}
	one, two := of(a), of(b)
	all := maps.Clone(one)
	maps.Copy(all, two)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if one[name] != two[name] {
			names = append(names, name)
		}
	}
	return names
}
