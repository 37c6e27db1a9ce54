package launch_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errand/pkg/launch"
)

// What ECS says of a service decides what is run, and as what
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html).
func TestWhatAServiceIs(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	subnets := func(name string) object {
		return object{"awsvpcConfiguration": object{"subnets": []string{name}}}
	}
	of := func(fields object) object {
		all := object{"serviceName": "web", "status": "ACTIVE", "taskDefinition": "sample:1", "launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": subnets("subnet-web")}
		for name, value := range fields {
			all[name] = value
		}
		return all
	}
	set := func(status, platform string) object {
		return object{"status": status, "taskDefinition": "sample:1", "launchType": "FARGATE", "platformVersion": platform, "networkConfiguration": subnets("subnet-" + platform)}
	}
	plain := object{"launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": subnets("subnet-web")}
	for _, tc := range []struct {
		name, payload string
		service       object
		asked         object // of RunTask
		refused       string
	}{
		{name: "active", service: of(nil), asked: plain},
		{name: "without a status", service: of(object{"status": ""}), asked: plain},
		{name: "draining", service: of(object{"status": "DRAINING"}), refused: "service: web in cluster jobs is DRAINING; it must be ACTIVE"},
		{name: "inactive", service: of(object{"status": "INACTIVE"}), refused: "service: web in cluster jobs is INACTIVE; it must be ACTIVE"},
		{name: "nothing deployed", service: of(object{"taskDefinition": ""}), refused: "service: web in cluster jobs has no task definition deployed"},
		{
			name: "task sets, the primary first", service: of(object{"taskSets": []object{set("PRIMARY", "1.4.0"), set("ACTIVE", "1.3.0"), set("DRAINING", "1.2.0")}}),
			asked: object{"launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": subnets("subnet-1.4.0")},
		},
		{
			name: "task sets, the primary last", service: of(object{"taskSets": []object{set("ACTIVE", "1.3.0"), set("PRIMARY", "1.4.0")}}),
			asked: object{"launchType": "FARGATE", "platformVersion": "1.4.0", "networkConfiguration": subnets("subnet-1.4.0")},
		},
		{name: "task sets without a primary", service: of(object{"taskSets": []object{set("ACTIVE", "1.3.0")}}), asked: plain},
		{
			name: "a strategy beside a launch type", service: of(object{"capacityProviderStrategy": []object{{"capacityProvider": "FARGATE_SPOT", "weight": 1}}}),
			asked: object{"capacityProviderStrategy": []any{object{"capacityProvider": "FARGATE_SPOT", "weight": 1.0}}, "platformVersion": "1.4.0", "networkConfiguration": subnets("subnet-web")},
		},
		{
			name: "the payload's capacity, with which the service's platform may not go", payload: `, "launchType": "EC2"`, service: of(nil),
			asked: object{"launchType": "EC2", "networkConfiguration": subnets("subnet-web")},
		},
		{
			name: "the payload's capacity and platform", payload: `, "launchType": "FARGATE", "platformVersion": "LATEST"`, service: of(nil),
			asked: object{"launchType": "FARGATE", "platformVersion": "LATEST", "networkConfiguration": subnets("subnet-web")},
		},
		{
			name: "the cluster's own capacity", payload: `, "launchType": "CLUSTER"`, service: of(nil),
			asked: object{"networkConfiguration": subnets("subnet-web")},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			body, err := json.Marshal(object{"services": []object{tc.service}})
			if err != nil {
				t.Fatal(err)
			}
			s.wire.breaks(func(operation string) *answer {
				if operation == "DescribeServices" {
					return &answer{200, string(body)}
				}
				return nil
			})
			got, err := s.invoke(t, `{"job": "j", "runId": "r-1", "service": "web"`+tc.payload+`}`)
			want := launch.Answer{Job: "j", RunID: "r-1", Attempt: 1, Status: "REJECTED", Reason: tc.refused}
			if tc.refused == "" {
				want.Status, want.Reason, want.TaskARN = "STARTED", "", got.TaskARN
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("%v (-want +got):\n%s", err, diff)
			}
			asked := object{}
			for _, name := range []string{"launchType", "capacityProviderStrategy", "platformVersion", "networkConfiguration"} {
				if value, ok := s.wire.body(t, "RunTask")[name]; ok {
					asked[name] = value
				}
			}
			if diff := cmp.Diff(plainJSON(t, tc.asked), plainJSON(t, asked)); diff != "" && tc.refused == "" {
				t.Errorf("asked ECS (-want +got):\n%s", diff)
			}
		})
	}
}

// plainJSON is a value as JSON has it.
func plainJSON(t *testing.T, value any) (plain any) {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}
