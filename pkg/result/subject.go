package result

import (
	"cmp"
	"regexp"
	"strings"

	"errand/pkg/run"
)

// maxSubject is SNS's limit for a subject: fewer than 100 characters.
const maxSubject = 99

// Subject is the message's subject, which mail and chat show as its title: status and
// job, and what happened. It is ASCII, at most 99 characters, as SNS takes it.
func (r Result) Subject() string {
	r.Log, r.Payload, r.Command = nil, nil, nil // by far the largest parts, and not in it
	return r.bounded().subject()
}

func (r Result) subject() string {
	begin := ascii(string(r.Status) + " " + cmp.Or(r.Job, "(no job name)") + ": ")
	what, after := ascii(cmp.Or(r.Summary, r.Reason)), ""
	if d, ok := r.Duration(); ok && r.Status != run.StartFailed {
		after = " after " + duration(d)
	}
	room := maxSubject - len(begin)
	shorten := end
	if r.Status == run.Rejected { // what is wrong with several fields is no chain of causes
		shorten = beginning
	}
	switch {
	case len(what)+len(after) <= room:
		return begin + what + after
	case room-len(after) >= minWhat:
		return begin + shorten(what, room-len(after)) + after
	case room >= minWhat:
		return begin + shorten(what, room)
	}
	return beginning(begin, maxSubject) // the name of a job that is none
}

// minWhat is the room that what happened needs before the time that it took is told.
const minWhat = 16

// dots stand in a subject for what was left out of it.
const dots = "..."

// beginning is the beginning of s, in at most room characters.
func beginning(s string, room int) string {
	if len(s) <= room {
		return s
	}
	return s[:room-len(dots)] + dots
}

// end is the end of a chain of causes, in at most room characters: the last one says
// what to mend. Where that is too long alone, it keeps its beginning. What is kept
// begins with a cause, or else with a word, unless most of the room were empty then.
func end(chain string, room int) string {
	if len(chain) <= room {
		return chain
	}
	if chain = noise.ReplaceAllString(chain, ""); len(chain) <= room {
		return chain
	}
	last := 0
	for _, joint := range causes {
		if i := strings.LastIndex(chain, joint); i >= 0 {
			last = max(last, i+len(joint))
		}
	}
	if last == 0 {
		return beginning(chain, room)
	}
	room -= len(dots + " ")
	if len(chain)-last > room {
		return dots + " " + beginning(chain[last:], room)
	}
	for _, joints := range [][]string{causes, {" "}} {
		if at := next(chain, len(chain)-room, joints); len(chain)-at >= room/3 {
			return dots + " " + chain[at:]
		}
	}
	return dots + chain[len(chain)-room-1:]
}

// causes are what stands between two causes.
var causes = []string{": ", "; "}

// next is where the first part of s begins that does not begin before least, nor
// within parentheses.
func next(s string, least int, joints []string) int {
	for at := max(1, least); at < len(s); at++ {
		for _, joint := range joints {
			if strings.HasSuffix(s[:at], joint) && strings.Count(s[at:], ")") <= strings.Count(s[at:], "(") {
				return at
			}
		}
	}
	return len(s)
}

// noise is what stands behind the last cause: what containerd, the SDKs, IAM and ECS
// always add.
var noise = regexp.MustCompile(`(: unknown|: Essential container in task exited|: service call has been retried \d+ time\(s\)| because no [\w -]+ allows the \S+ action|\bstatus code: \d+|\brequest id: \S+| \(Service: [^()]*\)| \(SDK Attempt Count: \d+\)|\bPlease check your task network configuration|[ .,;])+$`)

// ascii replaces what SNS may refuse in a subject.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r == 0x7F:
			return -1
		case r > 0x7F:
			return '?'
		}
		return r
	}, s)
}
