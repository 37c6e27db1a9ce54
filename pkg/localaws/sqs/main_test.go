package sqs_test

import (
	"testing"

	"errand/pkg/localaws/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }
