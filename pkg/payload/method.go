package payload

import (
	"encoding/json"

	"errand/pkg/run"
)

// Method is the kind of a payload: run.MethodRunTask or run.MethodExec. Left out,
// it is the kind of the function that gets the payload.
type Method string

// Values are all there are.
func (Method) Values() []Method { return []Method{run.MethodRunTask, run.MethodExec} }

// MethodOf is the method that a payload says, bare or as the detail of an event,
// whatever else is wrong with it; "" if it says none.
func MethodOf(raw []byte) Method { return methodOf(unwrap(raw).payload) }

func methodOf(payload []byte) Method {
	if len(payload) <= maxBytes && !json.Valid(payload) {
		return "" // what is no payload says no method
	}
	var method Method
	_ = json.Unmarshal(field(payload, "method"), &method)
	return method
}

func other(m Method) Method {
	if m == run.MethodExec {
		return run.MethodRunTask
	}
	return run.MethodExec
}

// misdirected says where a payload belongs, by its method.
var misdirected = map[Method]string{
	run.MethodExec:    `method: "exec" runs a command in a live task, which is the executor's; send this payload to the executor (output ExecutorFunctionArn of a stack with EnableExec)`,
	run.MethodRunTask: `method: "run-task" starts a task of its own, which is the launcher's; send this payload to the launcher (output LauncherFunctionArn of the stack)`,
}
