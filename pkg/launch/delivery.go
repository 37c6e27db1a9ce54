package launch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"errand/pkg/ledger"
	"errand/pkg/payload"
	"errand/pkg/report"
	"errand/pkg/result"
	"errand/pkg/run"
)

// delivery is what one invocation is about: a payload, and which run it asks for.
type delivery struct {
	ledger.Delivery
	job     payload.Job
	invalid error // what is wrong with the payload
	hold    ledger.Hold
	// Plan is the launch, as far as it is known.
	Plan Plan
	// asked says that RunTask was called for the attempt, now or by somebody before.
	asked bool
	// open says that a call of it has no clear answer.
	open bool
	// answer is given where there is nothing to do.
	answer *Answer
}

// read finds out what an invocation is about.
func (l *Launcher) read(ctx context.Context, raw json.RawMessage) (delivery, error) {
	d := delivery{}
	d.Until = l.ledger.Until(ctx)
	var known *run.Run
	if wake, ok := ledger.DecodeWake(raw); ok {
		switch wake.Wake {
		case ledger.WakeStart:
			raw, d.Person = wake.Payload, cmp.Or(wake.By, "a person")
		case ledger.WakeLaunch:
			a, found, err := l.ledger.Get(ctx, wake.Key)
			if err != nil {
				return d, err
			}
			if !found {
				return d, fmt.Errorf("the launcher was woken for %s, which is not in the ledger", wake.Key)
			}
			if a.State != ledger.Due || !a.Reported.IsZero() {
				answer := report.Known(a)
				d.answer = &answer
				return d, nil
			}
			r := a.Run()
			known, raw, d.Person = &r, a.Payload, a.Person
		default:
			return d, fmt.Errorf("the launcher was woken for %q, which is the collector's; see LAUNCHER_NAME and COLLECTOR_NAME of the watchdog", wake.Wake)
		}
	}
	d.Holder = report.RequestID(ctx)
	eventID := d.decode(raw)
	d.Run = d.job.Run(eventID, d.Holder)
	if known != nil {
		d.Run = *known
	}
	l.outline(&d)
	return d, nil
}

// decode makes d one of this payload, and returns the id of the event that it came
// in.
func (d *delivery) decode(raw []byte) (eventID string) {
	d.job, eventID, d.invalid = payload.Decode(raw)
	d.Payload, d.Digest, d.Schedule = raw, payload.Digest(raw), d.job.Schedule
	return eventID
}

// outline says of the launch what the payload alone says.
func (l *Launcher) outline(d *delivery) {
	d.Plan = Plan{Request: Request{Run: d.Run, Job: d.job, Digest: d.Digest}, Place: result.Place{
		Command: d.job.Command, Cluster: d.job.Cluster, TaskDefinition: d.job.TaskDefinition, Container: d.job.Container,
	}}
	d.Cluster = l.clusterARN(result.Place{Cluster: cmp.Or(d.job.Cluster, run.ClusterOf(d.job.Service)), TaskDefinition: d.job.TaskDefinition})
}

// held makes d one of the claim that it has. By schedule and time, another payload
// can be the same run's; a run is launched with one payload, the first one, so that
// ECS sees the same request under the same token.
func (l *Launcher) held(d *delivery, hold ledger.Hold) {
	d.hold, d.open = hold, hold.Open
	d.Person = cmp.Or(d.Person, hold.Person)
	if hold.Digest != d.Digest && len(hold.Payload) > 0 {
		d.decode(hold.Payload)
		l.outline(d)
	}
}

func (d delivery) limits() ledger.Limits {
	return ledger.Limits{Start: d.job.StartLimit(), Timeout: d.job.TimeLimit()}
}

// missed is a run that can no longer begin in time.
type missed string

func (m missed) Error() string { return string(m) }

// noRoom is a run that ECS did not start for too long, for want of room or because of
// too many calls.
type noRoom string

func (n noRoom) Error() string { return string(n) }

// tooLate says why the run may not begin any more; nil if it may. What a person
// sends is never too late.
func (l *Launcher) tooLate(d delivery) error {
	now := l.cfg.Now()
	if limit := d.job.Lateness(); limit > 0 && d.Person == "" {
		since, what := d.Run.ScheduledTime, "its scheduled time"
		if since.IsZero() {
			since, what = d.hold.FirstClaim, "its first delivery"
		}
		if late := now.Sub(since); late > limit {
			return missed(fmt.Sprintf("the run could not begin within %s, its startWithin: it is %s after %s%s", run.Brief(limit), run.Brief(late), what, lastAnswer(d.hold)))
		}
		return nil
	}
	if waited := now.Sub(d.hold.FirstClaim); waited > payload.RoomTime {
		return noRoom(fmt.Sprintf("the run could not be started for %s%s", run.Brief(waited), lastAnswer(d.hold)))
	}
	return nil
}

func lastAnswer(h ledger.Hold) string {
	if h.Answer == "" {
		return ""
	}
	return "; ECS's last answer: " + h.Answer
}

// errNoName is told to the sender of a payload without a job's name, beside what is
// wrong with it.
var errNoName = errors.New("the payload does not say which job it is of")

// refuseUnnamed tells of a payload that has no identity.
func (l *Launcher) refuseUnnamed(ctx context.Context, d delivery) (Answer, error) {
	if d.invalid == nil {
		d.invalid = errNoName
	}
	end := l.refused(d, d.invalid, false)
	l.log.ErrorContext(ctx, "payload refused", "job", d.Run.Job, "error", d.invalid)
	answer := d.reply(string(end.Status))
	answer.Reason = end.Reason
	return answer, report.Untold(end, l.reporter.Report(ctx, end))
}

// clusterARN is the run's cluster in the form that the results of tasks have, so
// that the same filters match: by the ARN of the stack's cluster or of the task
// definition, if one is known.
func (l *Launcher) clusterARN(place result.Place) string {
	name := cmp.Or(place.Cluster, l.cfg.Cluster)
	for _, known := range []string{name, l.cfg.Cluster, place.TaskDefinition} {
		if a, ok := run.ParseARN(known); ok {
			a.Service, a.Resource = "ecs", "cluster/"+run.LastPart(name)
			return a.String()
		}
	}
	return name
}
