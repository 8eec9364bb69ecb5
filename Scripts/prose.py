#!/usr/bin/env python3
"""prose.py: what a program can check of the language of comments. Prints every finding; fails when there is one.

Lines of Swift and C have at most 120 columns, comments too. A comment names the component ("the driver", "the waiting
thread") where a person stands for it, and uses the usual word for what is expensive. A doc comment says what a member
returns or does.
"""
import re
import subprocess
import sys

WIDTH = 120
COMMENT = re.compile(r"(?://+|/\*|^\s*\*|^\s*#(?!!|include|if|else|endif|define|undef|error|pragma|expect))\s?(.*)")
WORDS = {
    r"who|whoever|whom|whose turn": "name the component: the driver, the front-end, the waiting thread",
    r"nobody|somebody|anybody": "name the component, or use the passive",
    r"dear|dearer|dearest": "write 'expensive', 'costs more', 'the most expensive'",
    r"fewest": "write 'the minimum'",
    r"(?:an?|the|one|each|every|any|some|no|same|own|fixed|right|wrong|their|whose|first|last|next|per) places?|places? where":
      "write which: offset, slot, position, index, segment, node; 'instead of', 'replaces'",
}
NAME = re.compile(r"\b(?:let|var|func|case|for|class|struct|enum) \(?(?:[a-z]\w*(?<!In)P|P|p)laces?\b")
FILLER = re.compile(r"^\s*/// (Nothing|None|Refused|Empty|The path's|Its value|The same)\.$")


def files(*patterns):
    return subprocess.run(["git", "ls-files", *patterns], check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def main():
    findings = []
    sources = files("*.swift", "*.c", "*.h", "*.cpp")
    for path in sources + files("*.sh", ".ci/run", "Makefile", "*.pml", "Tests/Interop/cases/*"):
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file.read().split("\n"), 1):
                if path in sources and len(line) > WIDTH:
                    findings.append(f"{path}:{number}: {len(line)} columns; the limit is {WIDTH}")
                if FILLER.match(line):
                    findings.append(f"{path}:{number}: '{line.strip()}' says nothing: say what it returns or does")
                if path in sources and NAME.search(line.split("//")[0]):
                    findings.append(f"{path}:{number}: a name with 'place': say offset, slot, position, index, segment, node")
                comment = COMMENT.search(line)
                for words, advice in WORDS.items():
                    found = comment and re.search(rf"\b({words})\b", comment.group(1), re.IGNORECASE)
                    if found:
                        findings.append(f"{path}:{number}: '{found.group(1)}': {advice}")
    for finding in findings:
        print(f"prose: {finding}", file=sys.stderr)
    sys.exit(1 if findings else 0)


main()
