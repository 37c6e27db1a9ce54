// Package function is what the mains of all functions do alike.
package function

import (
	"crypto/x509"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/ledger"
	"errand/pkg/metric"
	"errand/pkg/notify"
	"errand/pkg/report"
	"errand/pkg/run"
	"errand/pkg/settings"
)

// Parts is what a function is made of, S being its settings.
type Parts[S stack] struct {
	Settings S
	AWS      aws.Config
	Ledger   *ledger.Ledger
	Metrics  *metric.Writer
	Log      *slog.Logger
}

// stack is what the settings of every function say.
type stack interface{ Stack() settings.Common }

// Run makes the handler of a function with handler and lets it handle events.
// If the environment does not do, it says so and ends the process, upon which
// Lambda reports that the function does not start.
func Run[S stack](handler func(Parts[S]) any) {
	log := lambdacontext.NewLogger()
	parts, err := load[S](log)
	if err != nil {
		log.Error("start failed", "error", err)
		os.Exit(1)
	}
	readRoots()
	lambda.Start(handler(parts))
}

// readRoots reads the machine's hundred and more certificates, which is most of what a
// first call over TLS takes of the processor, before the first event: while a process
// starts it has a whole core, afterwards the share that its memory gives it
// (https://serverlessland.com/content/service/lambda/guides/effectively-running-java-on-serverless/init-heavy-lifting).
func readRoots() {
	_, _ = x509.SystemCertPool() // a call that cannot do without them says so
}

func load[S stack](log *slog.Logger) (p Parts[S], err error) {
	p.Log = log
	clock, err := settings.Clock()
	if err != nil {
		return p, err
	}
	run.SetClock(clock)
	if p.Settings, err = settings.Load[S](os.Environ()); err != nil {
		return p, err
	}
	if p.AWS, err = settings.AWS(); err != nil {
		return p, err
	}
	common := p.Settings.Stack()
	p.Metrics = metric.New(os.Stdout, common.StartedByPrefix, run.Now)
	p.Ledger = ledger.New(dynamodb.NewFromConfig(p.AWS), ledger.Config{
		Table: common.TableName, History: time.Duration(common.HistoryDays) * 24 * time.Hour,
	})
	return p, nil
}

// Reporter is for the functions that may publish, which the watchdog may not.
func (p Parts[S]) Reporter() *report.Reporter {
	common := p.Settings.Stack()
	publisher := notify.New(sns.NewFromConfig(p.AWS), common.TopicARN, common.TextTopicARN)
	return report.New(p.Ledger, publisher, p.Metrics, p.Log)
}
