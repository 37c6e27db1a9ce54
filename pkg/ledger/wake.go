package ledger

import (
	"encoding/json"

	"errand/pkg/run"
)

// What the watchdog and people wake functions for.
const (
	WakeLaunch  = "launch"  // the launcher, for an attempt that is DUE
	WakeStart   = "start"   // launcher or executor: a person sends this payload
	WakeAbandon = "abandon" // the collector, for step 6
	WakeMissing = "missing" // the collector: ECS has forgotten the attempt's task
)

// Wake is what a function gets in place of a payload or an event.
type Wake struct {
	Wake string `json:"errand"`
	Key
	// Payload and By are of WakeStart: what is started, and who sends it.
	Payload json.RawMessage `json:"payload,omitempty"`
	By      string          `json:"by,omitempty"`
}

// DecodeWake reads a Wake, and is false for anything else.
func DecodeWake(raw []byte) (Wake, bool) {
	var w Wake
	if err := json.Unmarshal(raw, &w); err != nil {
		return Wake{}, false
	}
	switch w.Wake {
	case WakeLaunch, WakeAbandon, WakeMissing:
		return w, run.ValidJob(w.Job) && run.ValidID(w.RunID) && w.Attempt > 0
	case WakeStart:
		return w, len(w.Payload) > 0
	}
	return Wake{}, false
}
