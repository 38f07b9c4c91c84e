#!/usr/bin/env bash
# Packs and unpacks the corpora of the fuzz targets (docs/fuzzing.md).
#
#   fuzz/corpus.sh unpack TARGET DIRECTORY    put the kept inputs of TARGET into DIRECTORY
#   fuzz/corpus.sh pack TARGET DIRECTORY      keep the files of DIRECTORY as the inputs of TARGET
#
# A corpus is one archive, fuzz/corpus/TARGET.tar, for hundreds of files of a few bytes each fill a
# tree and a review. It is not compressed: git compresses it, and stores what has changed alone. The
# same inputs always make the same archive, byte for byte.
# Exit 0: done. Exit 1, 2: it could not be read or written. Exit 64: usage.
set -euo pipefail

archive=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/corpus/${2:-}.tar
case $#:${1:-} in
  3:unpack)
    mkdir -p "$3"
    tar --extract --file "$archive" --directory "$3"
    ;;
  3:pack)
    [ -d "$3" ] || { echo "corpus: there is no directory $3" >&2; exit 1; }
    mkdir -p "$(dirname "$archive")"
    # The name changes last: a half-written archive never replaces a whole one.
    (cd "$3" && find . -maxdepth 1 -type f -printf '%P\0') | LC_ALL=C sort --zero-terminated \
      | tar --create --file "$archive.partial" --directory "$3" --null --files-from=- \
        --format=ustar --mode=0644 --mtime=@0 --owner=0 --group=0 --numeric-owner
    mv "$archive.partial" "$archive"
    ;;
  *)
    sed -n '2,10p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2
    exit 64
    ;;
esac
