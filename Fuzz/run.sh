#!/usr/bin/env bash
# Fuzz/run.sh SECONDS [FUZZER]: builds the fuzzers, runs each over its corpus, then fuzzes each for SECONDS.
#
# 0 seconds: the corpus alone. A finding is kept in .build/findings and said with the command that repeats it.
# ASSERTIONS=off: built as a user builds, in which only the sanitizer and what every build checks stand before a store.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || {
  echo "fuzz: SECONDS is a whole number, not '$seconds'" >&2
  exit 2
}
# A crash ends at once instead of being symbolised; what lives until the end of the process is no leak.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0
mkdir -p .build/findings
case ${ASSERTIONS:-on} in
on) scratch=.build config=Debug ;;
off) scratch=.build/unasserted config=Release ;;
*)
  echo "fuzz: ASSERTIONS is on or off, not '$ASSERTIONS'" >&2
  exit 2
  ;;
esac
# The compiler takes only the last of several --sanitize, hence both in one.
${SWIFT:-swift} build -c release --scratch-path "$scratch" --sanitize=fuzzer --sanitize=address \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -assert-config -Xswiftc "$config" >.build/build.log 2>&1 || {
  grep -E 'error:' .build/build.log >&2 || tail -n 5 .build/build.log >&2
  exit 1
}
binaries=$scratch/release
results=$(mktemp -d)
finish() {
  # What is ended from outside does not go on for the rest of its seconds.
  local left
  left=$(jobs -rp)
  [ -z "$left" ] || pkill -P "$(paste -sd, <<<"$left")" 2>/dev/null || true
  rm -rf "$results"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# fuzz NAME: its corpus, then on; the closing line goes to a file of its own, and what was found to standard error.
fuzz() {
  local name=$1 corpus=Corpus/$1/ code=0 executions=0 files work
  local fuzzer=$binaries/$name log=.build/$name.log
  work=$results/$name.work
  mkdir -p "$work"
  files=("$corpus"*)
  "$fuzzer" -timeout=10 -artifact_prefix=.build/findings/ "${files[@]}" >"$log" 2>&1 || code=$?
  if [ "$code" -eq 0 ] && [ "$seconds" -gt 0 ]; then
    "$fuzzer" -max_len=256 -len_control=0 -timeout=10 -rss_limit_mb=4096 -max_total_time="$seconds" -print_final_stats=1 \
      -artifact_prefix=.build/findings/ "$work" "$corpus" >"$log" 2>&1 || code=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  fi
  if [ "$code" -eq 0 ]; then
    echo "fuzz: $name: ${#files[@]} inputs of the corpus, ${executions:-0} executions in $seconds s, no finding" >"$results/$name"
  else
    grep -aE 'finding:|Fatal error|ERROR|Test unit written' "$log" >&2 || tail -n 5 "$log" >&2
    echo "fuzz: $name: A FINDING; repeat it with Fuzz/$fuzzer and the file named above; all of it in Fuzz/$log" \
      >"$results/$name"
  fi
}

names=()
for corpus in Corpus/*/; do
  name=$(basename "$corpus")
  [ -z "${2:-}" ] || [ "$2" = "$name" ] || continue
  names+=("$name")
  # Two at a time: each is one thread.
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
  fuzz "$name" &
done
wait
[ "${#names[@]}" -gt 0 ] || {
  echo "fuzz: there is no fuzzer '$2'; there are $(cd Corpus && echo *)" >&2
  exit 2
}
status=0
for name in "${names[@]}"; do
  # One whose run ended otherwise left no line.
  [ -s "$results/$name" ] || echo "fuzz: $name: A FINDING; it did not come to its end" >"$results/$name"
  cat "$results/$name"
  grep -q 'no finding$' "$results/$name" || status=1
done
exit "$status"
