#!/usr/bin/env bash
# Puts change_schedule of docs/schedules.md to work on moto's Scheduler, which like
# AWS's resets what an update leaves out. Needs moto[server], the AWS CLI and jq.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v jq >/dev/null; then
	echo "jq is not installed: change_schedule is not tried"
	exit
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 -m moto.server -p "$port" >/dev/null 2>&1 &
moto=$!
work=$(mktemp -d)
trap 'kill "$moto"; wait "$moto" 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in {1..300}; do
	(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	kill -0 "$moto"
	sleep 0.1
done
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_PAGER='' AWS_DEFAULT_OUTPUT=json

source <(sed -n '/^change_schedule() {/,/^}/p' docs/schedules.md)
cd "$work"
read_schedule() { aws scheduler get-schedule --group-name jobs --name web-reload | jq -S 'del(.CreationDate, .LastModificationDate)'; }

aws scheduler create-schedule-group --name jobs >/dev/null
# What an update resets is set to something else than the default.
cat > created.json <<'JSON'
{
  "Name": "web-reload", "GroupName": "jobs", "Description": "every hour", "State": "DISABLED",
  "ScheduleExpression": "cron(15 * * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin", "EndDate": "2036-01-01T00:00:00Z",
  "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
  "Target": {
    "Arn": "arn:aws:lambda:eu-west-1:123456789012:function:executor",
    "RoleArn": "arn:aws:iam::123456789012:role/web-reload",
    "Input": "{\"job\": \"web-reload\", \"scheduledTime\": \"<aws.scheduler.scheduled-time>\"}",
    "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
    "DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-west-1:123456789012:letters"}
  }
}
JSON
aws scheduler create-schedule --cli-input-json file://created.json >/dev/null
read_schedule > before.json

change_schedule jobs web-reload '.ScheduleExpression = "cron(45 * * * ? *)"' >/dev/null
jq -S '.ScheduleExpression = "cron(45 * * * ? *)"' before.json > want.json
read_schedule | diff want.json -
echo "ok  the expression is changed, and nothing else"

change_schedule jobs web-reload '.Target.Input |= (fromjson | .timeout = "3h" | tojson)' >/dev/null
input=$(read_schedule | jq -r .Target.Input)
[ "$input" = '{"job":"web-reload","scheduledTime":"<aws.scheduler.scheduled-time>","timeout":"3h"}' ] || { echo "the payload became $input"; exit 1; }
echo "ok  the payload is changed, and its placeholder stays"

change_schedule jobs web-reload '.State = "ENABLED"' >/dev/null
[ "$(read_schedule | jq -r '.State, .Target.RetryPolicy.MaximumRetryAttempts' | paste -sd ' ')" = "ENABLED 0" ]
echo "ok  the state is changed, and the retry policy stays"

# So that the above would find a change_schedule that leaves something out.
aws scheduler update-schedule --group-name jobs --name web-reload --schedule-expression 'rate(1 hour)' --flexible-time-window Mode=OFF \
	--target Arn=arn:aws:lambda:eu-west-1:123456789012:function:executor,RoleArn=arn:aws:iam::123456789012:role/web-reload >/dev/null
[ "$(read_schedule | jq -r '.ScheduleExpressionTimezone, .Target.RetryPolicy.MaximumRetryAttempts, .Target.DeadLetterConfig' | paste -sd ' ')" = "UTC 185 null" ]
echo "ok  an update that leaves fields out resets them"
