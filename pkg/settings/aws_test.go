package settings_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"errand/pkg/settings"
)

// setenv leaves these variables and no others of the SDK, above what every
// function has.
func setenv(t *testing.T, variables ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // so that it comes back
			_ = os.Unsetenv(name)
		}
	}
	for _, v := range append([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret"}, variables...) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// wire answers requests in place of the services.
type wire struct {
	status   int
	requests []*http.Request
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	w.requests = append(w.requests, r)
	return &http.Response{StatusCode: w.status, Request: r, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte("{}")))}, nil
}

// calls makes one call of every service that the functions use.
func calls(t *testing.T, w *wire) {
	t.Helper()
	cfg, err := settings.AWS()
	if err != nil {
		t.Fatal(err)
	}
	cfg.HTTPClient = w
	ctx := t.Context()
	_, _ = ecs.NewFromConfig(cfg).ListClusters(ctx, nil)
	_, _ = sns.NewFromConfig(cfg).ListTopics(ctx, nil)
	_, _ = cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, nil)
	_, _ = kms.NewFromConfig(cfg).ListKeys(ctx, nil)
	_, _ = ssm.NewFromConfig(cfg).TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: aws.String("s")})
}

func TestEndpoints(t *testing.T) {
	regional := []string{"https://ecs.eu-west-1.amazonaws.com", "https://sns.eu-west-1.amazonaws.com", "https://logs.eu-west-1.amazonaws.com", "https://kms.eu-west-1.amazonaws.com", "https://ssm.eu-west-1.amazonaws.com"}
	for _, tt := range []struct {
		name      string
		variables []string
		want      []string // of ECS, SNS, Logs, KMS and SSM
	}{
		{"none", nil, regional},
		{"other Region", []string{"AWS_REGION=", "AWS_DEFAULT_REGION=cn-north-1"}, []string{
			"https://ecs.cn-north-1.amazonaws.com.cn", "https://sns.cn-north-1.amazonaws.com.cn", "https://logs.cn-north-1.amazonaws.com.cn", "https://kms.cn-north-1.amazonaws.com.cn", "https://ssm.cn-north-1.amazonaws.com.cn",
		}},
		{"all", []string{"AWS_ENDPOINT_URL=http://all:1"}, []string{"http://all:1", "http://all:1", "http://all:1", "http://all:1", "http://all:1"}},
		{"each", []string{"AWS_ENDPOINT_URL_ECS=http://a:1", "AWS_ENDPOINT_URL_SNS=http://b:1", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://c:1", "AWS_ENDPOINT_URL_KMS=http://d:1", "AWS_ENDPOINT_URL_SSM=http://e:1"}, []string{
			"http://a:1", "http://b:1", "http://c:1", "http://d:1", "http://e:1",
		}},
		{"one apart", []string{"AWS_ENDPOINT_URL=http://all:1", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=http://c:1"}, []string{
			"http://all:1", "http://all:1", "http://c:1", "http://all:1", "http://all:1",
		}},
		{"ignored", []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=TRUE", "AWS_ENDPOINT_URL=http://all:1", "AWS_ENDPOINT_URL_ECS=http://a:1"}, regional},
		{"not ignored", []string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false", "AWS_ENDPOINT_URL=http://all:1", "AWS_ENDPOINT_URL_ECS=http://a:1"}, []string{
			"http://a:1", "http://all:1", "http://all:1", "http://all:1", "http://all:1",
		}},
		{"dual stack", []string{"AWS_USE_DUALSTACK_ENDPOINT=true"}, []string{
			"https://ecs.eu-west-1.api.aws", "https://sns.eu-west-1.api.aws", "https://logs.eu-west-1.api.aws", "https://kms.eu-west-1.api.aws", "https://ssm.eu-west-1.api.aws",
		}},
		{"FIPS", []string{"AWS_REGION=us-east-1", "AWS_USE_FIPS_ENDPOINT=True", "AWS_USE_DUALSTACK_ENDPOINT=false"}, []string{
			"https://ecs-fips.us-east-1.amazonaws.com", "https://sns-fips.us-east-1.amazonaws.com", "https://logs-fips.us-east-1.amazonaws.com", "https://kms-fips.us-east-1.amazonaws.com", "https://ssm-fips.us-east-1.amazonaws.com",
		}},
		{"empty", []string{"AWS_USE_FIPS_ENDPOINT=", "AWS_ENDPOINT_URL_ECS=", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=", "AWS_MAX_ATTEMPTS=", "AWS_RETRY_MODE="}, regional},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.variables...)
			w := &wire{status: http.StatusOK}
			calls(t, w)
			var got []string
			for _, r := range w.requests {
				got = append(got, r.URL.Scheme+"://"+r.URL.Host)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	for _, tt := range []struct {
		name      string
		variables []string
		attempts  int
		header    string
		want      string
	}{
		{"key", nil, 1, "Authorization", "Credential=id/"},
		{"older names", []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_ACCESS_KEY=old", "AWS_SECRET_KEY=secret"}, 1, "Authorization", "Credential=old/"},
		{"token", []string{"AWS_SESSION_TOKEN=token"}, 1, "X-Amz-Security-Token", "token"},
		{"attempts", nil, 3, "User-Agent", "aws-sdk-go"},
		{"fewer attempts", []string{"AWS_MAX_ATTEMPTS=2"}, 2, "User-Agent", "aws-sdk-go"},
		{"adaptive", []string{"AWS_RETRY_MODE=adaptive"}, 1, "User-Agent", "m/F,"}, // the SDK's letter for it
		{"standard", []string{"AWS_RETRY_MODE=standard"}, 1, "User-Agent", "m/E,"},
		{"app", []string{"AWS_SDK_UA_APP_ID=night"}, 1, "User-Agent", "app/night"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setenv(t, tt.variables...)
			cfg, err := settings.AWS()
			if err != nil {
				t.Fatal(err)
			}
			w := &wire{status: http.StatusServiceUnavailable}
			if tt.attempts == 1 {
				w.status = http.StatusBadRequest // which is not tried again
			}
			cfg.HTTPClient = w
			_, _ = sns.NewFromConfig(cfg).ListTopics(t.Context(), nil)
			if len(w.requests) != tt.attempts {
				t.Errorf("%d attempts, want %d", len(w.requests), tt.attempts)
			}
			if got := w.requests[0].Header.Get(tt.header); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %q is without %q", tt.header, got, tt.want)
			}
		})
	}
}

func TestBadAWS(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		setenv(t, name+"=")
		_, err := settings.AWS()
		expect(t, err, name)
	}
	setenv(t, "AWS_MAX_ATTEMPTS=x", "AWS_RETRY_MODE=y", "AWS_USE_FIPS_ENDPOINT=1", "AWS_USE_DUALSTACK_ENDPOINT=on", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=yes")
	_, err := settings.AWS()
	expect(t, err, "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
}

// A client that is in a binary fills its tables at each start, called or not.
func TestNoOtherClients(t *testing.T) {
	t.Parallel()
	used := map[string]string{
		"launcher":  "dynamodb ecs sns",
		"collector": "cloudwatchlogs dynamodb ecs sns",
		"executor":  "dynamodb ecs kms sns ssm",
	}
	for name, want := range used {
		out, err := exec.Command("go", "list", "-deps", "errand/functions/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for p := range strings.Lines(string(out)) {
			p = strings.TrimSpace(p)
			if service, ok := strings.CutPrefix(p, "github.com/aws/aws-sdk-go-v2/service/"); ok && !strings.Contains(service, "/") {
				got = append(got, service)
			}
			if p == "github.com/aws/aws-sdk-go-v2/config" {
				t.Errorf("%s has %s", name, p)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(strings.Fields(want), got); diff != "" {
			t.Errorf("clients of %s (-want +got):\n%s", name, diff)
		}
	}
}
