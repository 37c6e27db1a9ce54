package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"errand/pkg/run"
)

// Handled is the answer of errand letters send and drop.
type Handled struct {
	Letters []HandledLetter `json:"letters"`
}

// HandledLetter is what became of a letter.
type HandledLetter struct {
	Letter
	// Gone says that it is not in its queue any more.
	Gone bool `json:"gone"`
	// SentAs is the run as which it was sent, if that has another id.
	SentAs string `json:"sentAs,omitempty"`
	// Answer is the status of the function's answer.
	Answer string `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Well says whether everything was done that was asked for.
func (h Handled) Well() bool {
	for _, l := range h.Letters {
		if l.Error != "" {
			return false
		}
	}
	return true
}

// Text is the answer for people.
func (h Handled) Text(s Style) string {
	if len(h.Letters) == 0 {
		return "There are no dead letters.\n"
	}
	var out strings.Builder
	for _, l := range h.Letters {
		what := "dropped"
		switch {
		case l.Error != "" && l.Answer != "":
			what = "sent, but not deleted"
		case l.Error != "":
			what = "left where it is"
		case l.Answer != "":
			what = "sent: " + l.Answer
		}
		out.WriteString(l.ID + "  " + what + "  " + l.name() + "\n")
		if l.SentAs != "" {
			out.WriteString(wrap("as run "+l.SentAs+", since that run was told LAUNCH_FAILED", indent, s.Width))
		}
		if l.Error != "" {
			out.WriteString(wrap(l.Error, indent, s.Width))
		}
	}
	return out.String()
}

// Selection says which letters are meant.
type Selection struct {
	Queue string // "" means all
	IDs   []string
	All   bool
	// Force sends commands in live tasks, too, though they may have run.
	Force bool
}

// DropLetters deletes letters.
func (s *Stack) DropLetters(ctx context.Context, which Selection) (Handled, error) {
	return s.handle(ctx, which, func(l *HandledLetter) { s.drop(ctx, l) })
}

// SendLetters hands letters to the functions that they were for, and deletes those
// that were taken.
func (s *Stack) SendLetters(ctx context.Context, which Selection) (Handled, error) {
	return s.handle(ctx, which, func(l *HandledLetter) {
		if err := s.resend(ctx, l, which.Force); err != nil {
			l.Error = err.Error()
			s.hide(ctx, []Letter{l.Letter}, 0)
			return
		}
		s.drop(ctx, l)
	})
}

func (s *Stack) handle(ctx context.Context, which Selection, do func(*HandledLetter)) (Handled, error) {
	if which.All == (len(which.IDs) > 0) {
		_, _, err := choose(nil, which.IDs, which.All)
		return Handled{}, err
	}
	list, err := s.take(ctx, which.Queue)
	if err != nil {
		s.hide(ctx, list, 0)
		return Handled{}, err
	}
	chosen, rest, err := choose(list, which.IDs, which.All)
	s.hide(ctx, rest, 0)
	s.hide(ctx, chosen, handleTime)
	h := Handled{Letters: []HandledLetter{}}
	for _, l := range chosen {
		done := HandledLetter{Letter: l}
		do(&done)
		h.Letters = append(h.Letters, done)
	}
	return h, err
}

func (s *Stack) drop(ctx context.Context, l *HandledLetter) {
	_, err := s.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &l.url, ReceiptHandle: &l.receipt})
	if err != nil {
		l.Error = s.explain("delete the letter from queue "+l.Queue, err, operator).Error()
		return
	}
	l.Gone = true
}

// accepted is the answer of a function that works on a letter later.
const accepted = "ACCEPTED"

// resend hands a letter to its function.
func (s *Stack) resend(ctx context.Context, l *HandledLetter, force bool) error {
	switch {
	case l.For == "", l.For != collector && l.payload == nil && l.Queue != l.For:
		// Of a schedule or a rule: what its target would have made of it is not known.
		return fmt.Errorf("what is in message %s is no payload: see what it asks for, start that with errand start, and drop the letter", l.messageID)
	case l.For == executor && !force:
		return errors.New("it is a command in a live task, which may have run already: see whether it did, then send it with --force")
	case l.For == collector, l.payload == nil:
		name, err := s.output(map[string]string{collector: "CollectorFunctionName", launcher: "LauncherFunctionName"}[l.For])
		if err != nil {
			return err
		}
		l.Answer = accepted
		_, err = s.invoke(ctx, "send letter "+l.ID, name, []byte(l.body), types.InvocationTypeEvent)
		return err
	}
	r, err := s.requestOf(ctx, l)
	if err != nil {
		return err
	}
	answer, err := s.send(ctx, r)
	l.Answer = answer.Status
	return err
}

// requestOf is a letter's payload as it is sent: as it is, but as the next run if
// people were told that this one will not be launched.
func (s *Stack) requestOf(ctx context.Context, l *HandledLetter) (request, error) {
	raw := l.payload
	method := run.MethodRunTask
	if l.For == executor {
		method = run.MethodExec
	}
	if l.RunID == "" {
		// A run of nobody's yet: each delivery of it would be another one.
		return newRequest(raw, method, nil, s.Now())
	}
	f, err := s.attempts(ctx, l.Job, l.RunID)
	if err != nil {
		return request{}, err
	}
	var r request
	switch {
	case len(f.attempts) > 0 && f.last().Verdict != nil && f.last().Verdict.Status == run.LaunchFailed:
		r, err = s.repeat(ctx, l.Job, l.RunID, raw)
		l.SentAs = r.runID
	case runOf(raw, "").ID == "":
		// Its run id was that of the invocation, which no later one has.
		r, err = renamed(raw, l.RunID)
	default:
		r = request{payload: raw, job: l.Job, runID: l.RunID}
	}
	r.method = method
	return r, err
}
