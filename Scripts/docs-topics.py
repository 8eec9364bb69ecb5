#!/usr/bin/env python3
"""docs-topics.py SYMBOLS PAGE: every public type of a module stands among the topics of its landing page, and once."""
import json
import re
import sys

symbols, page = sys.argv[1:]
with open(symbols, encoding="utf-8") as file:
    types = {symbol["pathComponents"][0] for symbol in json.load(file)["symbols"] if len(symbol["pathComponents"]) == 1}
with open(page, encoding="utf-8") as file:
    topics = re.findall(r"^- ``(\w+)``$", file.read(), re.MULTILINE)
problems = [f"{name} is in no topic" for name in sorted(types - set(topics))]
problems += [f"{name} is no public type" for name in sorted(set(topics) - types)]
problems += [f"{name} is in two topics" for name in sorted({name for name in topics if topics.count(name) > 1})]
for problem in problems:
    print(f"docs: {page}: {problem}", file=sys.stderr)
sys.exit(1 if problems else 0)
