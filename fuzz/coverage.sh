#!/usr/bin/env bash
# Which lines of Rohrpost's crates the corpora reach (docs/fuzzing.md).
#
#   fuzz/coverage.sh [TARGET...]
#
# Runs each input of fuzz/corpus/TARGET.tar (default: all targets) once, in a build that counts, and
# prints the lines of each file that any of them reaches. Needs the component llvm-tools of the
# toolchain (`rustup component add llvm-tools`), or its folder in LLVM_TOOLS: other versions of LLVM
# cannot read the counts. Exit 0: printed. Exit 2: it could not be measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case ${1:-} in -h | --help) sed -n '2,9p' coverage.sh | sed 's/^# \{0,1\}//'; exit 0 ;; esac
host=$(rustc -vV | sed -n 's/^host: //p')
tools=${LLVM_TOOLS:-$(rustc --print sysroot)/lib/rustlib/$host/bin}
[ -x "$tools/llvm-cov" ] || {
  echo "coverage: llvm-tools are missing; install them: rustup component add llvm-tools" >&2
  exit 2
}
targets=("$@")
[ "$#" -gt 0 ] || mapfile -t targets < <(sed -n '/^\[\[bin\]\]/{n;s/^name = "\(.*\)"/\1/p}' Cargo.toml)

RUSTFLAGS="-Cinstrument-coverage --cfg fuzzing" RUSTC_WRAPPER=$PWD/rustc.sh \
  cargo build --locked --release --bins --target "$host" --target-dir target/coverage \
  || { echo "coverage: the build failed" >&2; exit 2; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
objects=()
for target in "${targets[@]}"; do
  binary=target/coverage/$host/release/$target
  ./corpus.sh unpack "$target" "$scratch/corpus/$target"
  LLVM_PROFILE_FILE=$scratch/$target.profraw "$binary" -runs=0 "$scratch/corpus/$target" \
    >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2; exit 2; }
  objects+=(-object "$binary")
done
"$tools/llvm-profdata" merge -sparse "$scratch"/*.profraw -o "$scratch/profile"
"$tools/llvm-cov" report --instr-profile "$scratch/profile" --summary-only \
  --ignore-filename-regex '/registry/|/rustc/|/fuzz/(src|fuzz_targets)/|/tests/src/' \
  "${objects[@]:1}" \
  | awk 'BEGIN { printf "%-42s %6s %7s %8s\n", "file", "lines", "missed", "covered" }
         NF > 9 && $1 != "TOTAL" && $10 + 0 > 0 { printf "%-42s %6s %7s %8s\n", $1, $8, $9, $10 }'
