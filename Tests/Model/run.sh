#!/usr/bin/env bash
# Explores the models: the pairs under the C11 memory model (pairs.cpp, relacy), and the rings as a whole (*.pml, spin).
# What is as it should be must hold in every execution or state, each weakened or broken variant must be caught.
set -euo pipefail
cd "$(dirname "$0")"
. ../../Scripts/apt.sh

# A compiler out of those given, by the variable that names one or the first that is there.
compiler() {
  local chosen=$1 package=$2
  shift 2
  for candidate; do
    [ -n "$chosen" ] || ! command -v "$candidate" >/dev/null 2>&1 || chosen=$candidate
  done
  [ -n "$chosen" ] || apt_install model "$package" "a compiler is needed (Debian package $package)"
  echo "${chosen:-$package}"
}
cc=$(compiler "${CC:-}" gcc cc gcc clang)
cxx=$(compiler "${CXX:-}" g++ c++ g++ clang++)
command -v spin >/dev/null 2>&1 || apt_install model spin "spin is needed (Debian package spin)"
echo '#include <relacy/relacy.hpp>' | "$cxx" -w -E -x c++ - >/dev/null 2>&1 ||
  apt_install model relacy-dev "relacy is needed (Debian package relacy-dev)"

here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs=0

# Starts a run beside the one before; each is one thread, and says one line.
start() {
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
  runs=$((runs + 1))
  mkdir "$work/$runs"
  (cd "$work/$runs" && "$@" >said 2>&1) &
}

# explore MODEL OPTIMISATION OPTION SWITCHES...: leaves what the verifier said in `report`.
explore() {
  local model=$1 optimisation=$2 option=$3
  shift 3
  spin -a "$@" "$here/$model.pml" >spin.log 2>&1 || { cat spin.log; return 1; }
  # Of the generated code no warning is ours.
  "$cc" -w "$optimisation" -DSAFETY -o pan pan.c
  ./pan -m5000000 -w23 $option >report 2>&1 || true
}

# holds MODEL NAME SWITCHES...: no error, and no state left out.
holds() {
  local model=$1 name=$2
  shift 2
  explore "$model" -O2 "" "$@"
  if grep -q 'errors: 0$' report && ! grep -qE 'max search depth|out of memory|not completed' report; then
    printf '%-8s%-22sholds in all of its %s states\n' "$model" "$name" "$(awk '/states, stored/ { print $1; exit }' report)"
  else
    printf '%-8s%-22sDOES NOT HOLD\n' "$model" "$name"
    grep -E '^pan|^error|errors:|not completed' report
  fi
}

# caught MODEL KIND SWITCH: each switch breaks one thing; KIND is what has to follow. Found soon: compiling takes longer.
caught() {
  local model=$1 kind=$2 switch=$3 text option
  case $kind in
  # What else the break leads to is left aside: -A passes over assertions, -E over invalid end states.
  asleep) text='invalid end state' option=-A ;;
  wrong) text='assertion violated' option=-E ;;
  esac
  explore "$model" -O0 $option -DEVENT_IDX "-D$switch"
  if grep -q "^pan:1: $text" report; then
    printf '%-8s%-22scaught: %s\n' "$model" "$switch" "$(sed -n 's/^pan:1: \(.*\) (at depth .*/\1/p' report)"
  else
    printf '%-8s%-22sNOT CAUGHT as "%s"\n' "$model" "$switch" "$text"
    grep -E '^pan|^error|errors:' report
  fi
}

pairs() { "$cxx" -O1 -w -std=c++11 -o pairs "$here/pairs.cpp" && ./pairs; }

start holds packed "EVENT_IDX" -DEVENT_IDX
start holds packed "flags"
start holds split "EVENT_IDX" -DEVENT_IDX
start holds split "flags"
start pairs
for switch in NO_B1 NO_B2 NO_B3 NO_B4 INDEX_BEFORE_ENTRY TWICE; do start caught split wrong $switch; done
for switch in NO_B5 NO_B6 NO_B7 NO_B8 NO_LOOK_DRIVER NO_LOOK_DEVICE PLAIN_COMPARISON EVENT_FROM_RING; do
  start caught split asleep $switch
done
for switch in NO_B9 NO_B10 NO_B11 NO_B12 NOT_HELD FLAGS_BEFORE_ID WRAP_NOT_TOGGLED TWICE; do
  start caught packed wrong $switch
done
for switch in NO_B13 NO_B14 NO_B15 NO_B16 NO_LOOK_DRIVER NO_LOOK_DEVICE PLAIN_COMPARISON; do
  start caught packed asleep $switch
done
wait

all=$work/all
for ((run = 1; run <= runs; run++)); do
  # A run that did not come to its end is wrong as well.
  grep -E 'holds in all|caught:' "$work/$run/said" >/dev/null || echo "model: run $run DOES NOT HOLD" >>"$work/$run/said"
  cat "$work/$run/said"
done | tee "$all"
wrong=$(grep -cE 'DOES NOT HOLD|NOT CAUGHT' "$all" || true)
if [ "$wrong" -ne 0 ]; then
  echo "model: $wrong of the runs above ended as they must not"
  exit 1
fi
good=$(grep -cE '^(split|packed) .*holds in all' "$all")
states=$(awk '/^(split|packed) .*holds in all/ { sum += $(NF - 1) } END { print sum }' "$all")
broken=$(grep -cE '^(split|packed) .*caught:' "$all")
echo "model: $(sed -n 's/^pairs: /pairs: /p' "$all"); $good rings hold in $states states, $broken broken ones are caught"
