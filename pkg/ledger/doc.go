// Package ledger is the memory of every run: who may launch it, who may report it, and what was told. It exists so that no run
// is ever silent and none is told two stories, whatever crashes.
package ledger
