#!/bin/sh
# Boots the guest that prepare.sh made, runs a script in it, prints its serial line, ends with the script's exit code.
#
#   boot.sh [--accel KIND] [--memory MIB] [--cpus N] [--nodes N] [--seconds N] [--kernel-words WORDS] [--console FILE]
#           [--file FROM[=TO]]... [--program FROM[=TO]]... SCRIPT [QEMU ARGUMENT]...
#
# --accel is tcg (software emulation, the default) or kvm. --memory may also be in KiB, as 262152K. --nodes deals memory and CPUs out to so many NUMA nodes. --file puts
# a file into the guest (TO: its path there, / and its name by default), --program the same with the shared libraries it
# needs (by default into /bin). --console names the file that the serial line is in meanwhile, for a caller that waits for something the
# guest says. Memory is shared with the outside, as a vhost-user device needs it. A guest that has not ended after --seconds
# (120) is ended, with exit code 124; one that stopped without its last line gives 125.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
guest=$root/.build/guest
work=$(mktemp -d)
qemu=""
clean() {
  [ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 143' TERM INT

fail() {
  echo "guest: $1" >&2
  exit 2
}

accel=tcg memory=512 cpus=2 nodes=1 seconds=120 words="" console=$work/console
add() {
  to=$2
  mkdir -p "$work/tree/$(dirname "$to")"
  cp -L "$1" "$work/tree/$to" || fail "cannot read $1"
}
while [ $# -gt 0 ]; do
  case $1 in
  --accel) accel=$2 ;;
  --memory) memory=$2 ;;
  --cpus) cpus=$2 ;;
  --nodes) nodes=$2 ;;
  --seconds) seconds=$2 ;;
  --kernel-words) words=$2 ;;
  --console) console=$2 ;;
  --file) case $2 in *=*) add "${2%%=*}" "${2#*=}" ;; *) add "$2" "/$(basename "$2")" ;; esac ;;
  --program)
    from=${2%%=*}
    case $2 in *=*) add "$from" "${2#*=}" ;; *) add "$from" "/bin/$(basename "$from")" ;; esac
    # What the dynamic linker would load, and the linker itself, where they are looked for.
    for library in $(ldd "$from" | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (0x.*/\1/p'); do
      case $library in /lib64/*) add "$library" "$library" ;; *) add "$library" "/lib/$(basename "$library")" ;; esac
    done
    ;;
  --*) fail "there is no option $1" ;;
  *) break ;;
  esac
  shift 2
done
[ $# -gt 0 ] || fail "which script is to run in the guest?"
add "$1" /run.sh
shift
case $memory in *K) size=$memory ;; *) size=${memory}M ;; esac
[ -r "$guest/base.cpio" ] || fail "there is no guest yet: run Scripts/guest/prepare.sh"

# The kernel unpacks archives that follow one another, the later one over the earlier.
(cd "$work/tree" && find . | "$guest/busybox" cpio -o -H newc 2>/dev/null) >"$work/more.cpio"
cat "$guest/base.cpio" "$work/more.cpio" >"$work/initramfs"

if [ "$nodes" -eq 1 ]; then
  set -- "$@" -object "memory-backend-memfd,id=mem0,size=$size,share=on" -machine memory-backend=mem0
else
  per_node=$((cpus / nodes)) n=0
  while [ "$n" -lt "$nodes" ]; do
    set -- "$@" -object "memory-backend-memfd,id=mem$n,size=$((memory / nodes))M,share=on" \
      -numa "node,nodeid=$n,memdev=mem$n,cpus=$((n * per_node))-$((n * per_node + per_node - 1))"
    n=$((n + 1))
  done
  # One node is as far from each other one: more than the 20 of a table that was not filled.
  for from in $(seq 0 $((nodes - 1))); do
    for to in $(seq $((from + 1)) $((nodes - 1))); do set -- "$@" -numa "dist,src=$from,dst=$to,val=21"; done
  done
fi
processor=max
[ "$accel" = tcg ] || processor=host
# no_timer_check: a busy machine may keep an emulated timer waiting, and the kernel would give up over that.
qemu-system-x86_64 -machine q35,kernel-irqchip=split -accel "$accel" -cpu "$processor" -m "$size" -smp "$cpus" \
  -nodefaults -no-user-config -display none -serial "file:$console" -no-reboot \
  -kernel "$guest/vmlinuz" -initrd "$work/initramfs" -append "console=ttyS0 quiet panic=-1 no_timer_check $words" "$@" </dev/null &
qemu=$!
code=125
late=$(($(date +%s) + seconds))
while kill -0 "$qemu" 2>/dev/null; do
  if [ "$(date +%s)" -gt "$late" ]; then
    echo "guest: not done after $seconds s" >&2
    kill -KILL "$qemu" 2>/dev/null || true
    code=124
    break
  fi
  sleep 0.1
done
wait "$qemu" 2>/dev/null || true
qemu=""
cat "$console"
said=$(sed -n 's/^guest: exit \([0-9]*\)$/\1/p' "$console" | tail -n 1)
exit "${said:-$code}"
