"""Puts the built functions to work on moto, AWS endpoints that errand did not write.

    python3 .ci/moto.py [FOLDER]    the folder of the built functions, default build

It serves each program the Lambda Runtime API. Needs boto3 and moto[server].
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
from botocore.config import Config

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
EVENTS = Path(__file__).resolve().parent.parent / "events"
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
    program = start(stack, [sys.executable, "-c", MOTO, "-H", "127.0.0.1", "-p", str(port)])
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + WAIT
    while program.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url + "/moto-api/", timeout=5).close()
            return url
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("moto does not start; is moto[server] installed?")


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
        start(stack, [str(bootstrap)], {
            **settings, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"})

    def invoke(self, event: dict) -> tuple[dict, bool]:
        """The answer, and whether it is an error."""
        self.events.put(json.dumps(event).encode())
        return self.answers.get(timeout=WAIT)


def main(build: Path, stack: ExitStack) -> None:
    url = start_moto(stack)
    quick = Config(retries={"total_max_attempts": 1}, read_timeout=WAIT)
    ecs, ec2, logs, sns, sqs = (
        boto3.client(name, REGION, endpoint_url=url, config=quick, aws_access_key_id="moto", aws_secret_access_key="moto")
        for name in ("ecs", "ec2", "logs", "sns", "sqs"))

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

    common = {"AWS_ENDPOINT_URL": url, "STARTED_BY_PREFIX": PREFIX, "TOPIC_ARN": json_topic, "TEXT_TOPIC_ARN": text_topic}
    collector = Function(stack, build / "collector" / "bootstrap", common)
    launcher = Function(stack, build / "launcher" / "bootstrap", {
        **common, "CLUSTER": "jobs", "TASK_DEFINITION": FAMILY, "SUBNETS": subnet, "SECURITY_GROUPS": security})

    def launch(payload: dict) -> dict:
        answer, failed = launcher.invoke(payload)
        check(f"{payload['job']}: the launcher answers STARTED", not failed and answer["status"] == "STARTED", answer)
        return ecs.describe_tasks(cluster="jobs", tasks=[answer["taskArn"]])["tasks"][0]

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
    result, attributes, text = published()
    check("SQS has the JSON form", {
        "schema": "errand/result/v1", "job": "billing-daily", "runId": run, "attempt": 1, "method": "run-task",
        "status": "FAILED", "outcome": "failure", "reason": "container app exited with code 3", "exitCode": 3,
        "command": payload["command"], "container": "app", "cluster": task["clusterArn"], "taskArn": task["taskArn"],
        "taskDefinition": last, "durationSeconds": 430.2}.items() <= result.items(), result)
    check("no field of it is null", "null" not in json.dumps(result), result)
    log = result.get("log", {})
    check("its log is the last 20 lines, in order, without the escapes, and says where it is", {
        "status": "ok", "group": GROUP, "stream": stream, "region": REGION, "truncated": True, "settled": True,
        "lines": [*rows[-19:], "FATAL café table is empty"]}.items() <= log.items(), log)
    check("its attributes are complete", attributes == {
        "job": "billing-daily", "status": "FAILED", "outcome": "failure", "method": "run-task",
        "cluster": task["clusterArn"], "exitCode": "3"}, attributes)
    check("SQS has the text form and its subject", text.get("Subject") == "FAILED billing-daily: exit code 3 after 7m10s"
          and "\nFATAL café table is empty\n-----" in text["Message"], text)

    again = launch(payload)["taskArn"] != task["taskArn"]
    print("note    delivered twice, and moto " + ("does not know client tokens: two tasks" if again else "answers one task"))

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
    check("they keep its end", result["log"]["lines"][-1][:5] == "1199 " and "\n1199 é" in text["Message"])

    answer, failed = launcher.invoke(sample("launcher/misspelt.json"))
    check("a misspelt payload is answered REJECTED", not failed and answer["status"] == "REJECTED", answer)
    result, attributes, text = published()
    named = all(field in result.get("reason", "") for field in ("comand", "logLines", "launchType"))
    check("that is published and names every bad field", attributes.get("status") == "REJECTED" and named, result)
    check("people are told, too", text.get("Subject", "").startswith("REJECTED billing-daily: "), text)
    answer, failed = launcher.invoke({"job": "lost", "taskDefinition": "no-such-family"})
    check("an unknown task definition is LAUNCH_FAILED, in moto's words",
          not failed and answer["status"] == "LAUNCH_FAILED" and "ClientException" in answer["reason"], answer)
    check("that is published, too", published()[1].get("status") == "LAUNCH_FAILED")

    sns.delete_topic(TopicArn=json_topic)
    answer, failed = collector.invoke(stop_event(task, 1))
    check("without its topic the collector fails, and says so", failed and json_topic in answer["errorMessage"], answer)
    check("the other topic is told nevertheless", "Body" in receive(text_queue))
    answer, failed = launcher.invoke({"job": "bad name"})
    check("without its topic the launcher fails, too", failed and json_topic in answer["errorMessage"], answer)


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
