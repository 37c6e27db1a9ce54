package crash_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// meter adds up what DynamoDB charges for the requests that pass.
type meter struct {
	next   http.RoundTripper
	writes map[string]float64 // by the item's kind, write units
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-Amz-Target") != "DynamoDB_20120810.UpdateItem" {
		return m.next.RoundTrip(r)
	}
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	body["ReturnConsumedCapacity"] = "TOTAL"
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	response, err := m.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(answer))
	var out struct {
		ConsumedCapacity struct{ CapacityUnits float64 }
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, err
	}
	kind := "attempt"
	if key, ok := body["Key"].(map[string]any); ok {
		if sk, _ := json.Marshal(key["sk"]); bytes.Contains(sk, []byte(`"job"`)) {
			kind = "job"
		}
	}
	m.writes[kind] += out.ConsumedCapacity.CapacityUnits
	return response, nil
}

// What a plain run costs, whose stop event comes: docs/design.md has the sum. The job
// has ended well 38 times before, so that its item is as large as it gets: with the
// fortieth mark it is shortened to twenty.
func TestCost(t *testing.T) {
	t.Parallel()
	server := prepare(t)
	c := newCourse(t, server, 1)
	var got map[string]float64
	due := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	for day := range 39 {
		at := due.AddDate(0, 0, day).Format(time.RFC3339)
		m := &meter{http.DefaultTransport, map[string]float64{}}
		c.transport = m
		c.send("launcher", []byte(`{"job": "job", "scheduledTime": "`+at+`", "taskDefinition": "crash:1", "command": ["./bill", "--day", "yesterday"]}`))
		c.arrive(t, map[string]bool{})
		got = m.writes
	}
	if diff := cmp.Diff(map[string]float64{"attempt": 13, "job": 5}, got); diff != "" {
		t.Errorf("write units (-want +got):\n%s", diff)
	}
}
