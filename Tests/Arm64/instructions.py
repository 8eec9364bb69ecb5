#!/usr/bin/env python3
"""Compares the code of CRing's inline functions with the table in Documentation/ordering.md.

instructions.py COMPILER [OPTION]... COLUMN

Compiles each function of atomics.h and barriers.h, and the others that the table names, as a function of its own and keeps
of its code what touches memory or orders it. COLUMN is the heading of the table's column that must say just that. A
function that the table does not name is a finding too.
"""
import itertools
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parents[2]
include = root / "Sources/CRing/include"
headers = ["cring/atomics.h", "cring/barriers.h", "cring/spinlock.h", "cring/os/vfio.h"]
# Of these headers every function has to be in the table.
complete = headers[:2]
wrapper = "wrapped_"


def expand(text):
    """`a_{8,16}` is `a_8` and `a_16`."""
    parts = re.split(r"\{([^}]*)\}", text)
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def table(column):
    """Function and claimed instructions, from the rows whose first cell is a function of CRing's."""
    rows = {}
    heads = []
    for line in (root / "Documentation/ordering.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "Function":
            heads = cells
        if not heads or not cells[0].startswith("`cring_"):
            continue
        names = expand(re.match(r"`([^`]*)`", cells[0]).group(1))
        claims = [] if cells[heads.index(column)] in ("", "–") else re.findall(r"`([^`]*)`", cells[heads.index(column)])
        if len(claims) == 1 or not claims:
            claims = (claims or [""]) * len(names)
        if len(claims) != len(names):
            sys.exit(f"ordering.md: {cells[0]} is {len(names)} functions, and has {len(claims)} claims in {column}")
        rows.update(zip(names, claims))
    if not rows:
        sys.exit("ordering.md: no table of functions and instructions")
    return rows


def declarations(compiler):
    """Result, name and parameters of each inline function, with macros expanded."""
    found = {}
    for header in headers:
        source = f'#include "{header}"\n'
        text = subprocess.run(
            compiler + [f"-I{include}", "-E", "-"], input=source, text=True, check=True, stdout=subprocess.PIPE).stdout
        for result, name, parameters in re.findall(r"static inline (\w+) (cring_\w+)\(([^)]*)\)", text):
            # Headers include each other: the first of them counts.
            found.setdefault(name, (result, parameters, header))
    return found


def wrap(name, result, parameters):
    names = [] if parameters == "void" else [re.search(r"(\w+)$", one.strip()).group(1) for one in parameters.split(",")]
    call = f"{name}({', '.join(names)})"
    body = f"{call};" if result == "void" else f"return {call};"
    return f"{result} {wrapper}{name}({parameters}) {{ {body} }}\n"


def is_kept(instruction):
    mnemonic, _, operands = instruction.partition(" ")
    if re.match(r"(dmb|dsb|isb|bl|call|mfence|lfence|sfence|pause)$", mnemonic):
        return True
    # Memory, but for what is put aside on the stack, and addresses that are only computed.
    return bool(re.search(r"[\[(]", operands)) and not re.search(r"\[sp|\(%rsp\)", operands) and mnemonic != "leaq"


def code(compiler, functions):
    """The instructions of each function that are kept, without their operands unless those are the point."""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.writelines(f'#include "{header}"\n' for header in headers)
        source.writelines(wrap(name, *functions[name][:2]) for name in functions)
        source.flush()
        text = subprocess.run(
            compiler + ["-O2", f"-I{include}", "-S", "-o", "-", source.name], check=True, text=True,
            stdout=subprocess.PIPE).stdout
    found, current, prefix = {}, None, ""
    for line in text.splitlines():
        if match := re.match(rf"{wrapper}(\w+):", line):
            current = found.setdefault(match.group(1), [])
        line = re.split(r"\s//|\s#|@", line)[0].strip().rstrip(";")
        if current is None or not line or line.endswith(":") or line[0] in ".#/":
            continue
        for instruction in re.split(r"\s*;\s*", re.sub(r"\s+", " ", line).lower()):
            # Some write a prefix as an instruction of its own, and the pause as what older machines take it for.
            instruction = (prefix + instruction).replace("rep nop", "pause")
            prefix = "lock " if instruction == "lock" else ""
            mnemonic, _, operands = instruction.partition(" ")
            if mnemonic == "lock" and operands:
                current.append("lock " + operands.split(" ")[0])
            elif is_kept(instruction):
                ends = mnemonic in ("dmb", "dsb", "prfm")
                current.append(f"{mnemonic} {operands.split(',')[0]}" if ends else mnemonic)
    return {name: "; ".join(instructions) for name, instructions in found.items()}


def main():
    *compiler, column = sys.argv[1:]
    claims = table(column)
    functions = declarations(compiler)
    findings = [
        f"{name} of {header} is not in the table" for name, (_, _, header) in functions.items()
        if header in complete and name not in claims]
    findings += [f"{name} is in the table and in none of {', '.join(headers)}" for name in claims if name not in functions]
    found = code(compiler, {name: functions[name] for name in claims if name in functions})
    for name, instructions in found.items():
        # One of several, where compilers differ.
        if instructions not in claims[name].split(" or "):
            findings.append(f"{name}: `{instructions}`, and the table claims `{claims[name]}`")
    for finding in findings:
        print(f"instructions: {column}: {finding}", file=sys.stderr)
    if findings:
        sys.exit(1)
    print(f"instructions: {column}: {len(found)} functions are what ordering.md claims ({compiler[0].rsplit('/', 1)[-1]})")


main()
