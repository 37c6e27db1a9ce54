// Package ledgertest gives tests a ledger with a table behind it, over HTTP.
package ledgertest

import (
	"context"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"errand/pkg/ledger"
	"errand/pkg/localaws"
)

// Table is the name of the tests' table.
const Table = "ledger"

// New makes an empty ledger on an endpoint of its own, and a client of the table
// that it is in.
func New(t testing.TB, change ...func(*ledger.Config)) (*ledger.Ledger, *sdk.Client) {
	t.Helper()
	server, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return On(t, server, change...)
}

// On makes an empty ledger on an endpoint.
func On(t testing.TB, server *localaws.Server, change ...func(*ledger.Config)) (*ledger.Ledger, *sdk.Client) {
	t.Helper()
	client := sdk.NewFromConfig(server.Config())
	if _, err := client.CreateTable(context.Background(), ledger.Table(Table)); err != nil {
		t.Fatal(err)
	}
	cfg := ledger.Config{Table: Table}
	for _, c := range change {
		c(&cfg)
	}
	return ledger.New(client, cfg), client
}
