package result

import (
	"cmp"

	"errand/pkg/console"
	"errand/pkg/run"
)

// Locate says where the log of a container is, by the driver and the options of its
// logConfiguration, and links to it. The status is "" if errand can read the log,
// and otherwise the note says why it cannot.
func Locate(driver string, options map[string]string, container, taskARN, runtimeID string) Log {
	if driver != "awslogs" {
		return Log{Status: LogUnsupported, Note: cmp.Or(driver, NoLogDriver)}
	}
	arn, _ := run.ParseARN(taskARN)
	log := Log{Group: options["awslogs-group"], Region: cmp.Or(options["awslogs-region"], arn.Region)}
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/specify-log-config.html
	if prefix := options["awslogs-stream-prefix"]; prefix != "" {
		log.Stream = prefix + "/" + container + "/" + run.LastPart(taskARN)
	} else {
		// On EC2 without a prefix, Docker names the stream by the container's id.
		log.Stream = runtimeID
	}
	log.URL = console.Log(arn.Partition, log.Region, log.Group, log.Stream)
	switch {
	case log.Group == "":
		log.Status, log.Note = LogMissing, "the log configuration has no awslogs-group"
	case log.Stream == "":
		log.Status, log.Note = LogMissing, "neither awslogs-stream-prefix nor the container's runtime id tells the stream"
	}
	return log
}

// elsewhere says where a log is that errand cannot read, by the name of its driver.
func elsewhere(driver string) string {
	switch driver {
	case NoLogDriver:
		return "There is no log in CloudWatch Logs: the container has no log driver"
	case "json-file", "journald", "splunk": // on the instance, or with another company
		return "The log is not in CloudWatch Logs: the container's log driver is " + driver + ", not awslogs"
	}
	// FireLens, Fluentd and their like send on, and may do so to CloudWatch Logs
	// (https://github.com/aws-samples/amazon-ecs-firelens-examples/issues/131).
	return "Errand cannot tell where the log is: the container's log driver is " + driver + ", whose own configuration says where it sends it"
}
