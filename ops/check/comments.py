#!/usr/bin/env python3
"""Counts doc comments that do not stand alone, by the rules of CONTRIBUTING.md.

    ops/check/comments.py                count; fail above the limits
    ops/check/comments.py --list         print each offender as well, as FILE:LINE
    ops/check/comments.py --self-test    show that offenders are found, and nothing else

A doc comment is a run of `///` or `//!` lines. Two things count against one:

- its first word is a preposition, a question word or a bare pronoun (at most 5 % may be so);
- it stands on a public item, has three words or fewer, and says another word than the item's name
  (none may be so).

Exit 0: within the limits. Exit 1: above them. Exit 2: the files could not be listed.
"""

import pathlib
import re
import subprocess
import sys

LIMIT = 0.05
OPENERS = set("""
    about above across after against along among around as at before behind below beneath beside
    between beyond by despite down during except for from in inside into like near of off on onto
    out outside over past per since than through throughout till to toward towards under until up
    upon via with within without
    how what whatever when whenever where wherever whether which whichever who whoever whom whose
    why
    he her hers him his i it its one ours she such that their theirs them these they this those us
    we you your none some others
""".split())
ITEM = re.compile(r"\s*pub\s+(?:(?:const|async|unsafe|fn|struct|enum|trait|type|mod|static|union)"
                  r"\s+)*(?:r#)?(\w+)")
LITTLE = set("a an the".split())


def comments(lines):
    """Pairs of a doc comment's first line and number, each with the code line behind the comment."""
    place = 0
    while place < len(lines):
        match = re.match(r"\s*(///|//!)(?!/)(.*)", lines[place])
        if not match:
            place += 1
            continue
        begin, text = place, []
        while place < len(lines):
            more = re.match(r"\s*" + re.escape(match[1]) + r"(?!/)(.*)", lines[place])
            if not more:
                break
            text.append(more[1].strip())
            place += 1
        item = place
        while item < len(lines) and re.match(r"\s*(#\[|\)\]|#!\[)", lines[item]):
            item += 1
        yield begin + 1, text, lines[item] if item < len(lines) else ""


def paragraph(text):
    """The words of the first paragraph."""
    first = []
    for line in text:
        if not line and first:
            break
        first.append(line)
    return re.findall(r"[A-Za-z0-9_`'&\[][\w`':\]&.-]*", " ".join(first))


def opens_badly(words):
    """Whether a comment begins with a word that leans on something outside of it."""
    return bool(words) and words[0].strip("`'[]").lower() in OPENERS


def too_short(words, code):
    """Whether the comment of a public item says next to nothing, and other than the name does."""
    item = ITEM.match(code)
    if not item or len(words) > 3:
        return False
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", item[1]).lower().split("_")
    stems = {stem(part) for part in name}
    return any(stem(word) not in stems for word in words if word.lower() not in LITTLE)


def stem(word):
    """A word without the ending of its plural."""
    word = word.strip("`'[].").lower()
    return word[:-1] if word.endswith("s") else word


def judge(text):
    """Number of comments, and the offenders as (line, rule, words)."""
    count, offenders = 0, []
    for line, comment, code in comments(text.splitlines()):
        words = paragraph(comment)
        count += 1
        if opens_badly(words):
            offenders.append((line, "opens", words))
        if too_short(words, code):
            offenders.append((line, "short", words))
    return count, offenders


def self_test():
    """Judges a text whose offenders are known."""
    text = """//! How packets travel.
/// To whom.
pub to: u8,
/// The identity key.
pub identity_key: u8,
/// Sealed envelopes that wait for their owner.
fn private() {}
/// Of the roster.
fn own() {}
/// The recipient.
#[must_use]
pub const fn to() {}
"""
    found = [(line, rule) for line, rule, _ in judge(text)[1]]
    expected = [(1, "opens"), (2, "opens"), (2, "short"), (8, "opens"), (10, "short")]
    if found != expected:
        print(f"comments: found {found}, expected {expected}", file=sys.stderr)
        return 1
    print("comments: the check finds the comments that lean on others, and no other")
    return 0


def main(arguments):
    """Runs the check; the result is the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if arguments == ["--self-test"]:
        return self_test()
    top = pathlib.Path(__file__).parents[2]
    listed = subprocess.run(["git", "ls-files", "*.rs"], cwd=top, capture_output=True, text=True,
                            check=False)
    if listed.returncode != 0:
        print(f"comments: git ls-files failed: {listed.stderr.strip()}", file=sys.stderr)
        return 2
    total, opening, short = 0, 0, 0
    for name in listed.stdout.split():
        count, offenders = judge((top / name).read_text(encoding="utf-8"))
        total += count
        for line, rule, words in offenders:
            opening, short = opening + (rule == "opens"), short + (rule == "short")
            if "--list" in arguments:
                print(f"{name}:{line}: {rule}: {' '.join(words[:12])}")
    share = opening / max(total, 1)
    print(f"comments: {opening} of {total} begin with a preposition, question word or pronoun "
          f"({share:.1%}, limit {LIMIT:.0%}); {short} on public items are too short (limit 0)")
    return 1 if share > LIMIT or short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
