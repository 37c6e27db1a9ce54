package eventpattern

import (
	"fmt"
	"strings"
)

// splitWildcard cuts a wildcard at its stars. A backslash makes a star or a
// backslash an ordinary character.
func splitWildcard(wildcard string) ([]string, error) {
	var parts []string
	var part strings.Builder
	for i := 0; i < len(wildcard); i++ {
		switch wildcard[i] {
		case '\\':
			i++
			if i == len(wildcard) || wildcard[i] != '*' && wildcard[i] != '\\' {
				return nil, fmt.Errorf(`in %q a backslash stands before something else than * or \`, wildcard)
			}
			part.WriteByte(wildcard[i])
		case '*':
			if i > 0 && part.Len() == 0 && len(parts) > 0 {
				return nil, fmt.Errorf("%q has consecutive wildcard characters", wildcard)
			}
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(wildcard[i])
		}
	}
	return append(parts, part.String()), nil
}

func matchWildcard(parts []string, got string) bool {
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return got == first
	}
	if len(got) < len(first)+len(last) || !strings.HasPrefix(got, first) || !strings.HasSuffix(got, last) {
		return false
	}
	got = got[len(first) : len(got)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(got, part)
		if !found {
			return false
		}
		got = after
	}
	return true
}
