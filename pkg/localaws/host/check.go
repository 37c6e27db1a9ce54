package host

import (
	"regexp"
	"slices"
)

// Deref is the string that an optional member holds, or "".
func Deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Within returns a number that must be between 1 and most, or most when there
// is none.
func Within(member string, n *int32, most int) (int, error) {
	switch {
	case n == nil:
		return most, nil
	case *n < 1:
		return 0, Invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to 1", *n, member)
	case int(*n) > most:
		return 0, Invalid("1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", *n, member, most)
	}
	return int(*n), nil
}

// OneOf refuses a value that an enum does not have. The empty value is one that
// was left out.
func OneOf[E ~string](member string, value E, known []E) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return Invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: %v", value, member, known)
}

// Matches refuses a value that is not of the form.
func Matches(member, value string, form *regexp.Regexp) error {
	if form.MatchString(value) {
		return nil
	}
	return Invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", value, member, form)
}
