//go:build race

package ledger

// The race detector has nothing to find in a search, and makes it ten times slower.
const underRace = true
