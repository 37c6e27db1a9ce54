// Package ledgertest gives tests a ledger with a table behind it, over HTTP.
package ledgertest

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"errand/pkg/ledger"
	"errand/pkg/localaws/dynamodb"
)

// Table is the name of the tests' table.
const Table = "ledger"

// New makes an empty ledger, and a client of the table that it is in.
func New(t testing.TB, change ...func(*ledger.Config)) (*ledger.Ledger, *sdk.Client) {
	t.Helper()
	server := httptest.NewServer(dynamodb.New())
	t.Cleanup(server.Close)
	client := sdk.New(sdk.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	if _, err := client.CreateTable(context.Background(), ledger.Table(Table)); err != nil {
		t.Fatal(err)
	}
	cfg := ledger.Config{Table: Table}
	for _, c := range change {
		c(&cfg)
	}
	return ledger.New(client, cfg), client
}
