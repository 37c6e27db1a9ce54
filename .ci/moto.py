"""Puts the built functions to work on moto, AWS endpoints that errand did not write.

    python3 .ci/moto.py [FOLDER]    the folder of the built functions, default build

It serves each program the Lambda Runtime API, and Lambda's own to the watchdog, since
moto's would run the functions in Docker. Needs what .ci/requirements.txt names.
"""

import base64
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections import Counter
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

# moto's RunTask answers a container's cpu and memory as numbers. ECS's are strings
# (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Container.html), and
# typed SDKs such as Go's refuse numbers.
MOTO = """
from moto.ecs.models import Container
from moto.server import main
made = Container.__init__
def corrected(self, definition):
    made(self, definition)
    self.cpu, self.memory = str(self.cpu), str(self.memory)
Container.__init__ = corrected
main()
"""
REGION, PREFIX, FAMILY, GROUP = "eu-west-1", "errand/moto/", "sample", "/ecs/sample"
TABLE = "ledger"
ROOT = Path(__file__).resolve().parent.parent
EVENTS, TEMPLATE = ROOT / "events", ROOT / "template.yaml"
WAIT = 60  # seconds that anything may take
null, results = subprocess.DEVNULL, []


def check(what: str, ok: bool, seen: object = "") -> None:
    results.append(bool(ok))
    print(f"ok      {what}" if ok else f"FAILED  {what}\n        seen: {seen}", flush=True)


def sample(name: str) -> dict:
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


def start(stack: ExitStack, command: list[str], env: dict[str, str] | None = None) -> subprocess.Popen:
    program = subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=null)
    stack.callback(program.wait)
    stack.callback(program.kill)
    return program


def start_moto(stack: ExitStack) -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    record = stack.enter_context(tempfile.TemporaryDirectory())
    program = start(stack, [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port)], {
        **os.environ, "MOTO_RECORDER_FILEPATH": record + "/calls"})
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + WAIT
    while program.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url + "/moto-api/", timeout=5).close()
            return url
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto does not start; is moto[server] installed?")


def moto(url: str, path: str, body: dict | None = None) -> bytes:
    """Asks moto about itself."""
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{url}/moto-api/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return answer.read()


def recorded(url: str) -> Counter[str]:
    """The calls that the functions, and not this script, have made of moto since it began to record."""
    moto(url, "recorder/stop-recording")
    calls: Counter[str] = Counter()
    for line in moto(url, "recorder/download-recording").splitlines():
        call = json.loads(line)
        headers = {name.lower(): value for name, value in call["headers"].items()}
        if "aws-sdk-go" in headers.get("user-agent", ""):
            action = re.search(rb"Action=(\w+)", base64.b64decode(call["body"])) if call["body_encoded"] else None
            calls[headers["x-amz-target"].split(".")[-1] if "x-amz-target" in headers else action[1].decode()] += 1
    return calls


