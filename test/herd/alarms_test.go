package herd_test

import (
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// alarm is one of the template's.
type alarm struct {
	Namespace, MetricName, Statistic, ComparisonOperator, TreatMissingData string
	Dimensions                                                             []struct{ Name, Value string }
	Period, EvaluationPeriods, DatapointsToAlarm                           int
	Threshold                                                              float64
}

// series is the metric as recorder names it.
func (a alarm) series() string { return a.Namespace + " " + a.MetricName + " " + a.Dimensions[0].Value }

// alarms reads those of the template, by their names.
func alarms(t *testing.T) map[string]alarm {
	t.Helper()
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	all := map[string]alarm{}
	for name, r := range template.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var properties map[string]yaml.Node
		if err := r.Properties.Decode(&properties); err != nil {
			t.Fatal(err)
		}
		var a alarm
		for field, to := range map[string]any{
			"Namespace": &a.Namespace, "MetricName": &a.MetricName, "Statistic": &a.Statistic, "ComparisonOperator": &a.ComparisonOperator,
			"TreatMissingData": &a.TreatMissingData, "Period": &a.Period, "EvaluationPeriods": &a.EvaluationPeriods,
			"DatapointsToAlarm": &a.DatapointsToAlarm, "Threshold": &a.Threshold,
		} {
			if node, ok := properties[field]; ok {
				if err := node.Decode(to); err != nil {
					t.Fatalf("%s: %s: %v", name, field, err)
				}
			}
		}
		var dimensions []map[string]string
		node := properties["Dimensions"]
		if err := node.Decode(&dimensions); err != nil || len(dimensions) != 1 {
			t.Fatalf("%s: %d dimensions, %v", name, len(dimensions), err)
		}
		a.Dimensions = append(a.Dimensions, struct{ Name, Value string }{dimensions[0]["Name"], dimensions[0]["Value"]})
		if a.DatapointsToAlarm == 0 {
			a.DatapointsToAlarm = a.EvaluationPeriods
		}
		all[name] = a
	}
	if len(all) < 10 {
		t.Fatalf("%d alarms in the template", len(all))
	}
	return all
}

// point is a value that was measured.
type point struct {
	at    time.Time
	value float64
}

// recorder is CloudWatch's memory.
type recorder struct {
	mu     sync.Mutex
	points map[string][]point
}

func (r *recorder) note(series string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.points == nil {
		r.points = map[string][]point{}
	}
	r.points[series] = append(r.points[series], point{time.Now(), value})
}

// highest is the largest value of a series.
func (r *recorder) highest(series string) (most float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.points[series] {
		most = max(most, p.value)
	}
	return most
}

// breaching says whether a period of the alarm, from so on, is a bad one. The lock
// must be held.
func (r *recorder) breaching(a alarm, from time.Time) bool {
	var values []float64
	for _, p := range r.points[a.series()] {
		if !p.at.Before(from) && p.at.Before(from.Add(time.Duration(a.Period)*time.Second)) {
			values = append(values, p.value)
		}
	}
	if len(values) == 0 {
		return a.TreatMissingData == "breaching"
	}
	value := 0.0
	switch a.Statistic {
	case "Sum":
		for _, v := range values {
			value += v
		}
	case "Maximum":
		value = slices.Max(values)
	default:
		panic("a statistic that is not known here: " + a.Statistic)
	}
	switch a.ComparisonOperator {
	case "GreaterThanThreshold":
		return value > a.Threshold
	case "GreaterThanOrEqualToThreshold":
		return value >= a.Threshold
	case "LessThanThreshold":
		return value < a.Threshold
	}
	panic("a comparison that is not known here: " + a.ComparisonOperator)
}

// rang are the alarms that were on at any minute between two times.
func (r *recorder) rang(all map[string]alarm, begin, end time.Time) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, a := range all {
		period := time.Duration(a.Period) * time.Second
		for at := begin; at.Before(end); at = at.Add(time.Minute) {
			bad := 0
			for n := range a.EvaluationPeriods {
				if from := at.Add(-time.Duration(n+1) * period); r.breaching(a, from) {
					bad++
				}
			}
			if bad >= a.DatapointsToAlarm {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
