#!/usr/bin/env bash
# Holds the layering: which package may depend on which, and what the pure crates never see.
#
#   packet <- proto <- {transport, network} <- node <- {relay, mixnode}
#   {transport, network} <- session <- {client, mixnode}
#   {session, vault} <- client <- cli
#   secret-file <- {node, vault, cli}
#   {client, relay, mixnode} <- localnet <- {ops, loadgen, adversary, tests}
#   proto <- virtual <- {adversary, tests}
#
# A new edge is added to `allowed` below, in the commit that needs it, with the reason.
# Exit 0: the layering holds. Exit 1: each violation is printed. Exit 2: it could not be checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

metadata=$(cargo metadata --format-version 1 --no-deps --offline 2>/dev/null \
  || cargo metadata --format-version 1 --no-deps) || { echo "layers: cargo metadata failed" >&2; exit 2; }

failures=0
fail() { echo "layers: $*" >&2; failures=$((failures + 1)); }

# Internal edges of the normal dependencies, one "from to" per line.
edges=$(python3 - "$metadata" <<'PY'
import json, sys
for package in json.loads(sys.argv[1])["packages"]:
    for dependency in package["dependencies"]:
        if dependency["name"].startswith("rohrpost-") and dependency["kind"] != "dev":
            print(package["name"].removeprefix("rohrpost-"), dependency["name"].removeprefix("rohrpost-"))
PY
) || { echo "layers: python3 is needed to read cargo metadata" >&2; exit 2; }

declare -A allowed=(
  [packet]=""
  [proto]="packet"
  [transport]="packet proto"
  # Files and clock of a network, which nodes and clients read alike; links are none of its business.
  [network]="packet proto"
  # The session of a client, which people and mixes keep in the same way.
  [session]="packet proto transport network"
  # One rule for the files of all secrets; imports nothing of ours.
  [secret-file]=""
  [node]="packet proto transport network secret-file"
  [vault]="secret-file"
  [relay]="packet proto transport network node"
  [mixnode]="packet proto transport network session node"
  [client]="packet proto transport network session vault"
  [cli]="client secret-file"
  # Readings and reports of the tools; imports nothing of ours.
  [measure]=""
  [localnet]="measure packet proto network node client relay mixnode"
  # It dials nodes, to see what they show to whoever comes.
  [ops]="measure packet proto transport network node localnet"
  [loadgen]="measure packet proto transport network node client localnet"
  [adversary]="measure packet proto node virtual localnet"
  # The cores under a virtual clock: neither sockets nor files.
  [virtual]="measure packet proto"
  [tests]=""
)

while read -r from to; do
  [ -n "$from" ] || continue
  if [ -z "${allowed[$from]+known}" ]; then
    fail "package rohrpost-$from has no row in ops/check/layers.sh"
  elif [[ " ${allowed[$from]} " != *" $to "* ]]; then
    fail "rohrpost-$from must not depend on rohrpost-$to (allowed: ${allowed[$from]:-nothing})"
  fi
done <<<"$edges"

# What a package must never link, directly or through others.
forbid() { # package, crates...
  local package=$1 tree crate
  shift
  tree=$(cargo tree --package "rohrpost-$package" --edges normal --prefix none --format '{lib}' --locked) \
    || { echo "layers: cargo tree failed for rohrpost-$package" >&2; exit 2; }
  for crate in "$@"; do
    if grep -qx "$crate" <<<"$tree"; then
      fail "rohrpost-$package links $crate; see: cargo tree --package rohrpost-$package --invert $crate"
    fi
  done
}
forbid packet tokio quinn rustls serde mio socket2
forbid proto tokio quinn rustls mio socket2
forbid network tokio quinn rustls mio socket2
forbid transport ring openssl
forbid vault tokio quinn rustls mio socket2
forbid client rohrpost_node metrics clap clap_complete indicatif rpassword
forbid ops ring openssl

# Only the attack suite may take back a law, and only where it is asked to.
while read -r manifest; do
  fail "$manifest names danger-weaken; only the attack suite may"
done < <(git ls-files '*Cargo.toml' | grep -vx -e adversary/Cargo.toml -e crates/proto/Cargo.toml \
  | xargs grep -l 'danger-weaken' || true)
if grep -q '^default *=' adversary/Cargo.toml crates/proto/Cargo.toml; then
  fail "danger-weaken must not be a default feature"
fi

# Only a check on local networks may have nodes that write down their secrets.
while read -r manifest; do
  fail "$manifest names danger-reveal; only ops and what is below it may"
done < <(git ls-files '*Cargo.toml' | grep -vx -e crates/packet/Cargo.toml -e crates/node/Cargo.toml \
  -e relay/Cargo.toml -e mixnode/Cargo.toml -e crates/localnet/Cargo.toml -e ops/Cargo.toml \
  | xargs grep -l 'danger-reveal' || true)
if git ls-files '*Cargo.toml' | xargs grep -q '^default *=.*danger-reveal'; then
  fail "danger-reveal must not be a default feature"
fi

if [ "$failures" -gt 0 ]; then
  echo "layers: $failures violation(s)" >&2
  exit 1
fi
echo "layers: the order of the packages holds"
