package awserr

import "strings"

// Lacks reads from the text of a refusal which action on which resource the caller's
// own policies do not allow. It is not ok of a text that does not say so, nor of a
// denial that no permission of the caller's can help with: an explicit deny, or a
// policy of the organization, the boundary, the session or the endpoint
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
// The resource is "" where the text has none. The table of its test has such texts
// and their sources.
func Lacks(text string) (action, resource string, ok bool) {
	text = strings.Join(strings.Fields(text), " ")
	_, rest, found := strings.Cut(text, "not authorized to perform: ")
	if !found || strings.Contains(rest, "explicit deny") {
		return "", "", false
	}
	if _, why, told := strings.Cut(rest, " because no "); told && !strings.HasPrefix(why, "identity-based policy ") {
		return "", "", false
	}
	action, rest, _ = strings.Cut(rest, " ")
	action = strings.Trim(action, `",.`)
	if rest, on := strings.CutPrefix(rest, "on resource: "); on {
		resource, _, _ = strings.Cut(rest, " ")
		resource = strings.Trim(resource, `",.`)
	}
	return action, resource, strings.Contains(action, ":")
}
