package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"errand/pkg/localaws/host"
)

type putRequest struct {
	Entries []putEntry
}

type putEntry struct {
	Source, DetailType, Detail, EventBusName string
	Resources                                []string
	Time                                     float64 // epoch seconds
}

type putAnswer struct {
	FailedEntryCount int
	Entries          []putResult
}

type putResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// maxEntries is EventBridge's limit for all entries of a request, in bytes.
const maxEntries = 1 << 20

// putEvents has no SDK type behind it: EventBridge is the one service here that
// writes member names with a capital letter.
func (e *Service) putEvents(_ context.Context, in *putRequest) (*putAnswer, error) {
	if n := len(in.Entries); n < 1 || n > 10 {
		return nil, host.BadRequest("ValidationException", "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10, not %d", n)
	}
	size := 0
	for _, entry := range in.Entries {
		size += len(entry.Source) + len(entry.DetailType) + len(entry.Detail)
	}
	if size > maxEntries {
		return nil, host.BadRequest("ValidationException", "Total size of the entries in the request is over the limit.")
	}
	out := &putAnswer{}
	for _, entry := range in.Entries {
		if code, message := e.refuse(entry); code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, putResult{ErrorCode: code, ErrorMessage: message})
			continue
		}
		at := e.host.Now()
		if entry.Time != 0 {
			at = time.UnixMilli(int64(entry.Time * 1000))
		}
		id := e.deliver(envelope{Source: entry.Source, DetailType: entry.DetailType, Resources: entry.Resources, Detail: json.RawMessage(entry.Detail)}, at)
		out.Entries = append(out.Entries, putResult{EventID: id})
	}
	return out, nil
}

func (e *Service) refuse(entry putEntry) (code, message string) {
	for _, required := range []struct{ name, value string }{
		{"Source", entry.Source}, {"DetailType", entry.DetailType}, {"Detail", entry.Detail},
	} {
		if required.value == "" {
			return "InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %[1]s is a required argument.", required.name)
		}
	}
	if strings.HasPrefix(entry.Source, "aws.") {
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	if bus := entry.EventBusName; bus != "" && bus != "default" && bus != e.host.ARN("events", "event-bus/default") {
		return "InvalidArgument", fmt.Sprintf("The embedded AWS endpoint has the default event bus only, not %s.", bus)
	}
	var detail map[string]json.RawMessage
	if err := json.Unmarshal([]byte(entry.Detail), &detail); err != nil || detail == nil {
		return "MalformedDetail", "Detail is malformed."
	}
	return "", ""
}
