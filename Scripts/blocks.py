#!/usr/bin/env python3
"""The fenced blocks of README.md, CONTRIBUTING.md, bench-results/README.md, the pages of Documentation and the articles.

  blocks.py check             every block names its language; what is said to be run elsewhere is there
  blocks.py swift PACKAGE URL writes each Swift program or test of the pages as a target of a package in PACKAGE
  blocks.py shell RINGBENCH   runs the lines of each shell block, but for what .ci/run itself runs and what needs a quiet machine

A Swift block that imports nothing goes on with the block before it on its page; one of `.package(` lines is the dependency of
PACKAGE, and a whole manifest goes to PACKAGE/Manifests. `<!-- built, not run -->` in front of a program that serves until it is
ended has it built alone.
`<!-- run by FILE -->` in front of a shell block names what runs it instead: it needs peers, a guest or several hosts.
"""
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

PRODUCTS = ["RingKit", "RingIOMMU", "RingPlatform", "VhostUser", "RingKitTesting"]
LANGUAGES = {"swift", "sh", "text", "json", "sql", "asm", "make", "yaml"}
# What measures is held to a few seconds here; the line is run as it stands otherwise.
SHORT = {"cost": "4", "sweep": "6", "ring": "4", "shapes": "20"}
SECONDS = 300
# Lines that nothing here runs: a quarter of an hour of a machine that does nothing else.
BY_HAND = ["make peers"]


class Block:
    def __init__(self, page, line, language, text, note):
        self.page, self.line, self.language, self.text, self.note = page, line, language, text, note

    def __str__(self):
        return f"{self.page}:{self.line}"


def pages():
    found = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "bench-results/README.md", "Examples/README.md"]
    found += sorted(glob.glob("Documentation/*.md")) + sorted(glob.glob("Sources/*/*.docc/*.md"))
    return [page for page in found if os.path.exists(page)]


def blocks():
    for page in pages():
        with open(page, encoding="utf-8") as file:
            lines = file.read().split("\n")
        start, note = None, ""
        for number, line in enumerate(lines, 1):
            if not line.lstrip().startswith("```"):
                continue
            if start is None:
                start = number
                before = next((text for text in reversed(lines[: number - 1]) if text.strip()), "")
                found = re.fullmatch(r"<!-- (.*) -->", before.strip())
                note = found.group(1) if found else ""
            else:
                language = lines[start - 1].lstrip().removeprefix("```")
                yield Block(page, start, language, "\n".join(lines[start : number - 1]) + "\n", note)
                start = None
        if start is not None:
            sys.exit(f"blocks: {page}:{start}: a block without an end")


