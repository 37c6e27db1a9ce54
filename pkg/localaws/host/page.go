package host

import "slices"

// Page says which page of a list is wanted.
type Page struct {
	// Member is the name of the parameter that Size is the value of, and Most
	// what it may be at most and is without one.
	Member string
	Size   *int32
	Most   int
	// Token is the name of the last item of the page before.
	Token *string
	// Complaint is what is said of a token that names no item.
	Complaint string
}

// Names returns the names of the items on the page, of which there are only
// those that are wanted, and the token of the next page. The token may be of an
// item that is wanted no longer.
func Names[T any](list []T, p Page, name func(T) string, wanted func(T) bool) ([]string, *string, error) {
	size, err := Within(p.Member, p.Size, p.Most)
	if err != nil {
		return nil, nil, err
	}
	if p.Token != nil {
		at := slices.IndexFunc(list, func(item T) bool { return name(item) == *p.Token })
		if at < 0 {
			return nil, nil, Invalid("%s", p.Complaint)
		}
		list = list[at+1:]
	}
	names := []string{}
	for _, item := range list {
		if !wanted(item) {
			continue
		}
		if len(names) == size {
			return names, &names[size-1], nil
		}
		names = append(names, name(item))
	}
	return names, nil, nil
}
