// Package ledger remembers every run in one DynamoDB table, so that none ends
// without a word: an item for each attempt, claimed by the launcher before it asks
// ECS, concluded by whoever sees the end, and looked at by the watchdog in between.
// Each method is a step of the state machine in docs/design.md ("The ledger"), one
// conditional write, and says whether it was taken. A model of the machine is
// searched by the package's tests: what changes here is searched there first.
package ledger
