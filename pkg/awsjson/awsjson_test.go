package awsjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/awsjson"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 2, 0, 9, 102e6, time.UTC)
	for _, tc := range []struct {
		name  string
		value any
		want  string
	}{
		{"what is not set is left out", types.ContainerOverride{Name: aws.String("app")}, `{"name":"app"}`},
		{"an empty string that is set stays", types.KeyValuePair{Name: aws.String("A"), Value: aws.String("")}, `{"name":"A","value":""}`},
		{"empty words of a command stay", types.ContainerOverride{Command: []string{"a", ""}}, `{"command":["a",""]}`},
		{"an empty list that is set stays", ecs.RunTaskOutput{Tasks: []types.Task{}}, `{"tasks":[]}`},
		{"no HTML escapes", types.ContainerOverride{Command: []string{"<&>"}}, `{"command":["<&>"]}`},
		{"enums", types.AwsVpcConfiguration{AssignPublicIp: types.AssignPublicIpEnabled}, `{"assignPublicIp":"ENABLED"}`},
		{"numbers that are no pointers stay", types.CapacityProviderStrategyItem{}, `{"base":0,"weight":0}`},
		{"times are epoch seconds", types.ManagedAgent{LastStartedAt: &at}, `{"lastStartedAt":1795140009.102}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := awsjson.Encode(tc.value)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	got, err := awsjson.EncodeEvent(types.ManagedAgent{LastStartedAt: &at})
	if want := `{"lastStartedAt":"2026-11-20T02:00:09.102Z"}`; err != nil || string(got) != want {
		t.Errorf("in an event, got %s, %v; want %s", got, err, want)
	}
}

func TestDecodeLenient(t *testing.T) {
	t.Parallel()
	var task types.Task
	problems := awsjson.DecodeLenient([]byte(`{"createdAt": 1795140009.102, "launchType": "TOMORROW", "whatAwsAddsNextYear": {"a": [1, null]}, "group": null}`), &task)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := task.CreatedAt.Round(time.Millisecond).Format(time.RFC3339Nano); got != "2026-11-20T02:00:09.102Z" {
		t.Errorf("createdAt %s", got)
	}
	if task.LaunchType != "TOMORROW" || task.Group != nil {
		t.Errorf("got %+v", task)
	}
	if problems := awsjson.DecodeLenient([]byte(`{"group": 5}`), &task); len(problems) != 1 {
		t.Errorf("a wrong type gives %v", problems)
	}
}

func TestDecodeDepth(t *testing.T) {
	t.Parallel()
	deep := make([]byte, 0, 4000)
	for range 1000 {
		deep = append(deep, `{"a":`...)
	}
	var v struct{ A any }
	problems := awsjson.Decode(deep, &v, awsjson.Advice{})
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "nested deeper than 64 levels") {
		t.Errorf("got %v", problems)
	}
}

// What the endpoint writes, the clients read, and what they write, it reads.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(`{"overrides":{"containerOverrides":[{"name":"app","command":["a",""],"environment":[{"name":"A","value":""}]}]},"count":1,"tags":[]}`))
	f.Add([]byte(`{"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"],"assignPublicIp":"ENABLED"}},"enableExecuteCommand":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var first, second ecs.RunTaskInput
		if problems := awsjson.Decode(raw, &first, awsjson.Advice{}); len(problems) > 0 {
			return
		}
		text, err := awsjson.Encode(first)
		if err != nil || !json.Valid(text) {
			t.Fatalf("%s, %v", text, err)
		}
		if problems := awsjson.Decode(text, &second, awsjson.Advice{}); len(problems) > 0 {
			t.Fatalf("%s: %v", text, problems)
		}
		if diff := cmp.Diff(first, second, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("%s decodes to (-first +second):\n%s", text, diff)
		}
	})
}
