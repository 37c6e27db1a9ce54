package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"errand/pkg/ledger"
	"errand/pkg/run"
)

// end is an attempt that has ended: of a run n, whose order is n, and which ended a
// minute later.
func end(n, attempt int, status run.Status) ledger.Attempt {
	return ledger.Attempt{
		Key:        ledger.Key{Job: "bill", RunID: fmt.Sprintf("r%d", n), Attempt: attempt},
		FirstClaim: at(T + n), Verdict: &ledger.Verdict{Status: status, Ended: at(T + n + 60)},
	}
}

func mark(n, attempt int, status run.Status) ledger.Mark {
	return ledger.Mark{RunID: fmt.Sprintf("r%d", n), Attempt: attempt, Status: status, At: at(T + n + 60)}
}

func TestJobEnded(t *testing.T) {
	beside := end(9, 1, run.Failed)
	beside.Other = "0123"
	unfinished := end(9, 1, run.Failed)
	unfinished.Verdict = nil
	scheduled := end(9, 1, run.Failed)
	scheduled.ScheduledTime = at(T - 100)
	first := ledger.Job{
		Name: "bill", Status: run.Succeeded, Since: at(T + 61), LastRun: "r1", LastAt: at(T + 1), LastSuccess: "r1", SucceededAt: at(T + 61),
		Marks: []ledger.Mark{mark(1, 1, run.Succeeded)},
	}
	with := func(j ledger.Job, change func(*ledger.Job)) ledger.Job {
		change(&j)
		return j
	}
	failing := with(first, func(j *ledger.Job) {
		j.Status, j.Since, j.InRow, j.LastRun, j.LastAt = run.TimedOut, at(T+62), 2, "r3", at(T+3)
		j.Marks = []ledger.Mark{mark(3, 1, run.TimedOut), mark(2, 1, run.Failed), mark(1, 1, run.Succeeded)}
	})
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		for _, c := range []struct {
			name string
			ends []ledger.Attempt
			want []ledger.Job
		}{
			{"the first", []ledger.Attempt{end(1, 1, run.Succeeded)}, []ledger.Job{first}},
			{"the same outcome", []ledger.Attempt{end(1, 1, run.Succeeded), end(2, 1, run.Succeeded)}, []ledger.Job{with(first, func(j *ledger.Job) {
				j.LastRun, j.LastAt, j.LastSuccess, j.SucceededAt = "r2", at(T+2), "r2", at(T+62)
				j.Marks = []ledger.Mark{mark(2, 1, run.Succeeded), mark(1, 1, run.Succeeded)}
			})}},
			{"it fails, in two ways", []ledger.Attempt{end(1, 1, run.Succeeded), end(2, 1, run.Failed), end(3, 1, run.TimedOut)}, []ledger.Job{failing}},
			{"a repeat", []ledger.Attempt{end(1, 1, run.Succeeded), end(2, 1, run.Failed), end(3, 1, run.TimedOut), end(3, 1, run.TimedOut)}, []ledger.Job{failing}},
			{"a repeat of the first", []ledger.Attempt{end(1, 1, run.Succeeded), end(1, 1, run.Succeeded)}, []ledger.Job{first}},
			{"older ones", []ledger.Attempt{
				end(1, 1, run.Succeeded), end(3, 1, run.Failed), end(2, 1, run.Failed), end(2, 1, run.Succeeded), scheduled,
			}, []ledger.Job{with(failing, func(j *ledger.Job) {
				j.Status, j.Since, j.InRow, j.Marks = run.Failed, at(T+63), 1, []ledger.Mark{mark(3, 1, run.Failed), mark(1, 1, run.Succeeded)}
			})}},
			{"a second attempt, and the first once more", []ledger.Attempt{end(1, 1, run.Failed), end(1, 2, run.Failed), end(1, 1, run.Failed), end(1, 2, run.Failed)}, []ledger.Job{{
				Name: "bill", Status: run.Failed, Since: at(T + 61), InRow: 2, LastRun: "r1", LastAt: at(T + 1),
				Marks: []ledger.Mark{mark(1, 2, run.Failed), mark(1, 1, run.Failed)},
			}}},
			{"nothing to say", []ledger.Attempt{end(1, 1, run.Skipped), beside, unfinished}, nil},
		} {
			t.Run(c.name, func(t *testing.T) {
				x := make(t)
				for _, a := range c.ends {
					if err := x.JobEnded(t.Context(), a); err != nil {
						t.Fatal(err)
					}
				}
				got, err := x.Jobs(t.Context())
				same(t, "jobs", []any{c.want, nil}, []any{got, err})
			})
		}
	})
}

