#!/usr/bin/env bash
# Kills, with SIGKILL and in the middle of a file of 1 MiB, the sender's daemon, the recipient's
# daemon, a relay that holds undelivered mail for it, and a mix; starts them again; and checks that the
# file arrives intact, once, and that the sender hears so.
#
# Takes about three minutes. Exit 0: all of it holds. Exit 1: says what does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build --quiet --locked --package rohrpost-ops --package rohrpost-cli
target=${CARGO_TARGET_DIR:-target}/debug
scratch=$(mktemp -d)
network=$scratch/network
# A quick grid and quick acknowledgements, so that a minute is enough for the file.
"$target/rohrpost-ops" localnet --dir "$network" --slot 50 --ack-delay 2s >"$scratch/log" 2>&1 &
localnet=$!
started=()
end() {
  kill "${started[@]}" 2>/dev/null || true
  kill -INT $localnet 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$scratch"
}
trap end EXIT

fail() { echo "killed: $*" >&2; tail -n 5 "$scratch"/*.log "$scratch/log" >&2; exit 1; }
rohrpost() { # client, command...
  local home=$1
  shift
  "$target/rohrpost" --network "$network" --home "$scratch/$home" --key-file "$scratch/$home.key" "$@"
}
daemon() { # client
  rm -f "$scratch/$1/daemon.sock"
  # Not through the function: the process to be killed is the program, not a shell around it.
  "$target/rohrpost" --network "$network" --home "$scratch/$1" --key-file "$scratch/$1.key" daemon \
    >>"$scratch/$1.log" 2>&1 &
  started+=($!)
  eval "$1=$!"
  for _ in $(seq 100); do [ -S "$scratch/$1/daemon.sock" ] && return; sleep 0.1; done
  fail "the daemon of $1 did not start"
}
metrics() { # name
  grep -m 1 -o "$1 .*http://[^ ]*/metrics" "$scratch/log" | grep -o 'http://.*'
}
node() { # role, name
  "$target/rohrpost-ops" node "$1" "$network/$2/node.toml" >>"$scratch/$2.log" 2>&1 &
  local process=$!
  started+=($process)
  for _ in $(seq 100); do
    curl -s --output /dev/null "$(metrics "$2")" && return
    kill -0 $process 2>/dev/null || break
    sleep 0.1
  done
  fail "$2 did not start again"
}
# Ends a process by force, and waits until the system has taken back its ports and the lock of its
# store: a process has its files until the last of its threads has ended, and is there until then.
kill_process() { # number
  kill -9 "$1"
  # An own child is there until it is waited for; of others nobody hears here.
  wait "$1" 2>/dev/null || true
  while [ -d "/proc/$1" ]; do sleep 0.1; done
}
kill_node() { # role, name
  kill_process "$(pgrep -f "node $1 $network/$2/node.toml")"
}
# A number of the client's status, such as delivered, or of its last message, such as left.
status() { # client, name
  rohrpost "$1" status --json 2>/dev/null | python3 -c '
import json, sys
status = json.loads(sys.stdin.readline())["status"]
last = (status["messages"] or [{}])[-1]
print(status.get(sys.argv[1], last.get(sys.argv[1], 0)))' "$2"
}
await() { # seconds, client, name, at least
  local at=$SECONDS
  until [ "$(status "$2" "$3")" -ge "$4" ]; do
    [ $((SECONDS - at)) -lt "$1" ] || fail "$3 of $2 was not $4 within $1 s: $(status "$2" "$3")"
    sleep 0.5
  done
}
# Envelopes that a relay has been given for the mailboxes of dave, and that he has not fetched.
held() { # name
  local page
  page=$(metrics "$1")
  curl -s "${page%/metrics}/inspect" | python3 -c '
import json, sys
print(sum(mailbox["held"] for mailbox in json.load(sys.stdin)["mailboxes"]))'
}

for _ in $(seq 90); do grep -q 'up until Ctrl-C' "$scratch/log" && break; sleep 1; done
grep -q 'up until Ctrl-C' "$scratch/log" || fail "the network did not start"
rohrpost carol init --agency north >/dev/null
mailbox=$(rohrpost dave init --agency west --json | python3 -c '
import json, sys
print(json.load(sys.stdin)["mailboxes"][0])')
rohrpost dave card | rohrpost carol add dave - >/dev/null
rohrpost carol card | rohrpost dave add carol - >/dev/null
daemon carol
daemon dave
head -c 1048576 /dev/urandom >"$scratch/file"
rohrpost carol send dave --file "$scratch/file"

await 60 carol left 40
kill_process "$carol"
daemon carol
echo "killed: the sender's daemon, in the middle of the file"

await 90 carol left 60
kill_process "$dave"
echo "killed: the recipient's daemon"
sleep 8
undelivered=$(held "$mailbox")
[ "$undelivered" -gt 0 ] || fail "$mailbox holds nothing undelivered"
kill_node relay "$mailbox"
node relay "$mailbox"
echo "killed: $mailbox, which held $undelivered undelivered envelopes"
daemon dave
kill_node mixnode mix-2-east
sleep 2
node mixnode mix-2-east
echo "killed: mix-2-east"

await 400 carol delivered 1
inbox=$(rohrpost dave inbox --all --json)
[ "$(grep -c . <<<"$inbox")" = 1 ] || fail "dave's inbox has not exactly one message: $inbox"
rohrpost dave read 0 --output "$scratch/received" >/dev/null
cmp "$scratch/file" "$scratch/received" || fail "the file is not what was sent"
echo "killed: the file of 1 MiB arrived intact, once, and carol knows it"