class Function:
    """A program of a function, and the Runtime API that it asks for its events."""

    def __init__(self, stack: ExitStack, bootstrap: Path, settings: dict[str, str]) -> None:
        self.events, self.answers = events, answers = queue.Queue(), queue.Queue()

        class RuntimeApi(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # …/invocation/next
                event = events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + WAIT) * 1000)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:  # …/invocation/<id>/response or /error, or …/init/error
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                while self.headers["Transfer-Encoding"] == "chunked" and (size := int(self.rfile.readline(), 16)):
                    body += self.rfile.read(size + 2)[:size]
                self.send_response(202)
                self.end_headers()
                answers.put((json.loads(body), self.path.endswith("/error")))

            def log_request(self, *_: object) -> None:
                pass

        api = ThreadingHTTPServer(("127.0.0.1", 0), RuntimeApi)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        self.program = start(stack, [str(bootstrap)], {
            **settings, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"})

    def invoke(self, event: dict) -> tuple[dict, bool]:
        """The answer, and whether it is an error."""
        self.events.put(json.dumps(event).encode())
        return self.answer()

    def answer(self) -> tuple[dict, bool]:
        return self.answers.get(timeout=WAIT)


def serve_lambda(functions: dict[str, Function], invoked: list[tuple[str, dict]]) -> str:
    """Lambda's Invoke, for InvocationType Event. Notes in invoked what it was asked for."""

    class Lambda(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # /2015-03-31/functions/<name>/invocations
            name, event = self.path.split("/")[-2], self.rfile.read(int(self.headers["Content-Length"]))
            known = name in functions and self.headers["X-Amz-Invocation-Type"] == "Event"
            self.send_response(202 if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            if known:
                invoked.append((name, json.loads(event)))
                functions[name].events.put(event)

        def log_request(self, *_: object) -> None:
            pass

    api = ThreadingHTTPServer(("127.0.0.1", 0), Lambda)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{api.server_port}"


def ledger_table() -> dict:
    """The request that makes the ledger's table as template.yaml describes it."""
    table = yaml_parse(TEMPLATE.read_text(encoding="utf-8"))["Resources"]["LedgerTable"]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {"TableName": TABLE, **{name: table[name] for name in names}}


def main(build: Path, stack: ExitStack) -> None:
    url = start_moto(stack)
    quick = Config(retries={"total_max_attempts": 1}, read_timeout=WAIT)
    account = boto3.Session(region_name=REGION, aws_access_key_id="moto", aws_secret_access_key="moto")
    ecs, ec2, logs, sns, sqs = (
        account.client(name, endpoint_url=url, config=quick) for name in ("ecs", "ec2", "logs", "sns", "sqs"))
    dynamodb = account.resource("dynamodb", endpoint_url=url, config=quick)
    # moto's tasks go on with each DescribeTasks; here they run until they are stopped.
    moto(url, "state-manager/set-transition", {"model_name": "ecs::task", "transition": {"progression": "manual", "times": 1000}})

    # What template.yaml and its sample make in an account.
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})  # moto's RunTask needs the names
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    security = ec2.create_security_group(VpcId=vpc, GroupName="jobs", Description="jobs")["GroupId"]
    ecs.create_cluster(clusterName="jobs")
    container = {"name": "app", "image": "app", "memory": 512, "logConfiguration": {"logDriver": "awslogs", "options": {
        "awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}}}
    first, last = (ecs.register_task_definition(
        family=FAMILY, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[container])["taskDefinition"]["taskDefinitionArn"] for _ in range(2))
    ecs.create_service(
        cluster="jobs", serviceName="web", taskDefinition=first, desiredCount=0, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [security]}})
    logs.create_log_group(logGroupName=GROUP)
    dynamodb.create_table(**ledger_table())
    table = dynamodb.Table(TABLE)

    def topic(name: str, attributes: dict[str, str]) -> tuple[str, str]:
        arn, queue_url = sns.create_topic(Name=name)["TopicArn"], sqs.create_queue(QueueName=name)["QueueUrl"]
        endpoint = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=endpoint, Attributes=attributes)
        return arn, queue_url

    # Programs receive everything, people only failures.
    json_topic, json_queue = topic("results", {"RawMessageDelivery": "true"})
    text_topic, text_queue = topic("results-text", {"FilterPolicy": json.dumps({"outcome": ["failure"]})})

    def receive(queue_url: str) -> dict:
        got = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        sqs.purge_queue(QueueUrl=queue_url)
        return got["Messages"][0] if len(got.get("Messages", [])) == 1 else {}

    def published() -> tuple[dict, dict, dict]:
        """The JSON form, its attributes, and the text form; each empty if it did not come once."""
        message, text = receive(json_queue), receive(text_queue)
        attributes = {name: a["StringValue"] for name, a in message.get("MessageAttributes", {}).items()}
        return json.loads(message.get("Body", "{}")), attributes, json.loads(text.get("Body", "{}"))

    common = {
        "AWS_ENDPOINT_URL": url, "STARTED_BY_PREFIX": PREFIX, "TOPIC_ARN": json_topic, "TEXT_TOPIC_ARN": text_topic,
        "TABLE_NAME": TABLE}
    launching = {**common, "CLUSTER": "jobs", "TASK_DEFINITION": FAMILY, "SUBNETS": subnet, "SECURITY_GROUPS": security}
    functions: dict[str, Function] = {}
    invoked: list[tuple[str, dict]] = []
    functions["collector"] = collector = Function(stack, build / "collector" / "bootstrap", common)
    functions["launcher"] = launcher = Function(stack, build / "launcher" / "bootstrap", launching)
    watchdog = Function(stack, build / "watchdog" / "bootstrap", {
        **common, "LAUNCHER_NAME": "launcher", "COLLECTOR_NAME": "collector",
        "AWS_ENDPOINT_URL_LAMBDA": serve_lambda(functions, invoked)})

    def shown(arn: str) -> dict:
        return ecs.describe_tasks(cluster="jobs", tasks=[arn])["tasks"][0]

    def launch(payload: dict) -> dict:
        answer, failed = launcher.invoke(payload)
        started = not failed and answer["status"] == "STARTED" and "again" not in answer
        check(f"{payload['job']}: the launcher answers STARTED", started, answer)
        return shown(answer["taskArn"])

    def attempt(job: str, run_id: str) -> dict:
        """The first attempt of a run as it stands in the table; empty if it is not there."""
        return table.get_item(Key={"pk": f"run#{job}#{run_id}", "sk": "a#01"}, ConsistentRead=True).get("Item", {})

    def waited(item: dict) -> None:
        """Stands in for waiting until the watchdog shall look at a run, and any lease on it is over."""
        past = int(time.time()) - 90
        names = ["due"] + [name for name in ("launchUntil", "reportUntil") if name in item]
        table.update_item(
            Key={name: item[name] for name in ("pk", "sk")}, ExpressionAttributeValues={":past": past},
            UpdateExpression="SET " + ", ".join(f"#{name} = :past" for name in names),
            ExpressionAttributeNames={f"#{name}": name for name in names})

    def tick() -> list[tuple[str, dict, object]]:
        """The watchdog's next tick: whom it wakes, for what, and what they answer."""
        invoked.clear()
        answer, failed = watchdog.invoke({})
        check("the watchdog's tick has no error", not failed, answer)
        return [(name, event, functions[name].answer()) for name, event in list(invoked)]

    def write(task: dict, lines: list[str]) -> str:
        stream = "ecs/app/" + task["taskArn"].split("/")[-1]
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        now = int(time.time() * 1000)
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[
            {"timestamp": now + i, "message": line} for i, line in enumerate(lines)])
        return stream

    def stop_event(task: dict, code: int, status: str = "STOPPED") -> dict:
        """ECS's event of moto's task, since moto sends none."""
        event = sample("collector/failed.json")
        names = ("taskArn", "clusterArn", "taskDefinitionArn", "startedBy", "overrides")
        event["detail"].update({name: task[name] for name in names}, lastStatus=status)
        event["detail"]["containers"] = [{"name": "app", "lastStatus": status, "exitCode": code}]
        return event

    moto(url, "recorder/start-recording")
    payload = sample("launcher/failing-job.json")
    task = launch(payload)
    check("startedBy of the task is the prefix and the job", task["startedBy"] == PREFIX + payload["job"], task)
    check("the task runs the last revision, by its number", task["taskDefinitionArn"] == last, task)
    check("the task is in the stack's subnet", subnet in str(task["attachments"]), task)
    app = task["overrides"]["containerOverrides"][0]
    check("the container has the command", (app["name"], app["command"]) == ("app", payload["command"]), app)
    run = "billing-daily-20261120T020000Z"
    variables = {v["name"]: v["value"] for v in app["environment"]}
    check("its variables carry the run", variables == {
        "ERRAND_JOB": "billing-daily", "ERRAND_RUN_ID": run, "ERRAND_ATTEMPT": "1",
        "ERRAND_SCHEDULED_TIME": "2026-11-20T02:00:00Z", "ERRAND_LOG_LINES": "20",
        "ERRAND_DIGEST": "command:KmqCuW,logLines:9co490,scheduledTime:6n2_gn"}, variables)
    rows = [f"row {i}" for i in range(1, 40)]
    stream = write(task, [*rows, "\x1b[31mFATAL\x1b[0m café table is empty"])
    _, failed = collector.invoke(stop_event(task, 3, "DEPROVISIONING"))
    check("nothing is published before STOPPED", not failed and published() == ({}, {}, {}))
    collector.invoke(stop_event(task, 3))
    calls = recorded(url)
    print("note    calls of AWS for the run:", calls.total(), dict(calls))
    asked = Counter({name: count for name, count in calls.items() if name not in ("DescribeTaskDefinition", "GetLogEvents")})
    check("a task, two messages, and six writes to the ledger, which is not read", asked == {"RunTask": 1, "Publish": 2, "UpdateItem": 6}, asked)
    result, attributes, text = published()
    check("SQS has the JSON form", {
        "schema": "errand/result/v1", "job": "billing-daily", "runId": run, "attempt": 1, "method": "run-task",
        "status": "FAILED", "outcome": "failure", "reason": "container app exited with code 3", "exitCode": 3,
        "command": payload["command"], "container": "app", "cluster": task["clusterArn"], "taskArn": task["taskArn"],
        "taskDefinition": last, "durationSeconds": 397.5}.items() <= result.items(), result)
    check("no field of it is null", "null" not in json.dumps(result), result)
    log = result.get("log", {})
    check("its log is the last 20 lines, in order, without the escapes, and says where it is", {
        "status": "ok", "group": GROUP, "stream": stream, "region": REGION, "truncated": True, "settled": True,
        "lines": [*rows[-19:], "FATAL café table is empty"]}.items() <= log.items(), log)
    check("its attributes are complete", attributes == {
        "job": "billing-daily", "status": "FAILED", "outcome": "failure", "method": "run-task",
        "cluster": task["clusterArn"], "exitCode": "3"}, attributes)
    check("SQS has the text form and its subject", text.get("Subject") == "FAILED billing-daily: exit code 3 after 6m38s"
          and "\n│ FATAL café table is empty\n" in text["Message"], text)

    item = attempt("billing-daily", run)
    check("the ledger has the run, with how it ended", {
        "state": "LAUNCHED", "task": task["taskArn"], "told": {"results", "text"}, "claims": 1}.items() <= item.items()
        and {"status": "FAILED", "exitCode": 3, "reason": "container app exited with code 3"}.items() <= item["verdict"].items(), item)
    check("as reported, kept for 90 days, and as nothing to be looked after",
          90 * 86400 - 1 <= item["expires"] - item["reported"] <= 90 * 86400 and not {"open", "due"} & item.keys(), item)

    # moto knows no client tokens: it would start another task.
    answer, failed = launcher.invoke(payload)
    check("delivered again, it is answered with the task that it had", not failed
          and (answer["status"], answer.get("again"), answer["taskArn"]) == ("STARTED", True, task["taskArn"]), answer)
    check("and no other task is started", len(ecs.list_tasks(cluster="jobs", startedBy=task["startedBy"])["taskArns"]) == 1)
    _, failed = collector.invoke(stop_event(task, 3))
    check("its stop event delivered again is told to nobody", not failed and published() == ({}, {}, {}))

    task = launch(sample("launcher/service-job.json"))
    check("the task runs the revision of the service", task["taskDefinitionArn"] == first, task)
    collector.invoke(stop_event(task, 0))
    result, attributes, text = published()
    check("exit code 0 is SUCCEEDED; its log, which moto does not have, is missing",
          (result.get("status"), result.get("exitCode"), result["log"]["status"]) == ("SUCCEEDED", 0, "missing"), result)
    check("the filter policy keeps it from people", attributes.get("outcome") == "success" and text == {}, text)

    task = launch({"job": "long-log", "logLines": 1000})
    write(task, [f"{i:04} " + "é" * 300 for i in range(1200)])
    collector.invoke(stop_event(task, 1))
    result, _, text = published()
    compact = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    sizes = [len(compact.encode()), len(text.get("Message", "").encode())]
    check("a long log makes both forms nearly as large as SNS allows", all(255_000 < n < 262_144 for n in sizes), sizes)
    check("they keep its end", result["log"]["lines"][-1][:5] == "1199 " and "\n│ 1199 é" in text["Message"])

    payload = {"job": "unheard", "runId": "r1", "command": ["true"]}
    task = launch(payload)
    waited(attempt("unheard", "r1"))
    check("a task that runs is left alone", tick() == [] and shown(task["taskArn"])["lastStatus"] == "RUNNING", invoked)
    now = time.time()
    check("and looked at again in five minutes", 290 < float(attempt("unheard", "r1")["due"]) - now < 310, attempt("unheard", "r1"))
    ecs.stop_task(cluster="jobs", task=task["taskArn"], reason="lost")
    waited(attempt("unheard", "r1"))
    woken = tick()
    check("one that has stopped without an event is handed to the collector", [name for name, *_ in woken] == ["collector"], woken)
    result, _, text = published()
    check("which tells of it; moto shows no stop code, and so it may not have ended by itself", {
        "runId": "r1", "status": "LOST", "exitCode": 0, "taskArn": task["taskArn"]}.items() <= result.items() and text != {}, result)
    item = attempt("unheard", "r1")
    check("the ledger has that, too", item["verdict"]["status"] == "LOST" and "reported" in item and "due" not in item, item)
    collector.invoke(stop_event(task, 0))
    check("the event that comes after all is told to nobody", published() == ({}, {}, {}))
    check("the next tick has nothing to do", tick() == [], invoked)

    silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))  # an ECS that never answers
    dying = Function(stack, build / "launcher" / "bootstrap", {
        **launching, "AWS_ENDPOINT_URL_ECS": f"http://127.0.0.1:{silent.getsockname()[1]}"})
    dying.events.put(json.dumps({"job": "left", "runId": "r1", "command": ["true"]}).encode())
    deadline = time.monotonic() + WAIT
    while "state" not in attempt("left", "r1") and time.monotonic() < deadline:  # moto shows items that are half written
        time.sleep(0.1)
    dying.program.kill()
    item = attempt("left", "r1")
    check("a launcher dies after its claim", item["state"] == "CLAIMED" and "task" not in item, item)
    waited(item)
    woken, item = tick(), attempt("left", "r1")
    check("the collector finds no task, and the run waits for its launch",
          [name for name, *_ in woken] == ["collector"] and item["state"] == "DUE", (woken, item))
    waited(item)
    woken, item = tick(), attempt("left", "r1")
    check("the launcher is woken for it", [(name, answer["status"]) for name, _, (answer, _) in woken] == [("launcher", "STARTED")], woken)
    tasks = ecs.list_tasks(cluster="jobs", startedBy=PREFIX + "left")["taskArns"]
    check("it has one task, which the ledger knows, and nobody was told of it",
          item["state"] == "LAUNCHED" and tasks == [item["task"]] and published() == ({}, {}, {}), (tasks, item))

    answer, failed = launcher.invoke(sample("launcher/misspelt.json"))
    check("a misspelt payload is answered REJECTED", not failed and answer["status"] == "REJECTED", answer)
    result, attributes, text = published()
    named = all(field in result.get("reason", "") for field in ("comand", "logLines", "launchType"))
    check("that is published and names every bad field", attributes.get("status") == "REJECTED" and named, result)
    check("people are told, too", text.get("Subject", "").startswith("REJECTED billing-daily: "), text)
    payload = {"job": "lost", "runId": "r1", "taskDefinition": "no-such-family"}
    answer, failed = launcher.invoke(payload)
    check("an unknown task definition is LAUNCH_FAILED, in moto's words",
          not failed and answer["status"] == "LAUNCH_FAILED" and "ClientException" in answer["reason"], answer)
    check("that is published, too", published()[1].get("status") == "LAUNCH_FAILED")
    item = attempt("lost", "r1")
    check("the ledger has it as abandoned and reported", item["state"] == "ABANDONED"
          and item["verdict"]["status"] == "LAUNCH_FAILED" and "reported" in item and "due" not in item, item)
    answer, failed = launcher.invoke(payload)
    check("delivered again, it is answered the same, and nobody is told twice",
          not failed and (answer["status"], answer.get("again")) == ("LAUNCH_FAILED", True) and published() == ({}, {}, {}), answer)

    task = launch({"job": "untold", "runId": "r1"})
    sns.delete_topic(TopicArn=json_topic)
    answer, failed = collector.invoke(stop_event(task, 1))
    check("without its topic the collector fails, and says so", failed and json_topic in answer["errorMessage"], answer)
    check("the other topic is told nevertheless", "Body" in receive(text_queue))
    item = attempt("untold", "r1")
    check("the ledger knows which topic was told", item["told"] == {"text"} and "reported" not in item, item)
    answer, failed = launcher.invoke({"job": "bad name"})
    check("without its topic the launcher fails, too", failed and json_topic in answer["errorMessage"], answer)
    receive(text_queue)
    topic("results", {"RawMessageDelivery": "true"})  # under the same ARN
    waited(item)
    woken = tick()
    check("the watchdog's next tick lets the collector try again", [name for name, *_ in woken] == ["collector"], woken)
    result, _, text = published()
    check("then the topic is told, and the other not again",
          (result.get("runId"), result.get("status"), result.get("exitCode"), text) == ("r1", "FAILED", 1, {}), (result, text))
    check("and the run is reported", "reported" in attempt("untold", "r1"), attempt("untold", "r1"))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    for name in [n for n in os.environ if n.startswith("AWS_") or n.lower() == "http_proxy"]:
        del os.environ[name]  # neither a real account nor a way off this machine
    with ExitStack() as stop:
        try:
            main(Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve(), stop)
        except Exception as error:  # whatever it is, the checks after it were not made
            check("the script goes on to its end", False, repr(error))
    print(f"{sum(results)} passed, {results.count(False)} failed")
    sys.exit(0 if all(results) else 1)
