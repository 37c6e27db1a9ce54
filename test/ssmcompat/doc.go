// Package ssmcompat checks errand's side of the Systems Manager data channel,
// which AWS does not specify, against AWS's own client of it, the Session
// Manager plugin: the codec against the plugin's package, and the embedded
// endpoint against the plugin's program.
//
// It holds only tests, and is a module of its own so that what the plugin needs
// stays out of errand's dependencies. The plugin has no go.mod, so go.mod here
// chooses the versions. Run it with
//
//	cd test/ssmcompat && go test ./...
package ssmcompat