def check():
    problems = []
    for block in blocks():
        if block.language not in LANGUAGES:
            problems.append(f"{block}: a block of '{block.language}'; known languages are {', '.join(sorted(LANGUAGES))}")
        elsewhere = re.fullmatch(r"run by (\S+)", block.note)
        if elsewhere and not os.path.exists(elsewhere.group(1)):
            problems.append(f"{block}: '{elsewhere.group(1)}', which is to run it, is not there")
    for problem in problems:
        print(f"blocks: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


def programs():
    """Programs, tests and manifests as (name, text, kind), kind being run, built, test or manifest; the dependency a page states."""
    found, dependency, last = [], None, {}
    for block in blocks():
        if block.language != "swift":
            continue
        if re.match(r"\s*\.package\(", block.text):
            dependency = dependency or block.text
        elif re.search(r"^(@testable )?import ", block.text, re.MULTILINE):
            name = re.sub(r"\W+", "_", f"{os.path.basename(block.page).removesuffix('.md')}_{block.line}")
            if block.text.startswith("// swift-tools-version"):
                found.append([name, block.text, "manifest"])
                continue
            kind = "test" if "import Testing" in block.text else "built" if block.note == "built, not run" else "run"
            last[block.page] = [name, block.text, kind]
            found.append(last[block.page])
        elif block.page in last:
            last[block.page][1] += block.text
        else:
            sys.exit(f"blocks: {block}: a Swift block without an import, and none before it on its page")
    return found, dependency


def swift(package, url):
    found, dependency = programs()
    version = re.search(r'from: "([^"]+)"', dependency or "")
    if not version:
        sys.exit("blocks: no page states the dependency, as .package(url:from:)")
    depends = "[" + ", ".join(f'.product(name: "{name}", package: "RingKit")' for name in PRODUCTS) + "]"
    settings = "[.strictMemorySafety(), .treatAllWarnings(as: .error)]"
    targets = []
    for name, text, kind in found:
        if kind == "manifest":
            os.makedirs(f"{package}/Manifests/{name}")
            with open(f"{package}/Manifests/{name}/Package.swift", "w", encoding="utf-8") as file:
                file.write(text)
            continue
        folder = f"{package}/{'Tests' if kind == 'test' else 'Sources'}/{name}"
        os.makedirs(folder)
        with open(f"{folder}/{'Page' if '@main' in text or kind == 'test' else 'main'}.swift", "w", encoding="utf-8") as file:
            file.write(text)
        target = "testTarget" if kind == "test" else "executableTarget"
        targets.append(f'    .{target}(name: "{name}", dependencies: {depends}, swiftSettings: {settings}),')
    # Every product is imported, whatever the pages use.
    os.makedirs(f"{package}/Sources/Imports")
    with open(f"{package}/Sources/Imports/Imports.swift", "w", encoding="utf-8") as file:
        file.write("".join(f"import {name}\n" for name in PRODUCTS))
    targets.append(f'    .target(name: "Imports", dependencies: {depends}),')
    line = re.sub(r'url: "[^"]+"', f'url: "{url}"', dependency.strip().rstrip(","))
    with open(f"{package}/Package.swift", "w", encoding="utf-8") as file:
        file.write(
            "// swift-tools-version: 6.2\nimport PackageDescription\n\nlet package = Package(\n"
            f'  name: "Pages",\n  dependencies: [{line}],\n  targets: [\n' + "\n".join(targets) + "\n  ]\n)\n"
        )
    with open(f"{package}/run", "w", encoding="utf-8") as file:
        file.write("".join(f"{name}\n" for name, _, kind in found if kind == "run"))
    print(f"blocks: {len(found)} Swift programs, tests and manifests, RingKit from {version.group(1)}")


def is_run_by_ci(words):
    """Whether .ci/run itself runs this target of make."""
    with open(".ci/run", encoding="utf-8") as file:
        # As a command, alone or as an argument of one: not as a text that is looked for.
        return re.search(rf"^[^#\n]*(?<!['\"])\bmake {re.escape(words[1])}\b", file.read(), re.MULTILINE) is not None


def shell(ringbench):
    folder = tempfile.mkdtemp(prefix="blocks.")
    os.makedirs(f"{folder}/bin")
    os.symlink(os.path.abspath(ringbench), f"{folder}/bin/ringbench")
    shutil.copytree("bench-results", f"{folder}/bench-results")
    environment = dict(os.environ, PATH=f"{folder}/bin:{os.environ['PATH']}", RINGBENCH=os.path.abspath(ringbench),
                       XDG_DATA_HOME=f"{folder}/data")
    ran, left = 0, 0
    for block in blocks():
        if block.language != "sh":
            continue
        if block.note.startswith("run by "):
            left += 1
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words or words == ["make"] or words[0] == ".ci/run":
                continue
            if words[0] == "make" and is_run_by_ci(words):
                continue
            if " ".join(words) in BY_HAND:
                print(f"blocks: {block}: {' '.join(words)}: left to a quiet machine", flush=True)
                left += 1
                continue
            command = line.split(" #")[0]
            if words[0] == "ringbench" and len(words) > 1 and words[1] in SHORT and "help" not in words:
                command += f" --time-limit {SHORT[words[1]]}"
            print(f"blocks: {block}: {command.strip()}", flush=True)
            code = run(command, folder if words[0] == "ringbench" else ".", environment)
            if code != 0:
                sys.exit(f"blocks: {block}: '{command.strip()}' ended with {code}")
            ran += 1
    shutil.rmtree(folder)
    print(f"blocks: {ran} shell lines run, {left} run by what they name, or by hand")


def run(command, folder, environment):
    try:
        with tempfile.TemporaryFile() as output:
            code = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, stdout=output, stderr=output,
                                  stdin=subprocess.DEVNULL, timeout=SECONDS).returncode
            if code != 0:
                output.seek(0)
                said = output.read().decode(errors="replace")
                # The CPUs of the two runs stood elsewhere: an answer that depends on the machine, and that compare gives.
                if code == 1 and command.startswith("ringbench compare") and "no row can be compared" in said:
                    return 0
                sys.stderr.write(said[-4000:])
            return code
    except subprocess.TimeoutExpired:
        return f"no end within {SECONDS} s"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["check"]:
            check()
        case ["swift", package, url]:
            swift(package, url)
        case ["shell", ringbench]:
            shell(ringbench)
        case _:
            sys.exit(__doc__)
