// The executor runs a command inside a live task.
package main

import (
	"errand/functions/internal/function"
	"errand/pkg/execute"
	"errand/pkg/settings"
)

func main() {
	function.Run(func(f function.Parts[settings.Executor]) any {
		return execute.New(f.AWS, f.Ledger, f.Reporter(), execute.Config{
			Cluster: f.Settings.Cluster, LogLines: f.Settings.LogLines, Unsigned: !f.Settings.SignSessions,
		}, f.Log).Handle
	})
}
