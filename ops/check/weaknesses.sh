#!/usr/bin/env bash
# Every law that can be taken back is taken back somewhere: by an attack, or by a test that must fail
# then. A law that nobody misses has no test.
#
#   ops/check/weaknesses.sh
#
# Exit 0: each is. Exit 1: one is not, and is named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

laws=crates/proto/src/weakness.rs
missed=0
for law in $(sed -n '/^pub enum Weakness/,/^}/s/^    \([A-Z][A-Za-z]*\),$/\1/p' "$laws"); do
  if ! git ls-files 'adversary/src/*.rs' 'crates/*/tests/*.rs' 'crates/*/src/*tests.rs' \
    | xargs grep -q "Weakness::$law\b"; then
    echo "weaknesses: no attack and no test takes $law back" >&2
    missed=1
  fi
done
[ "$missed" = 0 ] && echo "weaknesses: every law is taken back by an attack or a test"
exit "$missed"
