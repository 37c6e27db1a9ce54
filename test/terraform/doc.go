// Package terraform checks the examples for Terraform: that they are HCL, name
// outputs that template.yaml has, and send payloads that the functions take.
//
// It holds only tests, and is a module of its own so that HCL's parser stays out
// of errand's dependencies. Run it with
//
//	cd test/terraform && go test ./...
package terraform
