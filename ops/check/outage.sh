#!/usr/bin/env bash
# Ends a mix of a running local network with SIGKILL and checks what the operator and the users see:
# localnet says so in plain words, the metrics show it, and messages sent a minute later arrive.
#
# Takes about two minutes. Exit 0: all of it holds. Exit 1: says what does not.
source "$(dirname "${BASH_SOURCE[0]}")/network.sh" outage

cargo build --quiet --locked --package rohrpost-ops --package rohrpost-cli
start_network
make_clients

end_node KILL mixnode mix-2-east 5
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
ops check --network "$network" >"$scratch/seen" && fail "a node is gone, and check says nothing"
grep -A 1 '^mix-2-east *does not answer' "$scratch/seen" || fail "check says: $(cat "$scratch/seen")"
echo "outage: $metrics shows $nodes nodes; five of five messages sent a minute later arrived"
