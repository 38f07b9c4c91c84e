#!/usr/bin/env python3
"""Looks for secrets in the memory of running nodes, as whoever seizes their machine would.

    ops/check/seizure.py SECRETS SECONDS NAME=PID...

SECRETS is the folder in which builds with the feature danger-reveal write what they hold, a file for each
process. Each process is stopped while its memory is read, and goes on then. Its newest packet key must be
found, or the search would show nothing, and in one place: what the library holds that uses it. What it was
made of must not be. SECONDS later, when all keys of that time are to be gone, none of the secrets until
then may be found: keys, what they were made of, and the keys of packets.

Exit 0: so it is. Exit 1: a secret was found that should be gone, or the newest key was not found.
"""
import bisect
import os
import random
import re
import signal
import sys
import time

KINDS = ["scalar", "seed", "expanded", "shared", "header", "payload", "rounds"]
# Of the secrets of packets, which are many, so many of each kind are looked for.
PACKETS = 60
PAGE = 4096
# Bytes of an expanded ML-KEM-768 key before its public part (FIPS 203, algorithm 16).
MLKEM_SECRET = 1152
WINDOW = 16
LOOKS = 4
# Places that are shown of a kind.
SHOWN = 8


def records(path):
    """The secrets that a process has written so far: kind u8, length u16, bytes."""
    told, at = open(path, "rb").read(), 0
    while at + 3 <= len(told):
        kind, length = told[at], int.from_bytes(told[at + 1:at + 3], "big")
        if at + 3 + length > len(told):
            return
        yield KINDS[kind], told[at + 3:at + 3 + length]
        at += 3 + length


def windows(secret):
    """Parts of a secret, without its first and last byte, which X25519 changes in its copies."""
    starts = range(1, len(secret) - WINDOW, max(14, (len(secret) - WINDOW) // 4))
    return [secret[start:start + WINDOW] for start in starts]


class Secrets:
    """What to look for, by kind, oldest first; an entry has several patterns."""

    def __init__(self, path):
        self.by_kind = {kind: [] for kind in KINDS}
        ends = set()
        for kind, secret in records(path):
            if kind == "seed":
                ends.add(secret[32:])
            if kind == "seed":
                # Its second half is in the expanded key.
                self.by_kind[kind].append(windows(secret[:32]))
            elif kind != "expanded":
                self.by_kind[kind].append(windows(secret))
            elif secret[-32:] in ends:
                # Other keys than those of hops live longer.
                self.by_kind[kind].append(windows(secret[:MLKEM_SECRET]) + windows(secret[-32:]))

    def newest_key(self):
        return {kind: self.by_kind[kind][-1:] for kind in KINDS[:3]}

    def sample(self):
        few = {}
        for kind, entries in self.by_kind.items():
            is_packets = kind in KINDS[3:]
            few[kind] = random.sample(entries, PACKETS) if is_packets and len(entries) > PACKETS else entries
        return few


class Memory:
    """All that a process holds: its mappings without pages of zeros, as of one moment."""

    def __init__(self, pid):
        self.starts, self.places, parts, length = [], [], [], 0
        os.kill(pid, signal.SIGSTOP)
        try:
            stacks = dict(stack_pointers(pid))
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
                for begin, end, name in mappings(pid):
                    who = [f"{comm}, sp {sp:x}" for sp, comm in stacks.items() if begin <= sp < end]
                    for address, page in pages(mem, begin, end):
                        self.starts.append(length)
                        self.places.append((address, name or "anonymous", who))
                        parts.append(page)
                        length += len(page)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.bytes = b"".join(parts)

    def find(self, pattern):
        """The places of a pattern: its address, and what is there."""
        at = self.bytes.find(pattern)
        while at >= 0:
            index = bisect.bisect(self.starts, at) - 1
            address, name, who = self.places[index]
            yield f"{address + at - self.starts[index]:x} in {name} {' and '.join(who)}"
            at = self.bytes.find(pattern, at + 1)


def mappings(pid):
    for line in open(f"/proc/{pid}/maps"):
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r\S+ \S+ \S+ \S+\s*(.*)", line)
        if found and found[3] not in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
            yield int(found[1], 16), int(found[2], 16), found[3]


def pages(mem, begin, end):
    """The readable pages of a mapping that are not all zero."""
    for chunk in range(begin, end, PAGE * 1024):
        try:
            mem.seek(chunk)
            read = mem.read(min(PAGE * 1024, end - chunk))
        except (OSError, OverflowError):
            continue
        for at in range(0, len(read), PAGE):
            page = read[at:at + PAGE]
            if page.count(0) < len(page):
                yield chunk + at, page


def stack_pointers(pid):
    """Where each thread's stack ends, by what the system tells of threads that wait."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        fields = open(f"/proc/{pid}/task/{thread}/syscall").read().split()
        if len(fields) > 2:
            yield int(fields[-2], 16), open(f"/proc/{pid}/task/{thread}/comm").read().strip()


def search(memory, secrets):
    """For each kind and each of its secrets the places of its patterns."""
    return {
        kind: [[list(memory.find(pattern)) for pattern in patterns] for patterns in entries]
        for kind, entries in secrets.items()
    }


def found(kind):
    return sum(any(patterns) for patterns in kind)


def show(name, what, result):
    counts = ", ".join(f"{found(places)} of {len(places)} {kind}" for kind, places in result.items())
    print(f"seizure: {name}, {what}: found {counts}", flush=True)
    for kind, places in result.items():
        here = [place for patterns in places for pattern in patterns for place in pattern]
        for place in here[:SHOWN]:
            print(f"seizure:   {kind} at {place}", flush=True)


def newest_key_is_there_once(name, pid, path):
    """Looks for the newest key. A computation that goes on may have a copy, so of some looks one counts."""
    for _ in range(LOOKS):
        result = search(Memory(pid), Secrets(path).newest_key())
        lasting = [pattern for kind in ("scalar", "expanded") for key in result[kind] for pattern in key]
        if lasting and all(len(places) == 1 for places in lasting) and not found(result["seed"]):
            print(f"seizure: {name}, the newest key: in one place", flush=True)
            return True
        time.sleep(1)
    show(name, "the newest key, which is to be in one place, and its seed in none", result)
    return False


def main(folder, seconds, *nodes):
    pids = {name: int(pid) for name, pid in (node.split("=") for node in nodes)}
    paths = {name: os.path.join(folder, str(pid)) for name, pid in pids.items()}
    before = {name: Secrets(path) for name, path in paths.items()}
    # A build that tells of no packet would hold on to their keys unseen.
    holds = all(before[name].by_kind[kind] for name in pids for kind in KINDS)
    for name, pid in pids.items():
        holds &= newest_key_is_there_once(name, pid, paths[name])
        show(name, "while the key lives", search(Memory(pid), before[name].sample()))
    time.sleep(float(seconds))
    for name, pid in pids.items():
        result = search(Memory(pid), before[name].sample())
        show(name, f"{seconds} s later, of the secrets of then", result)
        holds &= not any(found(kind) for kind in result.values())
        holds &= newest_key_is_there_once(name, pid, paths[name])
    return 0 if holds else 1


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
