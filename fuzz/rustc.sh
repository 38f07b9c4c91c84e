#!/usr/bin/env bash
# The compiler for fuzz builds (RUSTC_WRAPPER): coverage counters in Rohrpost's own crates alone.
#
# cargo-fuzz asks for counters in every crate. Those of the cryptography, of TOML and of the
# runtime would make runs several times slower, and the coverage a figure about other people's code.
set -euo pipefail

own=0
previous=
for argument in "$@"; do
  if [ "$previous" = --crate-name ] && [[ $argument == rohrpost_* ]]; then own=1; fi
  if [[ $argument == *fuzz_targets/* ]]; then own=1; fi
  previous=$argument
done

arguments=()
for argument in "$@"; do
  case $argument in
    -Cpasses=sancov-module | -Cllvm-args=-sanitizer-coverage* | -Cinstrument-coverage)
      [ "$own" = 1 ] && arguments+=("$argument") ;;
    *) arguments+=("$argument") ;;
  esac
done
exec "${arguments[@]}"
