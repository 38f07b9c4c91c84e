#!/usr/bin/env bash
# Ends a mix of a running local network with SIGKILL and checks what the operator and the users see:
# localnet says so in plain words, the metrics show it, and messages sent a minute later arrive.
#
# Takes about two minutes. Exit 0: all of it holds. Exit 1: says what does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build --quiet --locked --package rohrpost-ops --package rohrpost-cli
target=${CARGO_TARGET_DIR:-target}/debug
scratch=$(mktemp -d)
network=$scratch/network
"$target/rohrpost-ops" localnet --dir "$network" >"$scratch/log" 2>&1 &
localnet=$!
trap 'kill -INT $localnet 2>/dev/null; wait $localnet 2>/dev/null; rm -rf "$scratch"' EXIT

fail() { echo "outage: $*" >&2; tail -n 20 "$scratch/log" >&2; exit 1; }
# Waits until a line appears in the log, at most so many seconds.
await() { # seconds, pattern
  for _ in $(seq "$1"); do grep -q "$2" "$scratch/log" && return; sleep 1; done
  fail "'$2' did not appear within $1 s"
}
rohrpost() { # client, command...
  local home=$1
  shift
  "$target/rohrpost" --network "$network" --home "$scratch/$home" --key-file "$scratch/$home.key" "$@"
}

await 60 'up until Ctrl-C'
rohrpost carol init --agency north >/dev/null
rohrpost dave init --agency west >/dev/null
rohrpost dave card | rohrpost carol add dave - >/dev/null
rohrpost carol card | rohrpost dave add carol - >/dev/null

pid=$(pgrep -f "node mixnode $network/mix-2-east/node.toml")
kill -9 "$pid"
await 10 'mix-2-east was ended by signal 9'
await 40 'mix-2-east was not heard of and has left the document'
sleep 20

metrics=$(grep -m 1 -o 'http://[^ ]*/metrics' "$scratch/log")
nodes=$(curl -s "$metrics" | awk '$1 == "rohrpost_document_nodes" { print $2 }')
[ "$nodes" = 9 ] || fail "the metrics show $nodes nodes in the document, not 9"
for message in one two three four five; do rohrpost carol send dave "$message" >/dev/null; done
arrived=$(rohrpost dave inbox --wait 20 --json)
for message in one two three four five; do
  grep -q "\"text\":\"$message\"" <<<"$arrived" || fail "the message '$message' did not arrive"
done
grep -m 1 'was ended by signal 9' "$scratch/log"
grep -m 1 'has left the document' "$scratch/log"
echo "outage: $metrics shows $nodes nodes; five of five messages sent a minute later arrived"
