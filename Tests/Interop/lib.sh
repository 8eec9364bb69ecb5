# Sourced by every case. A case is an executable cases/NN-name with a line `# seconds: N`, its longest time. It prints
# `result` lines, and nothing else, on standard output; ends with `fail` or any other non-zero code when something is wrong.
# Whatever `start` started is ended with it, and $work with all sockets and files is removed by the run.
set -euo pipefail

work=${INTEROP_WORK:?is set by Tests/Interop/run, which runs the cases}
ringbench=${RINGBENCH:?is set by Tests/Interop/run, which builds it}
build=${INTEROP_BUILD:?is set by Tests/Interop/run}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
patience=${PATIENCE:-1}
slow=${SLOW:-0}
declare -A pids=()

stop_all() {
  local name
  for name in "${!pids[@]}"; do stop "$name"; done
}
trap stop_all EXIT
trap 'exit 143' TERM INT

# result PEER ROLE LAYOUT BITS BUFFERS RESULT: one line of the table, for something that was checked and holds. ROLE is the
# peer's: device or driver. BITS are names as `ringbench` prints them. A result that does not hold is a `fail`.
result() { printf 'ok     %-22s %-8s %-7s %-58s %10s  %s\n' "$@"; }

# fail SENTENCE: ends the case.
fail() {
  echo "interop: $*" >&2
  exit 1
}

# start NAME COMMAND...: runs it in the background, output in $work/NAME.log.
start() {
  local name=$1
  shift
  "$@" >"$work/$name.log" 2>&1 </dev/null &
  pids[$name]=$!
}

# start_fed NAME FIFO COMMAND...: the same, for a program that reads commands: they are written to FIFO, which is made and
# stays open until the case ends.
start_fed() {
  local name=$1 fifo=$2
  shift 2
  mkfifo "$fifo"
  "$@" >"$work/$name.log" 2>&1 <"$fifo" &
  pids[$name]=$!
  exec {feed}>"$fifo"
}

# is_running NAME: it has not ended; a process that was not waited for yet has.
is_running() { grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/${pids[$1]}/status" 2>/dev/null; }
is_done() { ! is_running "$1"; }

# finish NAME SECONDS: waits for the end of what was started; its exit code.
finish() {
  local name=$1 pid=${pids[$1]} code=0
  wait_for "$2" is_done "$name" || fail "$name did not end within $2 s"
  wait "$pid" || code=$?
  unset "pids[$name]"
  return "$code"
}

# stop NAME [SIGNAL]: ends it (SIGTERM, and SIGKILL after 3 s) and waits.
stop() {
  local pid=${pids[$1]:-}
  [ -n "$pid" ] || return 0
  unset "pids[$1]"
  kill "-${2:-TERM}" "$pid" 2>/dev/null || true
  local i
  for i in $(seq 30); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is up.
wait_for() {
  local steps=$(($1 * 20 * patience)) i
  shift
  for ((i = 0; i < steps; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.05
  done
  return 1
}

# wait_socket PATH NAME: until a listening socket is at PATH, made by what was started as NAME.
wait_socket() {
  local i
  for ((i = 0; i < 300 * patience; i++)); do
    # State 01 with the flag __SO_ACCEPTCON: listening.
    awk -v path="$1" '$8 == path && $4 == "00010000" { found = 1 } END { exit !found }' /proc/net/unix && return 0
    is_running "$2" || fail "$2 ended before it listened at $1"
    sleep 0.05
  done
  fail "$2 did not listen at $1"
}

# value FILE EXPRESSION: what a Python expression over `it`, the JSON in FILE, comes to. Of a document of results there are also
# `details`, and `row(ring="packed", path="direct")`: the first row with these, its fields, labels and figures by their names.
value() {
  python3 - "$1" "$2" <<'PYTHON'
import json, sys
it = json.load(open(sys.argv[1]))
details = it.get("details")
def row(**wanted):
    for found in it["results"]:
        found = found | found.get("labels", {}) | {figure["name"]: figure["value"] for figure in found.get("figures", [])}
        if all(found.get(key) == value for key, value in wanted.items()): return found
print(eval(sys.argv[2], globals()))
PYTHON
}

# assert FILE EXPRESSION: fails, and says what is in FILE, unless the expression over `it` holds.
assert() {
  [ "$(value "$1" "bool($2)")" = True ] || fail "does not hold: $2, in $(cat "$1")"
}

# verdicts NAME: what came of the checks of a report of `ringbench conform`, $work/NAME.json, in words.
verdicts() {
  value "$work/$1.json" '", ".join("%d %s" % (sum(r["verdict"] == v for r in it["rows"]), v) for v in ("passed", "failed", "refused"))'
}

# broken NAME [BEGINNING]: the numbers of rules that were broken, with the ring's layout, each once; without the checks whose
# names begin so.
broken() {
  value "$work/$1.json" '" ".join(sorted({r["ring"] + ":" + r["rule"] for r in it["rows"] if r["verdict"] == "failed"
    and not ("'"${2:-}"'" and r["check"].startswith("'"${2:-}"'"))}))'
}

# expect_bits HAVE WANT NOT: HAVE are the names of negotiated bits; fails unless every one of WANT is among them and none of NOT.
expect_bits() {
  local bit
  for bit in $2; do [[ " $1 " == *" $bit "* ]] || fail "$bit was not negotiated, only: $1"; done
  for bit in ${3:-}; do [[ " $1 " != *" $bit "* ]] || fail "$bit was negotiated, and must not be: $1"; done
}

# bit_names STRING: the names of a ring's bits in the features of a Linux guest's device, where character i is bit i.
bit_names() {
  python3 - "$1" <<'PYTHON'
import sys
names = {28: "INDIRECT_DESC", 29: "EVENT_IDX", 32: "VERSION_1", 33: "ACCESS_PLATFORM", 34: "RING_PACKED", 35: "IN_ORDER",
         36: "ORDER_PLATFORM", 38: "NOTIFICATION_DATA", 40: "RING_RESET"}
print(" ".join(name for bit, name in names.items() if sys.argv[1][bit:bit + 1] == "1"))
PYTHON
}

# qmp SOCKET COMMAND [ARGUMENTS]: has QEMU do it, over its machine protocol; ARGUMENTS are JSON. Prints what it answers; fails
# when it refuses.
qmp() {
  python3 - "$@" <<'PYTHON'
import json, socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(20)
link.connect(sys.argv[1])
lines = link.makefile("rw")
lines.readline()
for request in ("qmp_capabilities", "{}"), (sys.argv[2], (sys.argv[3:] or ["{}"])[0]):
    lines.write(json.dumps({"execute": request[0], "arguments": json.loads(request[1])}) + "\n")
    lines.flush()
    while True:
        answer = json.loads(lines.readline())
        if "error" in answer: sys.exit(request[0] + ": " + answer["error"]["desc"])
        if "return" in answer: break
print(json.dumps(answer["return"]))
PYTHON
}

# device_report LOG FILE: the last report that a device wrote as JSON into its log, without what stands around it.
device_report() {
  python3 - "$1" "$2" <<'PYTHON' || fail "there is no report in $(cat "$1")"
import re, sys
open(sys.argv[2], "w").write(re.findall(r"^\{\n.*?^\}$", open(sys.argv[1]).read(), re.M | re.S)[-1])
PYTHON
}

# ring_bits FILE: the names of a ring's bits in the device's report in FILE, VERSION_1 and the like; `none` for none of them.
ring_bits() {
  local bits
  bits=$(value "$1" '" ".join(n for n in it["features"] if n in ("INDIRECT_DESC", "EVENT_IDX", "VERSION_1", "ACCESS_PLATFORM",
    "RING_PACKED", "IN_ORDER"))')
  echo "${bits:-none}"
}

