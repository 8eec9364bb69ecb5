#!/bin/sh
# bench-compare.sh COMMIT [OPTION OF ringbench cost]...: is this working tree slower than COMMIT?
#
# Builds both and lets them measure in turns, RUNS (4) times each, so that what happens to the machine meanwhile happens to
# both; then compares. Fails when a row is slower. Results stay in .build/bench-compare/results.
set -eu
cd "$(dirname "$0")/.."
commit=$(git rev-parse --verify --quiet "${1:-HEAD~1}^{commit}") || {
  echo "bench-compare: '${1:-HEAD~1}' is no commit" >&2
  exit 2
}
[ $# -eq 0 ] || shift
runs=${RUNS:-4}
work=$PWD/.build/bench-compare
results=$work/results
rm -rf "$results"
mkdir -p "$results"

# A tree of its own for each commit, kept: the next comparison with it builds nothing.
tree=$work/$commit
[ -e "$tree/.git" ] || {
  git worktree prune
  git worktree add --quiet --detach "$tree" "$commit"
}
after=$(Scripts/build.sh)
before=$(cd "$tree" && Scripts/build.sh)

measure() { # measure PROGRAM NAME [OPTION...]
  program=$1 name=$2
  shift 2
  # An option with one value is given once.
  case " $*" in *" --slices"[\ =]*) ;; *) set -- --slices 20 "$@" ;; esac
  case " $*" in *" --time-limit"[\ =]*) ;; *) set -- --time-limit 12 "$@" ;; esac
  "$program" cost "$@" --format json --output "$results/$name.json"
}
for run in $(seq "$runs"); do
  echo "bench-compare: run $run of $runs" >&2
  # The order changes: what comes second finds the machine as the first left it.
  if [ $((run % 2)) -eq 1 ]; then
    measure "$before" "before-$run" "$@"
    measure "$after" "after-$run" "$@"
  else
    measure "$after" "after-$run" "$@"
    measure "$before" "before-$run" "$@"
  fi
done
"$after" compare "$results"/before-*.json --against "$results"/after-*.json --fail-on slower
