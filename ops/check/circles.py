#!/usr/bin/env python3
"""Finds import circles between the modules of a package.

    ops/check/circles.py [DIRECTORY]     check the workspace in DIRECTORY [default: this one]
    ops/check/circles.py --self-test     show that a circle is found, and nothing else

A module is a file. It imports another when one of its paths (`use`, or a path in the code that
begins with `crate`, `self`, `super` or a module declared in the file) ends in it: what `super::Item`
names lies in the parent. A parent that declares a child imports it only if it also uses it.
Tests (`#[cfg(test)]`) may import from anywhere in their package, and are left out.

Exit 0: there is none. Exit 1: each circle is printed with the imports that close it. Exit 2: the
workspace could not be read.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
DECLARATION = re.compile(rf"(?P<attributes>(?:#\[[^\]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?"
                         rf"mod\s+(?P<name>{IDENTIFIER})\s*(?P<end>[;{{])")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(rf"(?<![:\w])({IDENTIFIER}(?:\s*::\s*{IDENTIFIER})+)")


class Unreadable(Exception):
    """The workspace, or a file of it, cannot be read."""


def bare(text):
    """The code without comments and literals; line breaks stay, so that positions keep their lines."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|'
                         r"'(?:\\.[^']*|[^'\\])'", re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def block_end(text, opening):
    """The place behind the brace that closes the one at `opening`."""
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return len(text)


def without_tests(text):
    """The code without the items that only tests have."""
    for match in reversed(list(re.finditer(r"#\[cfg\(test\)\]", text))):
        if match.end() > len(text):
            continue
        ends = [place for place in (text.find("{", match.end()), text.find(";", match.end()))
                if place >= 0]
        end = min(ends, default=len(text))
        end = block_end(text, end) if text[end:end + 1] == "{" else end + 1
        text = text[:match.start()] + re.sub(r"[^\n]", " ", text[match.start():end]) + text[end:]
    return text


class Module:
    """A file of a target: its children and its code."""

    def __init__(self, path, parent, root):
        self.path, self.parent, self.children, self.inner = path, parent, {}, []
        try:
            raw = path.read_text(encoding="utf-8")
        except OSError as error:
            raise Unreadable(f"{path}: {error}") from error
        self.text = without_tests(bare(raw))
        folder = path.parent if root or path.name == "mod.rs" else path.parent / path.stem
        for match in DECLARATION.finditer(self.text):
            if match["end"] == "{":
                self.inner.append((match.start(), block_end(self.text, match.end() - 1)))
                continue
            named = re.search(r'#\[path\s*=\s*"([^"]+)"\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+'
                              + match["name"] + r"\s*;", raw)
            files = [path.parent / named[1]] if named else [
                folder / f"{match['name']}.rs", folder / match["name"] / "mod.rs"]
            file = next((file for file in files if file.is_file()), None)
            if file:
                self.children[match["name"]] = Module(file, self, root=False)

    def all(self):
        """This module and those below it."""
        yield self
        for child in self.children.values():
            yield from child.all()

    def target(self, segments, depth, top):
        """The module in which a path ends, if it is one of ours."""
        module, segments = self, list(segments)
        first = segments[0]
        if first == "crate":
            module, segments = top, segments[1:]
        elif first in ("self", "super"):
            while segments and segments[0] in ("self", "super"):
                step = segments.pop(0)
                if step == "super" and depth > 0:
                    depth -= 1
                elif step == "super":
                    module = module.parent or module
        elif first not in self.children:
            return None
        while segments and segments[0] in module.children:
            module = module.children[segments.pop(0)]
        return module

    def imports(self, top):
        """Pairs of a module that this one imports, and the line where it does."""
        for place, segments in paths(self.text):
            depth = sum(begin < place < end for begin, end in self.inner)
            module = self.target(segments, depth, top)
            if module and module is not self:
                yield module, self.text.count("\n", 0, place) + 1


