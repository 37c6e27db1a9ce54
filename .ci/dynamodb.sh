#!/usr/bin/env bash
# Asks moto's DynamoDB what the embedded one is asked by go test: a table that
# only its own tests know could be wrong with them. Needs moto[dynamodb,server].
set -euo pipefail
cd "$(dirname "$0")/.."
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
python3 -m moto.server -p "$port" >/dev/null 2>&1 &
moto=$!
trap 'kill "$moto"; wait "$moto" 2>/dev/null || true' EXIT
for _ in {1..300}; do
	(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	kill -0 "$moto"
	sleep 0.1
done
export DYNAMODB_ENDPOINT=http://127.0.0.1:$port DYNAMODB_IS_MOTO=1
out=$(go test -count=1 -v -run '^TestContract$/^endpoint$' ./pkg/localaws/dynamodb) || { echo "$out"; exit 1; }
echo "moto: $(grep -c -- '--- PASS: .*/endpoint/.*/' <<<"$out") cases as the embedded table, $(grep -c -- '--- SKIP: .*/endpoint/.*/' <<<"$out") known otherwise"
out=$(go test -count=1 -v -run '/^endpoint$' -skip '^TestModel' ./pkg/ledger) || { echo "$out"; exit 1; }
echo "moto: $(grep -c -- '--- PASS: .*/endpoint/' <<<"$out") steps of the ledger"
