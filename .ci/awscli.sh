#!/usr/bin/env bash
# Puts the AWS CLI to work on `errand local`, as a user of `make local` would, and
# prints one line per check. Needs build/errand and the built functions (make
# build-errand), the AWS CLI (version 1 or 2) and python3; no AWS account.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
programs=()
clean() {
  for signal in TERM TERM TERM TERM TERM TERM TERM TERM TERM KILL; do
    kill -s "$signal" "${programs[@]}" 2>/dev/null || break
    sleep 0.5
  done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
passed=0 failed=0

report() { # ok|FAILED what [what was seen]
  if [[ $1 == ok ]]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  printf '%-6s  %s\n' "$1" "$2"
  if [[ $1 != ok ]]; then printf '%s\n' "${3-}" | tail -n 12 | cut -c -400 | sed 's/^/        /'; fi
}

# try 'what' 'pattern' command…: the command succeeds and prints what matches. Leaves it in $out.
try() {
  local what=$1 pattern=$2
  shift 2
  if out=$(timeout 60 "$@" 2>&1) && [[ $out =~ $pattern ]]; then report ok "$what"; else report FAILED "$what" "$* gave: $out"; fi
}

# refuse 'what' 'pattern' command…: the command fails and prints what matches.
refuse() {
  local what=$1 pattern=$2
  shift 2
  if ! out=$(timeout 60 "$@" 2>&1) && [[ $out =~ $pattern ]]; then report ok "$what"; else report FAILED "$what" "$* gave: $out"; fi
}

# await 'what' 'pattern' command…: within 30 seconds the command prints what matches.
await() {
  local what=$1 pattern=$2 end=$((SECONDS + 30))
  shift 2
  until out=$(timeout 60 "$@" 2>&1) && [[ $out =~ $pattern ]]; do
    if ((SECONDS > end)); then
      report FAILED "$what" "$* gave at last: $out"
      return
    fi
    sleep 0.2
  done
  report ok "$what"
}

# Nothing of this account's settings counts, and no proxy stands in the way.
while read -r name; do unset "$name"; done < <(compgen -e | grep -i -e '^AWS_' -e '^http_proxy$' || true)
export AWS_CONFIG_FILE=$work/none AWS_SHARED_CREDENTIALS_FILE=$work/none AWS_EC2_METADATA_DISABLED=true
export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_MAX_ATTEMPTS=1

# A subscriber that keeps what it is sent: headers and body, a message per line.
cat >"$work/subscriber.py" <<'PYTHON'
import http.server, json, sys
class Subscriber(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
        with open(sys.argv[1] + "/received", "a") as file:
            file.write(json.dumps({"type": self.headers["x-amz-sns-message-type"], "path": self.path, "body": body}) + "\n")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Subscriber)
with open(sys.argv[1] + "/port", "w") as file: file.write(f"{server.server_port}\n")
server.serve_forever()
PYTHON
touch "$work/received" "$work/port"
python3 "$work/subscriber.py" "$work" &
programs+=($!)

build/errand local --addr 127.0.0.1:0 >"$work/local" 2>&1 &
local_program=$!
programs+=("$local_program")
await 'errand local serves' 'What happens:' cat "$work/local"
await 'the subscriber listens' '[0-9]' cat "$work/port"
subscriber=http://127.0.0.1:$(cat "$work/port")

# The commands that errand local prints, one per line, as they are printed.
sed '/^What happens/,$d; s/^ *//' "$work/local" | sed ':join; /\\$/{N; s/ *\\\n */ /; b join}' >"$work/guide"
url=$(grep -o -m 1 'http://127.0.0.1:[0-9]*' "$work/guide")
export AWS_ENDPOINT_URL=$url AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
topic=$(grep -o 'arn:aws:sns:[^ ]*' "$work/guide")
network='awsvpcConfiguration={subnets=[subnet-0123456789abcdef0]}'

echo '- What errand local prints'
# AWS_DEFAULT_REGION, since version 1 of the CLI does not read AWS_REGION.
exports=$(grep '^export ' "$work/guide")
try 'the exports lead the CLI here' "^$url eu-west-1 local local$" env -i bash -c \
  "$exports; "'echo "$AWS_ENDPOINT_URL $AWS_DEFAULT_REGION $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"'
task=
while read -r command; do
  command=${command//<task>/$task}
  command=${command//http:\/\/127.0.0.1:8080/$subscriber}
  try "${command:0:100}" '' bash -c "$command"
  case $command in
  *'lambda invoke'*nightly*)
    if [[ $out =~ '"status":"STARTED"' ]]; then report ok 'it answers STARTED'; else report FAILED 'it answers STARTED' "$out"; fi
    await 'the end of it is published' '"runId":"nightly-report-20261120T020000Z"[^}]*"status":"SUCCEEDED"' cat "$work/local"
    ;;
  *'invocation-type Event'*)
    await 'the end of it is published' '"runId":"billing-daily-20261120T020000Z"[^}]*"status":"FAILED".*FATAL rate table is empty' cat "$work/local"
    ;;
  *list-tasks*)
    if [[ $out == *task/sample/* ]]; then report ok 'it lists the run'; else report FAILED 'it lists the run' "$out"; fi
    ;;
  *filter-log-events*)
    if [[ $out == *'all pages written'* ]]; then report ok 'it shows the log'; else report FAILED 'it shows the log' "$out"; fi
    ;;
  *run-task*) task=$(grep -o 'arn:aws:ecs:[^"]*:task/[^"]*' <<<"$out" | head -n 1) ;;
  esac
done < <(grep '^aws ' "$work/guide")

echo '- ECS'
cat >"$work/definition.json" <<JSON
{"family": "two", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
 "executionRoleArn": "arn:aws:iam::123456789012:role/execution", "containerDefinitions": [
  {"name": "app", "image": "app", "essential": true, "stopTimeout": 2, "logConfiguration": {"logDriver": "awslogs", "options":
    {"awslogs-group": "/ecs/two", "awslogs-region": "$AWS_REGION", "awslogs-stream-prefix": "p", "awslogs-create-group": "true"}}},
  {"name": "sidecar", "image": "sidecar", "essential": false, "command": ["sleep", "600"], "stopTimeout": 2}]}
JSON
echo '{"containerOverrides": [{"name": "app", "command": ["sh", "-c", "echo one; echo two >&2; exec sleep 600"]}]}' >"$work/overrides.json"
try 'register-task-definition' 'two:1' aws ecs register-task-definition --cli-input-json "file://$work/definition.json"
try 'describe-task-definition' '^awslogs$' aws ecs describe-task-definition --task-definition two \
  --query 'taskDefinition.containerDefinitions[0].logConfiguration.logDriver' --output text
try 'list-task-definitions' 'two:1' aws ecs list-task-definitions --family-prefix two
try 'create-cluster' 'cluster/more' aws ecs create-cluster --cluster-name more
try 'describe-clusters' 'ACTIVE' aws ecs describe-clusters --clusters more
try 'run-task --overrides file://' ':task/more/' aws ecs run-task --cluster more --task-definition two --started-by me/1 \
  --launch-type FARGATE --network-configuration "$network" --overrides "file://$work/overrides.json" \
  --client-token token-1 --query 'tasks[0].taskArn' --output text
task=$out
try 'the same client token gives the same task' "^$task$" aws ecs run-task --cluster more --task-definition two --started-by me/1 \
  --launch-type FARGATE --network-configuration "$network" --overrides "file://$work/overrides.json" \
  --client-token token-1 --query 'tasks[0].taskArn' --output text
refuse 'the same token with other parameters is a ConflictException' 'ConflictException' aws ecs run-task --cluster more \
  --task-definition two --launch-type FARGATE --network-configuration "$network" --client-token token-1
try 'wait tasks-running' '^$' aws ecs wait tasks-running --cluster more --tasks "$task"
try 'describe-tasks' 'RUNNING' aws ecs describe-tasks --cluster more --tasks "$task" --query 'tasks[0].lastStatus' --output text
try 'list-tasks --started-by' "^$task$" aws ecs list-tasks --cluster more --started-by me/1 --query taskArns --output text
try 'list-tasks --started-by, of somebody else' '^(None)?$' aws ecs list-tasks --cluster more --started-by me --query taskArns --output text
try 'describe-tasks, of a task that is not there' 'MISSING' aws ecs describe-tasks --cluster more --tasks 00000000000000000000000000000000
stream=p/app/${task##*/}
await 'get-log-events' '^one[[:space:]]two$' aws logs get-log-events --log-group-name /ecs/two --log-stream-name "$stream" \
  --query 'events[].message' --output text
try 'stop-task --reason' 'STOPPED' aws ecs stop-task --cluster more --task "$task" --reason enough
await 'the task stops' '^STOPPED.UserInitiated.enough.143$' aws ecs describe-tasks --cluster more --tasks "$task" \
  --query 'tasks[0].[lastStatus, stopCode, stoppedReason, containers[0].exitCode]' --output text
try 'wait tasks-stopped' '^$' aws ecs wait tasks-stopped --cluster more --tasks "$task"
try 'create-service' 'ACTIVE' aws ecs create-service --cluster sample --service-name web --task-definition sample --launch-type FARGATE \
  --network-configuration "$network" --desired-count 0
try 'describe-services' 'task-definition/sample:1' aws ecs describe-services --cluster sample --services web
try 'deregister-task-definition' 'INACTIVE' aws ecs deregister-task-definition --task-definition two:1

echo '- CloudWatch Logs'
try 'describe-log-groups' '/ecs/two' aws logs describe-log-groups --log-group-name-prefix /ecs/
try 'describe-log-streams' "$stream" aws logs describe-log-streams --log-group-name /ecs/two --log-stream-name-prefix p/app
try 'filter-log-events --filter-pattern' '^two$' aws logs filter-log-events --log-group-name /ecs/two --filter-pattern two \
  --query 'events[].message' --output text
refuse 'a stream that is not there is a ResourceNotFoundException' 'ResourceNotFoundException.*log stream' aws logs get-log-events \
  --log-group-name /ecs/two --log-stream-name none

echo '- Lambda'
invoke() { # [options] payload: prints the function's answer, then the call's
  aws lambda invoke --function-name launcher "${@:1:$#-1}" --payload "fileb://${*: -1}" "$work/answer" >"$work/call" || return
  cat "$work/answer" && echo && cat "$work/call"
}
export -f invoke
export work
try 'list-functions' 'collector.*launcher' bash -c 'aws lambda list-functions --query "Functions[].FunctionName" --output text'
for event in errand-job-event import-upload service-job; do
  try "invoke with $event" '"status":"STARTED".*"StatusCode": 200' bash -c 'invoke "$0"' "events/launcher/$event.json"
done
await 'its run is published' '"runId":"import-[^}]*"status":"SUCCEEDED"' cat "$work/local"
try 'invoke with a payload that is wrong' '"status":"REJECTED".*comand.*logLines.*launchType' bash -c 'invoke "$0"' events/launcher/misspelt.json
try 'invoke --log-type Tail' 'LogResult' bash -c 'invoke --log-type Tail "$0"' events/launcher/misspelt.json
try 'invoke the collector with a stop event' '^null' bash -c 'invoke --function-name collector "$0"' events/collector/other-stack.json
echo '{"job": 1' >"$work/broken.json"
refuse 'a payload that is not JSON is an InvalidRequestContentException' 'InvalidRequestContentException' bash -c 'invoke "$0"' "$work/broken.json"
refuse 'an unknown function is a ResourceNotFoundException' 'ResourceNotFoundException.*function:none' aws lambda invoke --function-name none /dev/stdout

echo '- SNS and EventBridge'
await 'the subscriber is sent failures' 'billing-daily' grep -F '"type": "Notification"' "$work/received"
try 'its filter keeps successes from it' '^0$' bash -c 'grep -c SUCCEEDED "$0" || true' "$work/received"
try 'create-topic' ':more$' aws sns create-topic --name more --query TopicArn --output text
more=$out
try 'list-topics' ":more\".*$topic\".*$topic-text\"" bash -c 'aws sns list-topics | tr -d "\n"'
try 'subscribe' "$more:" aws sns subscribe --topic-arn "$more" --protocol http --notification-endpoint "$subscriber/more" \
  --attributes RawMessageDelivery=true --return-subscription-arn
try 'list-subscriptions-by-topic' "$subscriber/more" aws sns list-subscriptions-by-topic --topic-arn "$more"
try 'publish' 'MessageId' aws sns publish --topic-arn "$more" --subject hello --message 'grüß Gott' \
  --message-attributes '{"outcome": {"DataType": "String", "StringValue": "failure"}}'
await 'the message is delivered' '/more.*gr' grep -F '"path": "/more", "body": "gr' "$work/received"
refuse 'publish to a topic that is not there is NotFound' 'NotFound' aws sns publish --topic-arn "$more-not" --message hello
echo '[{"Source": "com.example.shop", "DetailType": "Errand Job", "Detail": "{\"job\": \"rebuild-index\"}"}]' >"$work/entries.json"
try 'put-events' '"FailedEntryCount": 0' aws events put-events --entries "file://$work/entries.json"

try 'subscribe an e-mail address' '^pending confirmation$' aws sns subscribe --topic-arn "$more" --protocol email \
  --notification-endpoint ops@example.com --query SubscriptionArn --output text
try 'it is listed as pending' '^PendingConfirmation$' aws sns list-subscriptions-by-topic --topic-arn "$more" \
  --query 'Subscriptions[?Protocol==`email`].SubscriptionArn' --output text
subscription=$(aws sns list-subscriptions-by-topic --topic-arn "$more" --query 'Subscriptions[?Protocol==`http`].SubscriptionArn' --output text)
try 'get-subscription-attributes' '^false.true$' aws sns get-subscription-attributes --subscription-arn "$subscription" \
  --query 'Attributes.[PendingConfirmation, RawMessageDelivery]' --output text

echo '- SQS'
sqs=(aws --endpoint-url "$url" sqs) # version 1 of the CLI does not follow AWS_ENDPOINT_URL to SQS
try 'create-queue' "^$url/[0-9]{12}/letters$" "${sqs[@]}" create-queue --queue-name letters --attributes VisibilityTimeout=60 --query QueueUrl --output text
queue=$out
try 'get-queue-url' "^$queue$" "${sqs[@]}" get-queue-url --queue-name letters --query QueueUrl --output text
try 'list-queues' "$queue" "${sqs[@]}" list-queues --queue-name-prefix let
try 'send-message with attributes' '^19e27d4e946b072f3f58da80d94fd778$' "${sqs[@]}" send-message --queue-url "$queue" --message-body 'grüß Gott' \
  --message-attributes '{"attribName1": {"DataType": "String", "StringValue": "attribValue 1"}}' --query MD5OfMessageAttributes --output text
try 'get-queue-attributes' '^1.0.60.arn:aws:sqs:' "${sqs[@]}" get-queue-attributes --queue-url "$queue" --attribute-names All --output text \
  --query 'Attributes.[ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible, VisibilityTimeout, QueueArn]'
try 'receive-message' '^attribValue 1.1.' "${sqs[@]}" receive-message --queue-url "$queue" --message-attribute-names All --attribute-names All \
  --query 'Messages[0].[MessageAttributes.attribName1.StringValue, Attributes.ApproximateReceiveCount, ReceiptHandle]' --output text
receipt=${out##*[[:space:]]}
try 'nobody else receives it' '^None$' "${sqs[@]}" receive-message --queue-url "$queue" --query Messages --output text
try 'change-message-visibility' '^$' "${sqs[@]}" change-message-visibility --queue-url "$queue" --receipt-handle "$receipt" --visibility-timeout 0
try 'it is received again' '^gr.*2.' "${sqs[@]}" receive-message --queue-url "$queue" --attribute-names ApproximateReceiveCount --wait-time-seconds 5 \
  --max-number-of-messages 10 --query 'Messages[0].[Body, Attributes.ApproximateReceiveCount, ReceiptHandle]' --output text
try 'delete-message' '^$' "${sqs[@]}" delete-message --queue-url "$queue" --receipt-handle "${out##*[[:space:]]}"
try 'the queue is empty' '^0.0$' "${sqs[@]}" get-queue-attributes --queue-url "$queue" --attribute-names All --output text \
  --query 'Attributes.[ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible]'
try 'purge-queue' '^$' "${sqs[@]}" purge-queue --queue-url "$queue"
refuse 'a queue that is not there is NonExistentQueue' 'NonExistentQueue' "${sqs[@]}" get-queue-url --queue-name none

echo '- CloudFormation'
output() { # name: prints an output of the local stack
  aws cloudformation describe-stacks --stack-name local --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue" --output text
}
export -f output
try 'describe-stacks' '^local.CREATE_COMPLETE$' aws cloudformation describe-stacks --query 'Stacks[].[StackName, StackStatus]' --output text
try 'an output of the stack' "^$topic$" bash -c 'output ResultTopicArn'
table=$(output TableName)
refuse 'a stack that is not there is a ValidationError' 'ValidationError.*Stack with id none does not exist' aws cloudformation describe-stacks --stack-name none

echo '- The ledger'
ledger=(aws dynamodb query --table-name "$table" --output text)
try 'describe-table' '^ACTIVE.pk.sk.*open' aws dynamodb describe-table --table-name "$table" --output text \
  --query 'Table.[TableStatus, KeySchema[0].AttributeName, KeySchema[1].AttributeName, join(`,`, sort(GlobalSecondaryIndexes[].IndexName))]'
run='{":run": {"S": "run#billing-daily#billing-daily-20261120T020000Z"}}'
await 'a run that has ended is reported' '^LAUNCHED.FAILED.3.results.text.None.None$' "${ledger[@]}" --key-condition-expression 'pk = :run' \
  --expression-attribute-values "$run" \
  --query 'Items[?sk.S==`a#01`].[state.S, verdict.M.status.S, verdict.M.exitCode.N, told.SS[0], told.SS[1], open.S, due.N]'
try 'attributes by name, the payload not among them' '^(5|[1-9][0-9]*).*' "${ledger[@]}" --key-condition-expression 'pk = :run' --select SPECIFIC_ATTRIBUTES \
  --expression-attribute-values "$run" --projection-expression 'pk, sk, told' --query 'Items[0].[length(keys(@)), payload]'
try 'the runs of a job, the oldest last' 'run#billing-daily#billing-daily-20261120T020000Z.FAILED$' "${ledger[@]}" --index-name history \
  --key-condition-expression 'job = :job' --expression-attribute-values '{":job": {"S": "billing-daily"}}' --no-scan-index-forward \
  --query 'Items[].[pk.S, verdict.M.status.S]'
echo '{"job": "long", "runId": "r1", "command": ["sleep", "600"]}' >"$work/long.json"
try 'a run that goes on' '"status":"STARTED"' bash -c 'invoke "$0"' "$work/long.json"
try 'delivered again, it is the same' '"status":"STARTED".*"again":true' bash -c 'invoke "$0"' "$work/long.json"
key='{"pk": {"S": "run#long#r1"}, "sk": {"S": "a#01"}}'
try 'is open' '^[0-9]$' aws dynamodb get-item --table-name "$table" --key "$key" --query Item.open.S --output text
shard=$out
try 'and found by that' 'run#long#r1.a#01' "${ledger[@]}" --index-name open --key-condition-expression '#open = :shard' \
  --expression-attribute-names '{"#open": "open"}' --expression-attribute-values "{\":shard\": {\"S\": \"$shard\"}}" --query 'Items[].[pk.S, sk.S]'
# In place of waiting for the first look, after five minutes.
try 'it is due' '^$' aws dynamodb update-item --table-name "$table" --key "$key" --update-expression 'SET #due = :past' \
  --condition-expression 'attribute_exists(#open)' --expression-attribute-names '{"#due": "due", "#open": "open"}' --expression-attribute-values '{":past": {"N": "1"}}'
echo '{}' >"$work/tick.json"
try 'the watchdog, by hand' '^null.*"StatusCode": 200' bash -c 'invoke --function-name watchdog "$0"' "$work/tick.json"
try 'it looks at it again later' '^LAUNCHED.[0-9]{10}(\.[0-9]+)?$' aws dynamodb get-item --table-name "$table" --key "$key" --query 'Item.[state.S, due.N]' --output text

echo '- Dead letters'
for name in Schedule Rule Launcher; do
  try "$name" '^0$' "${sqs[@]}" get-queue-attributes --queue-url "$(output "${name}DeadLettersUrl")" --attribute-names ApproximateNumberOfMessages \
    --query Attributes.ApproximateNumberOfMessages --output text
done
echo '{"errand": "launch", "job": "long", "runId": "r1", "attempt": 1}' >"$work/letter.json"
try 'an event that the collector fails at' '202' aws lambda invoke --function-name collector --invocation-type Event --payload "fileb://$work/letter.json" "$work/answer"
await 'becomes a dead letter' '"errand": "launch".*the collector was woken for' "${sqs[@]}" receive-message --queue-url "$(output CollectorDeadLettersUrl)" \
  --message-attribute-names All --visibility-timeout 0 --query 'Messages[0].[Body, MessageAttributes.ErrorMessage.StringValue]' --output text
echo '- DynamoDB'
try 'create-table' '^(ACTIVE|CREATING)$' aws dynamodb create-table --table-name more --billing-mode PAY_PER_REQUEST \
  --attribute-definitions AttributeName=pk,AttributeType=S AttributeName=sk,AttributeType=N \
  --key-schema AttributeName=pk,KeyType=HASH AttributeName=sk,KeyType=RANGE --query TableDescription.TableStatus --output text
for n in 1 2; do
  try "put-item $n" '^$' aws dynamodb put-item --table-name more --item "{\"pk\": {\"S\": \"a\"}, \"sk\": {\"N\": \"$n\"}, \"note\": {\"S\": \"<ä>\"}}" \
    --condition-expression 'attribute_not_exists(pk)'
done
refuse 'a condition that fails' 'ConditionalCheckFailedException' aws dynamodb put-item --table-name more \
  --item '{"pk": {"S": "a"}, "sk": {"N": "1"}}' --condition-expression 'attribute_not_exists(pk)'
try 'get-item' '^<.*>$' aws dynamodb get-item --table-name more --key '{"pk": {"S": "a"}, "sk": {"N": "2"}}' --query Item.note.S --output text
try 'query' '^2.1$' aws dynamodb query --table-name more --key-condition-expression 'pk = :a' --no-scan-index-forward \
  --expression-attribute-values '{":a": {"S": "a"}}' --query 'Items[].sk.N' --output text
refuse 'a DynamoDB call that is not served' 'UnknownOperationException' aws dynamodb scan --table-name more

echo "- ECS's own errors"
run=(aws ecs run-task --cluster sample --task-definition sample --launch-type FARGATE)
refuse 'unknown cluster' 'ClusterNotFoundException' aws ecs run-task --cluster none --task-definition sample --network-configuration "$network"
refuse 'unknown task definition' 'ClientException.*TaskDefinition not found' aws ecs run-task --cluster sample --task-definition none --network-configuration "$network"
refuse 'inactive task definition' 'ClientException.*inactive' aws ecs run-task --cluster sample --task-definition two:1 --network-configuration "$network"
refuse 'no network configuration' 'InvalidParameterException.*Network Configuration must be provided' "${run[@]}"
refuse 'startedBy with characters that it does not take' 'InvalidParameterException.*startedBy' "${run[@]}" --network-configuration "$network" --started-by 'a b'
refuse 'startedBy that is too long' 'InvalidParameterException.*startedBy' "${run[@]}" --network-configuration "$network" --started-by "$(printf 'x%.0s' {1..129})"
printf '{"containerOverrides":[{"name":"app","command":["%s"]}]}' "$(printf 'x%.0s' {1..8192})" >"$work/long.json"
refuse 'overrides over 8,192 characters' 'InvalidParameterException.*8192' "${run[@]}" --network-configuration "$network" --overrides "file://$work/long.json"
refuse 'an override of a container that is not there' 'InvalidParameterException.*nobody' "${run[@]}" --network-configuration "$network" \
  --overrides '{"containerOverrides":[{"name":"nobody"}]}'
refuse 'more tasks than ECS starts at once' 'InvalidParameterException.*[Cc]ount' "${run[@]}" --network-configuration "$network" --count 11
refuse 'stopping a task that is not there' 'InvalidParameterException.*not found' aws ecs stop-task --cluster sample --task 00000000000000000000000000000000
refuse 'an ECS call that is not served' 'UnknownOperationException' aws ecs list-clusters
refuse 'a CloudWatch Logs call that is not served' 'UnknownOperationException' aws logs describe-metric-filters
refuse 'an SNS call that is not served' 'UnknownOperationException' aws sns list-platform-applications
refuse 'a Lambda call that is not served' 'UnknownOperationException' aws lambda get-function --function-name launcher
refuse 'an EventBridge call that is not served' 'UnknownOperationException' aws events list-rules
refuse 'the services that are not served' 'UnknownOperationException.*GetCallerIdentity' aws sts get-caller-identity
refuse '… whatever their protocol' 'UnknownOperationException.*schedules' aws scheduler list-schedules

kill "$local_program"
await 'errand local ends when it is told to' 'gone' bash -c "kill -0 $local_program 2>/dev/null || echo gone"

echo "$passed passed, $failed failed"
((failed == 0))