def paths(text):
    """All paths of the code, each with its place: first those of `use`, then the others."""
    rest = text
    for match in USE.finditer(text):
        for segments in expand(match[1]):
            yield match.start(), segments
        rest = rest[:match.start()] + " " * len(match[0]) + rest[match.end():]
    for match in PATH.finditer(rest):
        yield match.start(), re.split(r"\s*::\s*", match[1])


def expand(tree):
    """The paths of one `use`, whose braces may nest."""
    tree = re.sub(r"\s+as\s+\w+", "", tree)
    tree = re.sub(r"\s", "", tree)
    opening = tree.find("{")
    if opening < 0:
        return [[segment for segment in tree.split("::") if segment]]
    prefix = [segment for segment in tree[:opening].split("::") if segment]
    parts, depth, part = [], 0, ""
    for letter in tree[opening + 1:tree.rfind("}")]:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts, part = parts + [part], ""
        else:
            part += letter
    found = []
    for part in filter(None, parts + [part]):
        found += [prefix + [step for step in path if step != "self" or not prefix]
                  for path in expand(part)]
    return found


def circles(graph):
    """Strongly connected sets of more than one module (Tarjan 1972)."""
    number, low, stack, found = {}, {}, [], []

    def visit(node):
        number[node] = low[node] = len(number)
        stack.append(node)
        for target in graph[node]:
            if target not in number:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], number[target])
        if low[node] == number[node]:
            members = set(stack[stack.index(node):])
            del stack[stack.index(node):]
            if len(members) > 1:
                found.append(members)

    for node in graph:
        if node not in number:
            visit(node)
    return found


def check_target(source):
    """The circles of one target, each as its lines of text."""
    top = Module(pathlib.Path(source), None, root=True)
    modules = list(top.all())
    graph = {module: dict(module.imports(top)) for module in modules}
    for members in circles(graph):
        lines = []
        for module in sorted(members, key=lambda module: module.path):
            for target, line in graph[module].items():
                if target in members:
                    lines.append(f"  {short(module.path)}:{line} imports {target.path.name}")
        yield lines


def short(path):
    """A path as seen from the working directory, where it lies below that."""
    here = pathlib.Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def sources(directory):
    """The root files of all targets of the workspace."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    told = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if told.returncode != 0:
        raise Unreadable(f"cargo metadata failed: {told.stderr.strip()}")
    for package in json.loads(told.stdout)["packages"]:
        for target in package["targets"]:
            if "custom-build" not in target["kind"]:
                yield target["src_path"]


def self_test():
    """Checks three small packages, of which one has a circle."""
    straight = {"lib.rs": "mod a; mod b; pub use a::A;", "a.rs": "use crate::b::B; pub struct A(B);",
                "b.rs": "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"}
    sides = {**straight, "b.rs": "pub struct B; pub fn f(_: &crate::a::A) {}"}
    parent = {**straight, "b.rs": "use super::A; pub struct B(A);"}
    for files, expected in ((straight, 0), (sides, 1), (parent, 1)):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                pathlib.Path(folder, name).write_text(text, encoding="utf-8")
            found = list(check_target(pathlib.Path(folder, "lib.rs")))
        if len(found) != expected:
            print(f"circles: {len(found)} found where there are {expected}: {files}", file=sys.stderr)
            return 1
    print("circles: the check finds a circle of siblings and one with a parent, and no other")
    return 0


def main(arguments):
    """Runs the check; the result is the exit code."""
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if arguments == ["--self-test"]:
        return self_test()
    directory = arguments[0] if arguments else pathlib.Path(__file__).parents[2]
    try:
        found = [lines for source in sources(directory) for lines in check_target(source)]
    except Unreadable as error:
        print(f"circles: {error}", file=sys.stderr)
        return 2
    for lines in found:
        print("circles: modules that import each other:", *lines, sep="\n", file=sys.stderr)
    if found:
        print(f"circles: {len(found)} circle(s); move what both need into a module below them",
              file=sys.stderr)
        return 1
    print("circles: no module imports one that imports it")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