# alone COMMAND...: while no other case is in here.
alone() { (flock 9 && "$@") 9>"$build/packages.lock"; }

# unpacked PACKAGE [ARCHITECTURE]: where the files of a Debian package are, downloaded and unpacked once and never installed;
# PACKAGE may be one that only depends on the real one, as linux-image-cloud-amd64 does. ARCHITECTURE need not be this machine's.
unpacked() { alone unpack "$@"; }
unpack() {
  local package=$1 real directory other=()
  if [ -n "${2:-}" ]; then
    local apt=$build/apt-$2
    other=(-o "APT::Architecture=$2" -o "APT::Architectures::=$2" -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    if [ ! -e "$apt/.complete" ]; then
      mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
      apt-get "${other[@]}" update -qq >&2 || fail "there are no lists of packages for $2"
      touch "$apt/.complete"
    fi
  fi
  real=$(apt-cache "${other[@]}" depends "$package" 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ { print $2; exit }')
  real=${real:-$package}
  directory=$build/packages/$real${2:+-$2}
  if [ ! -e "$directory/.complete" ]; then
    rm -rf "$directory"
    mkdir -p "$directory/.deb"
    (cd "$directory/.deb" && apt-get "${other[@]}" download -qq "$real") >&2 || fail "$real cannot be downloaded"
    dpkg-deb -x "$directory"/.deb/*.deb "$directory" || fail "$real cannot be unpacked"
    rm -rf "$directory/.deb"
    touch "$directory/.complete"
  fi
  echo "$directory"
}

# backported PACKAGE: where the files of a package are that is newer in the backports of this Debian release, downloaded and
# unpacked once and never installed; fails where there are none.
backported() { alone backport "$@"; }
backport() {
  local package=$1 apt=$build/apt-backports directory=$build/packages/$1-backports release signed=""
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg
  if [ ! -e "$directory/.complete" ]; then
    release=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || return 1
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$directory/.deb"
    [ ! -e "$keys" ] || signed="[signed-by=$keys] "
    echo "deb ${signed}http://deb.debian.org/debian $release-backports main" >"$apt/sources.list"
    local from=(-o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
      -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache")
    apt-get "${from[@]}" update -qq >&2 && (cd "$directory/.deb" && apt-get "${from[@]}" download -qq "$package") >&2 || return 1
    dpkg-deb -x "$directory"/.deb/*.deb "$directory" || return 1
    rm -rf "$directory/.deb"
    touch "$directory/.complete"
  fi
  echo "$directory"
}
