# Sourced by the checks on a running local network, with the name of the check. Gives:
# $target, $scratch, $network, and the functions below. The network ends with the check.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
check=$1
build=${2:-debug}
target=${CARGO_TARGET_DIR:-target}/$build
scratch=$(mktemp -d)
network=$scratch/network
# Processes beside the network's own, which end with the check.
others=()
trap 'end' EXIT
end() {
  kill -INT "${others[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$scratch"
}

fail() { echo "$check: $*" >&2; tail -n 20 "$scratch"/log "$scratch"/*.log >&2 2>/dev/null; exit 1; }
ops() { "$target/rohrpost-ops" "$@"; }
# Waits until a line appears in the network's log, at most so many seconds.
await() { # seconds, pattern
  for _ in $(seq "$1"); do grep -q "$2" "$scratch/log" && return; sleep 1; done
  fail "'$2' did not appear within $1 s"
}
start_network() { # options of localnet...
  "$target/rohrpost-ops" localnet --dir "$network" "$@" >"$scratch/log" 2>&1 &
  others+=($!)
  await 90 'up until Ctrl-C'
}
rohrpost() { # client, command...
  local home=$1
  shift
  "$target/rohrpost" --network "$network" --home "$scratch/$home" --key-file "$scratch/$home.key" "$@"
}
# Two clients that know each other.
make_clients() {
  rohrpost carol init --agency north >/dev/null
  rohrpost dave init --agency west >/dev/null
  rohrpost dave card | rohrpost carol add dave - >/dev/null
  rohrpost carol card | rohrpost dave add carol - >/dev/null
}
# Runs a node in this check, with its configuration.
run_node() { # program, configuration
  # Not through the function: the process to be ended is the program, not a shell around it.
  "$target/rohrpost-ops" node "$1" "$2" >>"$scratch/log" 2>&1 &
  others+=($!)
}
# Ends the process of a node, and waits until the system has its ports back.
end_node() { # signal, program, name, seconds
  local pid
  pid=$(pgrep -f "node $2 $network/$3/")
  kill "-$1" "$pid"
  for _ in $(seq $(($4 * 5))); do [ -d "/proc/$pid" ] || return 0; sleep 0.2; done
  fail "$3 did not end within $4 s"
}
