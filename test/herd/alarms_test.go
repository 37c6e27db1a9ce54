package herd_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// alarm is one of the template's.
type alarm struct {
	// series are the metrics that it adds up, or takes the largest of, by Statistic, as
	// recorder names them.
	series                                          []string
	Statistic, ComparisonOperator, TreatMissingData string
	Period, EvaluationPeriods, DatapointsToAlarm    int
	Threshold                                       float64
}

// measured is what an alarm, or a metric of one, is about.
type measured struct {
	Namespace  string `yaml:"Namespace"`
	MetricName string `yaml:"MetricName"`
	Dimensions []struct {
		Value yaml.Node `yaml:"Value"`
	} `yaml:"Dimensions"`
}

func (m measured) series() string {
	return m.Namespace + " " + m.MetricName + " " + m.Dimensions[0].Value.Value
}

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
		a, err := decodeAlarm(r.Properties)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = a
	}
	if len(all) < 10 {
		t.Fatalf("%d alarms in the template", len(all))
	}
	return all
}

func decodeAlarm(node yaml.Node) (alarm, error) {
	var p struct {
		measured           `yaml:",inline"`
		Statistic          string      `yaml:"Statistic"`
		ComparisonOperator string      `yaml:"ComparisonOperator"`
		TreatMissingData   string      `yaml:"TreatMissingData"`
		Period             int         `yaml:"Period"`
		EvaluationPeriods  int         `yaml:"EvaluationPeriods"`
		DatapointsToAlarm  int         `yaml:"DatapointsToAlarm"`
		Threshold          float64     `yaml:"Threshold"`
		Metrics            []yaml.Node `yaml:"Metrics"`
	}
	if err := node.Decode(&p); err != nil {
		return alarm{}, err
	}
	a := alarm{
		Statistic: p.Statistic, ComparisonOperator: p.ComparisonOperator, TreatMissingData: p.TreatMissingData,
		Period: p.Period, EvaluationPeriods: p.EvaluationPeriods, DatapointsToAlarm: cmp.Or(p.DatapointsToAlarm, p.EvaluationPeriods), Threshold: p.Threshold,
	}
	if len(p.Dimensions) == 1 {
		a.series = []string{p.series()}
	}
	for _, node := range p.Metrics {
		if node.Tag == "!If" {
			continue // of the executor, which no herd meets
		}
		var query struct {
			Expression string `yaml:"Expression"`
			MetricStat struct {
				Metric measured `yaml:"Metric"`
				Period int      `yaml:"Period"`
			} `yaml:"MetricStat"`
		}
		if err := node.Decode(&query); err != nil {
			return alarm{}, err
		}
		switch query.Expression {
		case "":
			a.series, a.Period = append(a.series, query.MetricStat.Metric.series()), query.MetricStat.Period
		case "SUM(METRICS())":
			a.Statistic = "Sum"
		case "MAX(METRICS())":
			a.Statistic = "Maximum"
		default:
			return alarm{}, fmt.Errorf("expression %q is not known here", query.Expression)
		}
	}
	if len(a.series) == 0 || a.Period == 0 {
		return alarm{}, errors.New("it is about nothing")
	}
	return a, nil
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
	for _, series := range a.series {
		for _, p := range r.points[series] {
			if !p.at.Before(from) && p.at.Before(from.Add(time.Duration(a.Period)*time.Second)) {
				values = append(values, p.value)
			}
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
