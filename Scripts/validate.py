#!/usr/bin/env python3
"""Holds results of ringbench against bench-results/schema/result.schema.json, and that against its own rules.

  validate.py [RESULT.json]...   needs PyPI's jsonschema and hdrhistogram; Scripts/validate.sh sees to that

The schema itself: draft 2020-12, every field with a description, every number with a unit. Beyond what a schema can say:
slicesKept and slicesDropped are the slices that there are, and an interval holds its median.
"""

import json
import sys
from pathlib import Path

import jsonschema
from hdrh.histogram import HdrHistogram

SCHEMA = Path(__file__).resolve().parent.parent / "bench-results/schema/result.schema.json"
problems = []


def check_schema(node, where):
    """Each field says what it is, each number in what unit."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            check_schema(item, f"{where}[{number}]")
    if not isinstance(node, dict):
        return
    for name, field in node.get("properties", {}).items():
        if "description" not in field:
            problems.append(f"{where}.{name} has no description")
        kinds = field.get("type", [])
        if {"number", "integer"} & set([kinds] if isinstance(kinds, str) else kinds) and "unit" not in field:
            problems.append(f"{where}.{name} has no unit")
        if field.get("$ref") == "#/$defs/estimate" and "unit" not in field:
            problems.append(f"{where}.{name} has no unit")
    for name, item in node.items():
        check_schema(item, f"{where}.{name}")


def check_intervals(node, where):
    if isinstance(node, dict) and set(node) == {"median", "low", "high"}:
        if not node["low"] <= node["median"] <= node["high"]:
            problems.append(f"{where}: {node} does not hold its median")
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, item in items:
        check_intervals(item, f"{where}.{name}")


def check_latency(latency, where):
    """A histogram has as many values as are said, and the percentiles beside it, by HdrHistogram's own reader."""
    if "histogram" not in latency:
        return
    histogram = HdrHistogram.decode(latency["histogram"])
    if histogram.get_total_count() != latency["count"]:
        problems.append(f"{where}: the histogram has {histogram.get_total_count()} values, not {latency['count']}")
    for name, percentile in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
        value = histogram.get_value_at_percentile(percentile)
        if abs(value - latency[name]) > max(1.5, 0.003 * value):
            problems.append(f"{where}: {name} is {latency[name]}, and {value} by the histogram")


def check_rows(result, name):
    for number, row in enumerate(result["results"]):
        check_latency(row.get("latency", {}), f"{name}: results[{number}]")
        slices = row.get("slices")
        if slices is None:
            continue
        dropped = sum("dropped" in piece for piece in slices)
        if (row["slicesKept"], row["slicesDropped"]) != (len(slices) - dropped, dropped):
            problems.append(f"{name}: results[{number}] counts other slices than it has")


def main():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    check_schema(schema, "schema")
    validator = jsonschema.Draft202012Validator(schema)
    checked = 0
    for name in sys.argv[1:]:
        try:
            result = json.loads(Path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {error}")
            continue
        if result.get("schema") == 1:
            print(f"validate: {name} is of schema 1, from before there was a JSON Schema")
            continue
        checked += 1
        errors = sorted(validator.iter_errors(result), key=lambda error: error.json_path)
        problems.extend(f"{name}: {error.json_path}: {error.message[:200]}" for error in errors)
        if not errors:
            check_rows(result, name)
            check_intervals(result, name)
    for problem in problems:
        print(f"validate: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"validate: {checked} results are of schema 2")


main()
