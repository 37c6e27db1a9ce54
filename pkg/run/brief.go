package run

import (
	"strings"
	"time"
)

// Brief is a time span as people write it: 30m, 2h, 1h30m, 90s as 1m30s.
func Brief(d time.Duration) string {
	text := d.Round(time.Second).String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
