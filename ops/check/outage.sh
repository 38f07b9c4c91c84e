#!/usr/bin/env bash
# Ends a mix of a running local network with SIGKILL and checks what the operator and the users see:
# localnet says so in plain words, the metrics show it, and messages sent a minute later arrive. Then
# the agencies retire the mix and bring another, and later retire a relay at which a client enters. One
# relay is started with each new roster, and all others, and the clients, go by it without a restart.
#
# Takes about five minutes. Exit 0: all of it holds. Exit 1: says what does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build --quiet --locked --package rohrpost-ops --package rohrpost-cli
target=${CARGO_TARGET_DIR:-target}/debug
scratch=$(mktemp -d)
network=$scratch/network
"$target/rohrpost-ops" localnet --dir "$network" >"$scratch/log" 2>&1 &
localnet=$!
others=()
trap 'kill -INT $localnet "${others[@]}" 2>/dev/null; wait $localnet 2>/dev/null; rm -rf "$scratch"' EXIT

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

ops() { "$target/rohrpost-ops" "$@"; }
next=$scratch/next
mkdir "$next"
cp "$network"/trust.toml "$network"/roster.* "$next"
# Five of the six agencies sign what stands in the directory.
sign() {
  for agency in north south east west coast; do
    ops roster sign --network "$next" --agency "$agency" \
      --key "$network/agencies/$agency.pem" --yes >/dev/null
  done
}
# Starts a node with the files of that directory, in the place of the one that runs.
start() { # program, node
  sed 's|"\.\./|"../../next/|' "$network/$2/node.toml" >"$network/$2/next.toml"
  pkill -f "node $1 $network/$2/" || true
  sleep 1
  ops node "$1" "$network/$2/next.toml" >>"$scratch/log" 2>&1 &
  others+=($!)
}
# Waits until all nodes that run have a roster, and documents of so many nodes.
await_roster() { # version, nodes, seconds
  local address shown=0
  for _ in $(seq "$3"); do
    shown=0
    for address in $(sed -n 's/^metrics = "\(.*\)"/\1/p' "$network"/*/node.toml | sort -u); do
      curl -s "http://$address/metrics" | awk -v version="$1" -v nodes="$2" '
        $1 == "rohrpost_roster_version" { v = $2 } $1 == "rohrpost_document_nodes" { n = $2 }
        END { exit !(v == version && n == nodes) }' && shown=$((shown + 1))
    done
    [ "$shown" -ge "$2" ] && return
    sleep 1
  done
  fail "$shown of $2 nodes have roster $1 and documents of $2 nodes after $3 s"
}

mkdir "$network/mix-2-late"
identity=$(ops keygen "$network/mix-2-late/identity.pem")
read -r udp tcp < <(python3 -c 'import socket
u, t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
u.bind(("127.0.0.1", 0)); t.bind(("127.0.0.1", 0))
print(u.getsockname()[1], t.getsockname()[1])')
ops roster remove --network "$next" mix-2-east >/dev/null
ops roster add --network "$next" mix-2-late --operator east --layer 2 \
  --address "127.0.0.1:$udp" --identity "$identity" >/dev/null
sign
sed -e 's/^node = .*/node = 11/' -e "s/^listen = .*/listen = \"127.0.0.1:$udp\"/" \
  -e "s/^metrics = .*/metrics = \"127.0.0.1:$tcp\"/" \
  "$network/mix-2-east/node.toml" >"$network/mix-2-late/node.toml"
rm "$network/mix-2-east/node.toml"
start mixnode mix-2-late
start relay relay-south
await_roster 2 10 120
# Sends a message from one who stays online, for a mailbox at a relay that was started anew may not be
# there again.
exchange() { # text
  rohrpost carol send dave "$1" >/dev/null
  rohrpost carol inbox --wait 45 >/dev/null 2>&1 &
  rohrpost dave inbox --wait 45 --json | grep -q "\"text\":\"$1\"" || fail "'$1' did not arrive"
  wait $! || true
}
exchange six
echo "outage: all nodes and a client go by the roster that one relay was started with"

ops check --network "$network" >"$scratch/check" && fail "the files here are old, and check says nothing"
grep -q 'the newest roster is 2' "$scratch/check" || fail "check: $(cat "$scratch/check")"
ops roster fetch --network "$network" | grep -q 'in the place of 1' || fail "the newest roster was not fetched"
cmp "$network/roster.toml" "$next/roster.toml" || fail "another roster was fetched"
ops check --network "$network" --node "$network/relay-north/node.toml" >"$scratch/check" \
  || fail "check: $(cat "$scratch/check")"
echo "outage: rohrpost-ops check sees a network in good order, once the newest roster was fetched"

rohrpost dave entry | grep -q 'enters through relay-west' || fail "dave does not enter at relay-west"
ops roster remove --network "$next" relay-west >/dev/null
sign
start relay relay-south
await_roster 3 9 120
rohrpost dave inbox --wait 30 >/dev/null
entry=$(rohrpost dave entry)
grep -q 'relay-west' <<<"$entry" && fail "dave enters at a relay that is retired: $entry"
pkill -f "node relay $network/relay-west/"
exchange seven
echo "outage: a client whose entry was retired $entry, and a message came to it there"