// However a job ends, its row of marks stays short.
func TestMarksAreTrimmed(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		for name, status := range map[string]func(int) run.Status{
			"all alike": func(int) run.Status { return run.Succeeded },
			"in turn":   func(n int) run.Status { return []run.Status{run.Succeeded, run.Failed}[n%2] },
		} {
			t.Run(name, func(t *testing.T) {
				x := make(t)
				var want []int
				var got []int
				marks := 0
				for n := range 45 {
					if err := x.JobEnded(t.Context(), end(n, 1, status(n))); err != nil {
						t.Fatal(err)
					}
					if marks++; marks == 40 {
						marks = 20
					}
					want = append(want, marks)
					got = append(got, len(x.get(M{"pk": "job#bill", "sk": "job"})["marks"].(L)))
				}
				same(t, "marks", want, got)
				var last []ledger.Mark
				for n := 44; n > 24; n-- {
					last = append(last, mark(n, 1, status(n)))
				}
				jobs, err := x.Jobs(t.Context())
				same(t, "marks shown", []any{last, nil}, []any{jobs[0].Marks, err})
			})
		}
	})
}

// The item of a later release keeps what this one does not know.
func TestJobOfALaterRelease(t *testing.T) {
	everywhere(t, func(t *testing.T, make func(*testing.T) *table) {
		x := make(t)
		stands := M{
			"pk": "job#bill", "sk": "job", "v": 2, "job": "#jobs", "at": T, "lastAt": T, "lastRun": "r0", "lastMark": "r0 a#01",
			"status": "SUCCEEDED", "well": true, "since": T, "inRow": 0, "marks": L{}, "budget": M{"left": 3},
		}
		x.put(stands)
		if err := x.JobEnded(t.Context(), end(1, 1, run.Failed)); err != nil {
			t.Fatal(err)
		}
		same(t, "item", with(stands, M{
			"at": T + 1, "lastAt": T + 1, "lastRun": "r1", "lastMark": "r1 a#01", "status": "FAILED", "well": false, "since": T + 61, "inRow": 1,
			"marks": L{M{"runId": "r1", "attempt": 1, "status": "FAILED", "at": T + 61}},
		}), x.get(stands))
	})
}

// Ends that come at the same time are all there, and those that are not were older.
func TestJobEndsAtOnce(t *testing.T) {
	t.Parallel()
	x, _ := embedded(t)
	const ends = 8
	errs := make(chan error)
	for n := range ends {
		go func() { errs <- x.JobEnded(t.Context(), end(n, 1, []run.Status{run.Succeeded, run.Failed}[n%2])) }()
	}
	for range ends {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	jobs, err := x.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := jobs[0]
	same(t, "the last", []any{run.Failed, "r7", at(T + 7), mark(7, 1, run.Failed)}, []any{last.Status, last.LastRun, last.LastAt, last.Marks[0]})
	for i, m := range last.Marks[1:] {
		if !m.At.Before(last.Marks[i].At) {
			t.Errorf("%v before %v", last.Marks[i], m)
		}
	}
	if last.InRow == 0 || last.Since.After(at(T+7).Add(time.Minute)) {
		t.Errorf("%+v", last)
	}
}
