#!/usr/bin/env bash
# Explores the models: the rings as they are must hold in every state, each broken one must be caught.
set -euo pipefail
cd "$(dirname "$0")"
. ../../Scripts/apt.sh
command -v spin >/dev/null 2>&1 || apt_install model spin "spin is needed (Debian package spin)"
compiler=${CC:-}
for candidate in cc gcc clang; do
  [ -n "$compiler" ] || ! command -v "$candidate" >/dev/null 2>&1 || compiler=$candidate
done
[ -n "$compiler" ] || apt_install model gcc "a C compiler is needed (Debian package gcc)"
compiler=${compiler:-gcc}

here=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
wrong=0
good=0
broken=0
states=0

# explore MODEL OPTION SWITCHES...: leaves what the verifier said in `report`.
explore() {
  local model=$1 option=$2
  shift 2
  spin -a "$@" "$here/$model.pml" >spin.log 2>&1 || { cat spin.log >&2; exit 1; }
  # Of the generated code no warning is ours.
  "$compiler" -w -O2 -DSAFETY -DCOLLAPSE -o pan pan.c
  ./pan -m5000000 -w22 $option >report 2>&1 || true
}

# holds MODEL NAME SWITCHES...: no error, and no state left out.
holds() {
  local model=$1 name=$2
  shift 2
  explore "$model" "" "$@"
  local stored
  stored=$(awk '/states, stored/ { print $1; exit }' report)
  if grep -q 'errors: 0$' report && ! grep -qE 'max search depth|out of memory|not completed' report; then
    printf '%-8s%-22sholds in all of its %s states\n' "$model" "$name" "$stored"
    good=$((good + 1))
    states=$((states + stored))
  else
    printf '%-8s%-22sDOES NOT HOLD\n' "$model" "$name"
    grep -E '^pan|^error|errors:|not completed' report >&2
    wrong=$((wrong + 1))
  fi
}

# caught MODEL KIND SWITCH...: each switch breaks one thing; KIND is what has to follow.
caught() {
  local model=$1 kind=$2 text option
  shift 2
  case $kind in
  # What else the break leads to is left aside: -A passes over assertions, -E over invalid end states.
  asleep) text='invalid end state' option=-A ;;
  wrong) text='assertion violated' option=-E ;;
  esac
  for switch; do
    explore "$model" $option -DEVENT_IDX "-D$switch"
    if grep -q "^pan:1: $text" report; then
      printf '%-8s%-22scaught: %s\n' "$model" "$switch" "$(sed -n 's/^pan:1: \(.*\) (at depth .*/\1/p' report)"
      broken=$((broken + 1))
    else
      printf '%-8s%-22sNOT CAUGHT as "%s"\n' "$model" "$switch" "$text"
      grep -E '^pan|^error|errors:' report >&2 || true
      wrong=$((wrong + 1))
    fi
  done
}

holds split "flags"
holds split "EVENT_IDX" -DEVENT_IDX
caught split wrong NO_B1 NO_B2 NO_B3 NO_B4 INDEX_BEFORE_ENTRY TWICE
caught split asleep NO_B5 NO_B6 NO_B7 NO_B8 NO_LOOK_DRIVER NO_LOOK_DEVICE PLAIN_COMPARISON EVENT_FROM_RING
holds packed "flags"
holds packed "EVENT_IDX" -DEVENT_IDX
caught packed wrong NO_B9 NO_B10 NO_B11 NO_B12 NOT_HELD FLAGS_BEFORE_ID WRAP_NOT_TOGGLED TWICE
caught packed asleep NO_B13 NO_B14 NO_B15 NO_B16 NO_LOOK_DRIVER NO_LOOK_DEVICE PLAIN_COMPARISON

if [ "$wrong" -ne 0 ]; then
  echo "model: $wrong of the runs above ended as they must not"
  exit 1
fi
echo "model: $good rings hold in $states states, $broken broken ones are caught"
