#!/usr/bin/env bash
# Runs the fuzz targets (docs/fuzzing.md).
#
#   ops/check/fuzz.sh [--keep] [SECONDS] [TARGET...]
#
# Each TARGET (default: all) is run for SECONDS (default 30), two at a time where there are two
# cores. It starts from what fuzz/corpus/TARGET.tar holds; nothing in the tree changes, unless --keep
# packs what was found into it, minimised. Input that fails is left in fuzz/artifacts/TARGET.
# Exit 0: no target failed. Exit 1: one did. Exit 2: they could not be built. Exit 64: usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CARGO_FUZZ_VERSION=0.13.2
ALL=(unwrap open frames control carousel configuration mix mailbox courier)

usage() { sed -n '2,9p' "$0" | sed 's/^# \{0,1\}//'; }
keep=0 seconds=30 targets=()
for argument in "$@"; do
  case $argument in
    -h | --help) usage; exit 0 ;;
    --keep) keep=1 ;;
    [0-9]*) seconds=$argument ;;
    *) [[ " ${ALL[*]} " == *" $argument "* ]] && targets+=("$argument") && continue
       echo "fuzz: there is no target $argument; there are: ${ALL[*]}" >&2
       usage >&2; exit 64 ;;
  esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $seconds is no number of seconds" >&2; exit 64; }
[ "${#targets[@]}" -gt 0 ] || targets=("${ALL[@]}")

cargo fuzz --version >/dev/null 2>&1 \
  || cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked --quiet \
  || { echo "fuzz: cargo-fuzz is missing and could not be installed" >&2; exit 2; }
host=$(rustc -vV | sed -n 's/^host: //p')
binaries=${FUZZ_TARGET_DIR:-$PWD/fuzz/target}/$host/release
# One build for all targets. No sanitizer (-s none): those need a nightly compiler.
RUSTC_WRAPPER=$PWD/fuzz/rustc.sh cargo fuzz build --sanitizer none \
  --target-dir "${binaries%/"$host"/release}" || { echo "fuzz: the build failed" >&2; exit 2; }

scratch=$(mktemp -d)
children=()
cleanup() {
  [ "${#children[@]}" -eq 0 ] || kill "${children[@]}" 2>/dev/null || true
  rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Options that all runs share: an input may have 8 KiB and take 10 s and 1 GiB. Lengths grow fast:
# sequences of operations need more than a few bytes.
limits=(-timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512 -max_len=8192 -len_control=5)

run() { # target
  local target=$1 options=()
  mkdir -p "$scratch/corpus/$target" "fuzz/artifacts/$target"
  # A new target has no corpus yet.
  [ ! -f "fuzz/corpus/$target.tar" ] || fuzz/corpus.sh unpack "$target" "$scratch/corpus/$target"
  [ -f "fuzz/dictionaries/$target.dict" ] && options+=("-dict=fuzz/dictionaries/$target.dict")
  local status=0
  "$binaries/$target" "${limits[@]}" "${options[@]}" -max_total_time="$seconds" \
    -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" \
    "$scratch/corpus/$target" >"$scratch/$target.log" 2>&1 || status=$?
  echo "$status" >"$scratch/$target.status"
}

# What was found, reduced to one input for each edge, small ones first.
minimise() { # target
  local target=$1 reduced=$scratch/reduced/$1
  mkdir -p "$reduced"
  "$binaries/$target" "${limits[@]}" -set_cover_merge=1 -use_counters=0 \
    "$reduced" "$scratch/corpus/$target" >"$scratch/$target.merge" 2>&1 \
    || { echo "fuzz: $target: minimising failed; the corpus stays" >&2; return; }
  fuzz/corpus.sh pack "$target" "$reduced"
  echo "fuzz: $target: kept $(find "$reduced" -type f | wc -l) inputs, $(cat "$reduced"/* | wc -c) bytes"
}

field() { # log, pattern with one group; its last match, 0 if there is none
  local found
  found=$(sed -n "s/$2/\1/p" "$1" | tail -n 1)
  echo "${found:-0}"
}

row() { # target
  local target=$1 log=$scratch/$1.log verdict=clean
  [ "$(cat "$scratch/$target.status")" = 0 ] || verdict=FAILED
  printf '%-14s %10s %8s %7s %7s %7s %7s  %s\n' "$target" \
    "$(field "$log" '^stat::number_of_executed_units: *\([0-9]*\).*')" \
    "$(field "$log" '^stat::average_exec_per_sec: *\([0-9]*\).*')" \
    "$(field "$log" '^#.*INITED *cov: \([0-9]*\) .*')" \
    "$(field "$log" '^#.* cov: \([0-9]*\) .*')" \
    "$(field "$log" '.*Loaded 1 modules *(\([0-9]*\) inline.*')" \
    "$(field "$log" '^#.* corp: \([0-9]*\).*')" "$verdict"
}

parallel=$(nproc 2>/dev/null || echo 1)
[ "$parallel" -le 2 ] || parallel=2
echo "fuzz: ${#targets[@]} target(s), $seconds s each, $parallel at a time"
for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$parallel" ]; do wait -n || true; done
  run "$target" &
  children+=("$!")
done
wait
children=()

printf '%-14s %10s %8s %7s %7s %7s %7s  %s\n' \
  target executions per_s start end edges corpus verdict
failed=()
for target in "${targets[@]}"; do
  row "$target"
  [ "$(cat "$scratch/$target.status")" = 0 ] || failed+=("$target")
done
echo "start, end: edges covered by the corpus and after the run, of all edges in Rohrpost's crates"

if [ "$keep" = 1 ]; then
  for target in "${targets[@]}"; do minimise "$target"; done
fi
for target in "${failed[@]}"; do
  input=$(sed -n 's/.*Test unit written to //p' "$scratch/$target.log" | tail -n 1)
  echo "fuzz: $target failed:" >&2
  grep -E "panicked at|^[^#].*assertion|ERROR: libFuzzer|  left:|  right:" -A 1 "$scratch/$target.log" \
    | head -n 12 >&2 || true
  echo "fuzz: to see it again: cargo fuzz run --sanitizer none $target ${input:-(no input was written)}" >&2
done
[ "${#failed[@]}" -eq 0 ]
