#!/usr/bin/env bash
# Searches the memory of a running mix and a running relay for the packet keys that they have had, as
# whoever seizes their machine would. While a key's epoch lasts it must be found; when it is over, and its
# grace time too, neither the key nor what it was made of nor the keys of packets may be.
#
#   ops/check/seizure.sh [release|debug]
#
# The nodes are of a build that writes its secrets to a file (feature danger-reveal). Takes about three
# minutes, and needs root. Exit 0: all of it holds, or there is no root. Exit 1: says what does not.
source "$(dirname "${BASH_SOURCE[0]}")/network.sh" seizure "${1:-release}"

if [ "$(id -u)" != 0 ]; then
  echo "seizure: SKIPPED, NOTHING WAS CHECKED: only root reads the memory of processes" >&2
  exit 0
fi
profile=()
[ "$build" != release ] || profile=(--release)
cargo build --quiet --locked "${profile[@]}" --package rohrpost-ops --features danger-reveal
# A program that reveals secrets does not stay where others look for one that does not.
mv "$target/rohrpost-ops" "$scratch/"
target=$scratch

export ROHRPOST_DANGER_REVEAL=$scratch/secrets
mkdir "$ROHRPOST_DANGER_REVEAL"
# An epoch is 40 s; a key lives for a grace of 58 s after it (docs/directory.md, Descriptors).
start_network --slot 100 --document-slot 1000 --epoch 40s
nodes=()
for node in mixnode=mix-2-east relay=relay-north; do
  nodes+=("${node#*=}=$(pgrep -f "node ${node%=*} $network/${node#*=}/")")
done
python3 ops/check/seizure.py "$ROHRPOST_DANGER_REVEAL" 110 "${nodes[@]}" \
  || fail "a secret is in memory that should be gone, or one is not there that should be"
