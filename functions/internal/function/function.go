// Package function is what the mains of all functions do alike.
package function

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"errand/pkg/notify"
	"errand/pkg/report"
	"errand/pkg/run"
	"errand/pkg/settings"
)

// Parts is what a function is made of, S being its settings.
type Parts[S any] struct {
	Settings S
	AWS      aws.Config
	Reporter *report.Reporter
	Log      *slog.Logger
}

// Run makes the handler of a function with handler and lets it handle events.
// If the environment does not do, it says so and ends the process, upon which
// Lambda reports that the function does not start.
func Run[S interface{ Topics() (json, text string) }](handler func(Parts[S]) any) {
	log := lambdacontext.NewLogger()
	parts, err := load[S](log)
	if err != nil {
		log.Error("start failed", "error", err)
		os.Exit(1)
	}
	lambda.Start(handler(parts))
}

func load[S interface{ Topics() (json, text string) }](log *slog.Logger) (p Parts[S], err error) {
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
	json, text := p.Settings.Topics()
	p.Reporter = report.New(notify.New(sns.NewFromConfig(p.AWS), json, text), log)
	return p, nil
}
