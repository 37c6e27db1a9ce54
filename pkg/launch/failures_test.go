package launch_test

import (
	"encoding/json"
	"testing"
)

// Reasons of failures in an answer of 200, from
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
// and service-event-messages-list.html where nothing else is said, each with the
// class that it has: a few ask for another request or another cluster.
func TestReasonsOfFailures(t *testing.T) {
	t.Parallel()
	type failure struct {
		Reason string `json:"reason,omitempty"`
		Detail string `json:"detail,omitempty"`
	}
	one := func(reason string) []failure { return []failure{{Reason: reason}} }
	for _, tc := range []struct {
		failures []failure
		final    bool
	}{
		{one("RESOURCE:CPU"), false}, // apache/airflow#22255
		{one("RESOURCE:MEMORY"), false},
		{one("RESOURCE:PORTS"), false},
		{one("RESOURCE:ENI"), false},
		{one("RESOURCE:GPU"), false},
		{one("RESOURCE:FARGATE"), false}, // a public test file
		{one("resource:memory"), false},
		{one("TaskFailedToStart: RESOURCE:MEMORY"), false},
		{one("AGENT"), false}, // aws/amazon-ecs-agent#24
		{one("TaskFailedToStart: AGENT"), false},
		{one("NO ACTIVE INSTANCES"), false},
		{one("EMPTY CAPACITY PROVIDER"), false},
		{one("No Container Instances were found in your capacity provider."), false}, // aws/containers-roadmap#653
		{one("DistinctInstance placement constraint unsatisfied."), false},
		{one("DistinctInstance \n    placement constraint unsatisfied."), false},
		{one("Capacity is unavailable at this time. Please try again later or in a different availability zone"), false},
		{one("Capacity is unavailable at this time."), false},
		{one("You've reached the limit on the number of tasks you can run concurrently"), false},
		{one("You’ve reached the limit on the number of vCPUs you can run concurrently. For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."), false},
		{one("The requested CPU configuration is above your limit"), false},
		{one("The requested MEMORY configuration is above your limit"), false},
		{one("Internal error."), false},
		{one("Rate exceeded"), false},
		{one("Unexpected EC2 error while attempting to describe subnets"), false},
		{one("ResourceInitializationError: Unable to launch instance(s) for capacity provider spot. UnfulfillableCapacity: Unable to fulfill capacity due to your request configuration."), false},
		{one("too succinct"), false}, // dagster-io/dagster, its test of run_ecs_task
		{one(""), false},
		{[]failure{{Detail: "only a detail"}}, false},
		{one("Location service did not answer"), false},
		{[]failure{{Reason: "ATTRIBUTE"}, {Reason: "LOCATION"}, {Reason: "AGENT"}}, false},

		{one("MemberOf placement constraint unsatisfied."), false},
		{one("TaskFailedToStart: MemberOf placement constraint unsatisfied."), false},
		{one("memberOf constraint unsatisfied."), false},

		{one("ATTRIBUTE"), true},
		{one("attribute"), true},
		{one(" Attribute "), true},
		{one("ATTRIBUTE (ecs.capability.task-eni)"), true},
		{one("ATTRIBUTE: ecs.os-type"), true},
		{one("TaskFailedToStart: ATTRIBUTE"), true},
		{one("TaskFailedToStart:ATTRIBUTE"), true},
		{[]failure{{Reason: "ATTRIBUTE", Detail: "no room for RESOURCE:MEMORY"}}, true},
		{one("LOCATION"), true},
		{one("MISSING"), true},
		{one("INACTIVE"), true},
		{one("Unable to find an instance with the attribute"), true},
		{one("No Container Instances were found in your cluster."), true},
		{[]failure{{Reason: "ATTRIBUTE"}, {Reason: "LOCATION"}}, true},
	} {
		body, err := json.Marshal(map[string]any{"tasks": []any{}, "failures": tc.failures})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(body), func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.wire.breaks(func(operation string) *answer {
				if operation == "RunTask" {
					return &answer{200, string(body)}
				}
				return nil
			})
			want := "WAITING"
			if tc.final {
				want = "LAUNCH_FAILED"
			}
			if got, err := s.invoke(t, `{"job": "j", "runId": "r-1"}`); err != nil || got.Status != want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
