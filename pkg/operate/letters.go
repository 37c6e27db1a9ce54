package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// LetterList is the answer of errand letters.
type LetterList struct {
	Letters []Letter `json:"letters"`
}

// Text is the list for people.
func (l LetterList) Text(s Style) string {
	if len(l.Letters) == 0 {
		return "There are no dead letters.\n"
	}
	t := table{style: s, head: []string{"ID", "SINCE (UTC)", "QUEUE", "FOR", "RUN"}, free: 4}
	for _, letter := range l.Letters {
		t.row(cell{text: letter.ID}, cell{text: minute(letter.Since)}, cell{text: letter.Queue}, cell{text: letter.For}, cell{text: letter.name()})
		if letter.Why != "" {
			t.note(letter.Why)
		}
	}
	return t.String()
}

// name is the run that a letter is about, as far as it is known.
func (l Letter) name() string {
	switch {
	case l.Job != "":
		return printable(place(l.Job, l.RunID))
	case l.RunID != "":
		return "?/" + printable(l.RunID)
	}
	return "?"
}

// queues are the dead-letter queues by the names that people know.
var queues = []struct{ name, output string }{
	{"schedule", "ScheduleDeadLettersUrl"},
	{"rule", "RuleDeadLettersUrl"},
	{"launcher", "LauncherDeadLettersUrl"},
	{"collector", "CollectorDeadLettersUrl"},
}

// How long, in seconds, a message is hidden from others: while all are received, and
// while it is handled, which may take a command's time.
const (
	takeTime   = 30
	handleTime = 1200
)

// Letters lists the dead letters of a queue, or of all, the oldest first, and leaves
// them where they are.
func (s *Stack) Letters(ctx context.Context, queue string) (LetterList, error) {
	list, err := s.take(ctx, queue)
	s.hide(ctx, list, 0)
	return LetterList{list}, err
}

// take receives every letter there is, which hides it for a while.
func (s *Stack) take(ctx context.Context, queue string) ([]Letter, error) {
	names := each(queues, func(q struct{ name, output string }) string { return q.name })
	if queue != "" && !slices.Contains(names, queue) {
		return nil, WrongUse(fmt.Sprintf("--queue: %q is none of %s", queue, strings.Join(names, ", ")))
	}
	lists, errs := make([][]Letter, len(queues)), make([]error, len(queues))
	var all sync.WaitGroup
	for i, q := range queues {
		if queue != "" && queue != q.name {
			continue
		}
		all.Go(func() { lists[i], errs[i] = s.drain(ctx, q.name, q.output) })
	}
	all.Wait()
	list := slices.Concat(lists...)
	slices.SortStableFunc(list, func(a, b Letter) int {
		if n := a.Since.Compare(b.Since); n != 0 {
			return n
		}
		return strings.Compare(a.Queue+a.messageID, b.Queue+b.messageID)
	})
	if list == nil {
		list = []Letter{}
	}
	for _, err := range errs {
		if err != nil {
			return list, err
		}
	}
	return list, nil
}

// drain receives until there is nothing more to be seen. SQS looks at all of its
// servers only for those who wait for a message.
func (s *Stack) drain(ctx context.Context, name, output string) (list []Letter, err error) {
	url, err := s.output(output)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for {
		out, err := s.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: takeTime, WaitTimeSeconds: 1,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
		})
		if err != nil {
			return list, s.explain("read the dead letters of queue "+name, err, operator) // they hold payloads
		}
		fresh := false
		for _, m := range out.Messages {
			l := s.letter(name, url, m)
			if !seen[l.messageID] {
				seen[l.messageID], fresh = true, true
				list = append(list, l)
			}
		}
		if !fresh {
			return list, nil
		}
	}
}

// hide hides letters from others for so many seconds more; with 0 they are seen again
// at once. A letter with which that fails comes back when its time is over.
func (s *Stack) hide(ctx context.Context, list []Letter, seconds int32) {
	for _, l := range list {
		_, _ = s.sqs.ChangeMessageVisibility(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &l.url, ReceiptHandle: &l.receipt, VisibilityTimeout: seconds,
		})
	}
}

// choose splits the letters into those that are meant and the rest.
func choose(list []Letter, ids []string, all bool) (chosen, rest []Letter, err error) {
	if all == (len(ids) > 0) {
		return nil, list, WrongUse("say which letters: their ids, or --all")
	}
	meant := map[string]bool{}
	for _, id := range ids {
		var of []string
		for _, l := range list {
			if len(id) >= letterID && strings.HasPrefix(l.messageID, id) {
				of = append(of, l.messageID)
			}
		}
		switch len(of) {
		case 0:
			return nil, list, fmt.Errorf("there is no letter %s now: errand letters lists them; one that was being read by somebody else comes back within half a minute", id)
		case 1:
			meant[of[0]] = true
		default:
			return nil, list, fmt.Errorf("%d letters begin with %s: give more of the id, %s", len(of), id, strings.Join(of, " or "))
		}
	}
	for _, l := range list {
		if all || meant[l.messageID] {
			chosen = append(chosen, l)
		} else {
			rest = append(rest, l)
		}
	}
	return chosen, rest, nil
}
