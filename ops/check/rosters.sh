#!/usr/bin/env bash
# Changes the roster of a running local network. The agencies retire a mix and bring another, and later
# retire a relay at which a client enters. One relay is started with each new roster; all others, and the
# clients, go by it without a restart. An operator sees that, and fetches the newest roster.
#
# Takes about five minutes. Exit 0: all of it holds. Exit 1: says what does not.
source "$(dirname "${BASH_SOURCE[0]}")/network.sh" rosters

cargo build --quiet --locked --package rohrpost-ops --package rohrpost-cli
start_network
make_clients

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
  if pgrep -f "node $1 $network/$2/" >/dev/null; then end_node INT "$1" "$2" 10; fi
  run_node "$1" "$network/$2/next.toml"
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
# Sends a message from one who stays online, for a mailbox at a relay that was started anew may not be
# there again.
exchange() { # text
  rohrpost carol send dave "$1" >/dev/null
  rohrpost carol inbox --wait 45 >/dev/null 2>&1 &
  local sender=$!
  rohrpost dave inbox --wait 45 --json | grep -q "\"text\":\"$1\"" || fail "'$1' did not arrive"
  wait $sender || true
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
start mixnode mix-2-late
start relay relay-south
end_node INT mixnode mix-2-east 10
rm "$network/mix-2-east/node.toml"
await_roster 2 10 120
exchange one
echo "rosters: all nodes and a client go by the roster that one relay was started with"

ops check --network "$network" >"$scratch/seen" && fail "the files here are old, and check says nothing"
grep -q 'the newest roster is 2' "$scratch/seen" || fail "check says: $(cat "$scratch/seen")"
ops roster fetch --network "$network" | grep -q 'in the place of 1' || fail "the newest roster was not fetched"
cmp "$network/roster.toml" "$next/roster.toml" || fail "another roster was fetched"
ops check --network "$network" --node "$network/relay-north/node.toml" >"$scratch/seen" \
  || fail "check says: $(cat "$scratch/seen")"
echo "rosters: rohrpost-ops check finds the network in good order, once the newest roster was fetched"

rohrpost dave entry | grep -q 'enters through relay-west' || fail "dave does not enter at relay-west"
ops roster remove --network "$next" relay-west >/dev/null
sign
start relay relay-south
await_roster 3 9 120
rohrpost dave inbox --wait 30 >/dev/null
entry=$(rohrpost dave entry)
grep -q 'relay-west' <<<"$entry" && fail "dave enters at a relay that is retired: $entry"
end_node INT relay relay-west 10
exchange two
echo "rosters: a client whose entry was retired $entry, and a message came to it there"
