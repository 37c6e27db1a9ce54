package settings_test

import (
	"testing"

	"errand/pkg/settings"
)

func TestClock(t *testing.T) {
	const (
		elsewhere = "ERRAND_CLOCK is for the embedded endpoint alone: AWS_ENDPOINT_URL is not the URL of a loopback address; take the variable away"
		ours      = "AWS_ENDPOINT_URL=http://127.0.0.1:4599"
		clock     = "ERRAND_CLOCK=60@1767225600000"
	)
	for _, tt := range []struct {
		name      string
		variables []string
		want, err string
	}{
		{"none", nil, "1@0", ""},
		{"none on AWS", []string{"AWS_ENDPOINT_URL=https://ecs.eu-west-1.amazonaws.com"}, "1@0", ""},
		{"empty", []string{"ERRAND_CLOCK="}, "1@0", ""},
		{"an address", []string{clock, ours}, "60@1767225600000", ""},
		{"another address of the net", []string{clock, "AWS_ENDPOINT_URL=http://127.9.9.9:4599"}, "60@1767225600000", ""},
		{"IPv6", []string{clock, "AWS_ENDPOINT_URL=http://[::1]:4599"}, "60@1767225600000", ""},
		{"a name", []string{clock, "AWS_ENDPOINT_URL=http://localhost:4599"}, "60@1767225600000", ""},
		{"a service apart", []string{clock, ours, "AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:5000", "AWS_ENDPOINT_URL_SNS="}, "60@1767225600000", ""},
		{"on AWS", []string{clock}, "", elsewhere},
		{"another machine", []string{clock, "AWS_ENDPOINT_URL=http://10.0.0.1:4599"}, "", elsewhere},
		{"a name that begins alike", []string{clock, "AWS_ENDPOINT_URL=http://localhost.example.com"}, "", elsewhere},
		{"a user that looks like it", []string{clock, "AWS_ENDPOINT_URL=http://127.0.0.1@example.com"}, "", elsewhere},
		{"no URL", []string{clock, "AWS_ENDPOINT_URL=127.0.0.1:4599"}, "", elsewhere},
		{
			"a service elsewhere",
			[]string{clock, ours, "AWS_ENDPOINT_URL_ECS=http://127.0.0.1:1", "AWS_ENDPOINT_URL_SNS=https://sns.eu-west-1.amazonaws.com"},
			"", "ERRAND_CLOCK is for the embedded endpoint alone: AWS_ENDPOINT_URL_SNS is not the URL of a loopback address; take the variable away",
		},
		{
			"ignored",
			[]string{clock, ours, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=True"},
			"", "ERRAND_CLOCK is for the embedded endpoint alone: AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true; take the variable away",
		},
		{"no clock", []string{"ERRAND_CLOCK=fast", ours}, "", "ERRAND_CLOCK: a clock must be of the form FACTOR@EPOCH, such as 60@1767225600000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.variables...)
			got, err := settings.Clock()
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got the error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}
