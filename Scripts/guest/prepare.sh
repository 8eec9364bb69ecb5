#!/bin/sh
# Makes a small Linux guest in .build/guest: vmlinuz, and base.cpio, an initramfs of busybox, modules and our load generators.
#
#   prepare.sh [--arch arm64] [--backports | --kernel VMLINUZ --modules DIRECTORY] [--busybox PROGRAM]
#
# Nothing is installed but QEMU and, where they are missing, xz, a C library's static half and a cross compiler: kernel and busybox are
# downloaded with apt-get as packages and unpacked. Without apt-get the last three options name them; DIRECTORY is
# .../lib/modules/VERSION. --arch arm64 makes a guest of that architecture, in .build/guest/arm64. --backports (Debian only) takes the
# kernel from the release's backports, in the subdirectory backports of that directory. What is there and still fits is
# kept. Ends with 0, 2 (a wrong argument) or 3 (what is missing, in one line).
set -eu
cd "$(dirname "$0")/../.."
. Scripts/apt.sh

say() { echo "guest: $1" >&2; }
lacks() {
  say "$1"
  exit 3
}

kernel="" modules="" busybox="" arch=x86-64 backports=""
while [ $# -gt 0 ]; do
  option=$1
  shift
  case $option in
  --backports) backports=-backports; continue ;;
  --arch | --kernel | --modules | --busybox) ;;
  *) say "there is no option $option; choose from --arch, --backports, --kernel, --modules, --busybox"; exit 2 ;;
  esac
  [ $# -gt 0 ] || { say "$option needs a value"; exit 2; }
  case $option in
  --arch) arch=$1 ;;
  --kernel) kernel=$1 ;;
  --modules) modules=$1 ;;
  --busybox) busybox=$1 ;;
  esac
  shift
done
[ -z "$backports" ] || [ -z "$kernel$modules" ] || { say "--backports and --kernel both name the kernel"; exit 2; }
[ -z "$kernel" ] && [ -z "$modules" ] || {
  [ -r "$kernel" ] && [ -d "$modules" ] || {
    say "--kernel and --modules go together: a readable vmlinuz, and its directory under lib/modules"
    exit 2
  }
}
[ -z "$busybox" ] || [ -x "$busybox" ] || { say "--busybox names no program: $busybox"; exit 2; }
case $arch in
x86-64) debian=amd64 emulator=qemu-system-x86_64 emulator_package=qemu-system-x86 ;;
arm64) debian=arm64 emulator=qemu-system-aarch64 emulator_package=qemu-system-arm ;;
*) say "there is no architecture $arch; choose from x86-64, arm64"; exit 2 ;;
esac

[ "$(uname -m)" = x86_64 ] || lacks "the guest is made on x86-64, and runs this machine's programs; this machine is $(uname -m)"
if [ -n "$backports" ]; then
  # In a subshell: os-release sets names of its own.
  release=$(. /etc/os-release 2>/dev/null && [ "$ID" = debian ] && echo "${VERSION_CODENAME:-}") || release=""
  [ -n "$release" ] || lacks "--backports is for a release of Debian; elsewhere give --kernel and --modules"
  suite_name=$release-backports
fi
# bios-256k.bin and the boot roms come as packages that qemu-system-x86 depends on.
command -v "$emulator" >/dev/null 2>&1 ||
  apt_install guest "$emulator_package" "QEMU is missing; install it (Debian, Ubuntu: apt-get install $emulator_package)" || exit 3
compiler=""
for candidate in cc clang gcc; do
  command -v "$candidate" >/dev/null 2>&1 && { compiler=$candidate; break; }
done
[ -n "$compiler" ] || lacks "a C compiler is missing; install one (Debian, Ubuntu: apt-get install gcc libc6-dev)"
# The one for programs of the guest.
inner=$compiler
if [ "$arch" = arm64 ]; then
  inner=aarch64-linux-gnu-gcc
  command -v "$inner" >/dev/null 2>&1 ||
    apt_install guest gcc-aarch64-linux-gnu "$inner is missing; install it (Debian, Ubuntu: apt-get install gcc-aarch64-linux-gnu)" ||
    exit 3
  [ -e /usr/aarch64-linux-gnu/lib/libc.a ] ||
    apt_install guest libc6-dev-arm64-cross "a static C library is missing; install libc6-dev-arm64-cross" || exit 3
fi

out=.build/guest
[ "$arch" = x86-64 ] || out=$out/$arch
[ -z "$backports" ] || out=$out/backports
made_of=$(cat Scripts/guest/prepare.sh Scripts/guest/init Scripts/guest/load.h Scripts/guest/load.c Scripts/guest/load-net.c \
  Scripts/guest/load.sh Scripts/guest/count.c | cksum)
wanted="$made_of backports=$backports kernel=$kernel modules=$modules busybox=$busybox"
mkdir -p "$out"
if [ -r "$out/vmlinuz" ] && [ -r "$out/base.cpio" ] && [ "$(cat "$out/made" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
rm -f "$out/made"
work=$(mktemp -d "$PWD/$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# apt TOOL ARGUMENT...: apt-get or apt-cache, with lists of their own ($suite, $of) where these are not the machine's.
suite="" of=amd64 root=$PWD
apt() {
  tool=$1 lists=$root/$out/apt$suite-$of
  shift
  if [ "$suite$of" = amd64 ]; then
    "$tool" "$@"
    return
  fi
  mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
  set -- -o "APT::Architecture=$of" -o "APT::Architectures::=$of" -o "Dir::State::lists=$lists/lists" -o "Dir::Cache=$lists/cache" "$@"
  if [ -n "$suite" ]; then
    keys=/usr/share/keyrings/debian-archive-keyring.gpg signed=""
    [ ! -e "$keys" ] || signed="[signed-by=$keys] "
    echo "deb ${signed}http://deb.debian.org/debian $suite_name main" >"$lists/sources.list"
    set -- -o "Dir::Etc::SourceList=$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null "$@"
  fi
  "$tool" "$@"
}

# Downloads a package into $out/packages and unpacks it into $work/unpacked-$of.
unpack() {
  mkdir -p "$out/packages" "$work/unpacked-$of"
  set -- "$1" "$(find "$out/packages" -name "$1_*_$of.deb" | sort | tail -n 1)"
  if [ -z "$2" ]; then
    say "downloading $1"
    (cd "$out/packages" && apt apt-get download -qq "$1") >"$work/log" 2>&1 || {
      # Lists that name a version which has been replaced meanwhile are renewed once.
      apt_lists && (cd "$out/packages" && apt apt-get download -qq "$1") >"$work/log" 2>&1
    } || lacks "cannot download $1; apt-get said: $(grep -m 1 '^E:' "$work/log" || echo nothing)"
    set -- "$1" "$(find "$out/packages" -name "$1_*_$of.deb" | sort | tail -n 1)"
  fi
  dpkg-deb -x "$2" "$work/unpacked-$of"
}

apt_lists() {
  if [ "$suite$of" = amd64 ] && [ "$(id -u)" -ne 0 ]; then
    sudo -n apt-get update -qq >"$work/log" 2>&1
  else
    apt apt-get update -qq >"$work/log" 2>&1
  fi
}

# The package behind a distribution's name for "the kernel for virtual machines".
kernel_package() {
  for name in linux-image-cloud-$debian linux-image-virtual linux-image-$debian; do
    package=$(apt apt-cache depends "$name" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -z "$package" ] || { echo "$package"; return 0; }
  done
  return 1
}

if [ -z "$kernel" ] || [ -z "$busybox" ]; then
  command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 ||
    lacks "no apt-get here to fetch a kernel and busybox with; give --kernel, --modules and --busybox (a static one)"
fi
if [ -z "$kernel" ]; then
  of=$debian suite=$backports
  package=$(kernel_package) || { apt_lists && package=$(kernel_package); } || {
    [ -z "$backports" ] ||
      lacks "there is no kernel for $debian in $suite_name; apt-get said: $(grep -m 1 '^[EW]:' "$work/log" || echo nothing)"
    lacks "apt-get knows no linux-image-cloud-$debian or linux-image-virtual; give --kernel and --modules"
  }
  unpack "$package"
  unpacked=$work/unpacked-$of
  # Ubuntu keeps the modules in a package of their own.
  set -- "$unpacked"/lib/modules/*/kernel/drivers "$unpacked"/usr/lib/modules/*/kernel/drivers
  [ -d "$1" ] || [ -d "$2" ] || unpack "linux-modules-${package#linux-image-}"
  kernel=$(find "$unpacked/boot" -name 'vmlinuz-*' | head -n 1)
  modules=$(find "$unpacked/lib/modules" "$unpacked/usr/lib/modules" -mindepth 1 -maxdepth 1 -type d \
    2>/dev/null | head -n 1)
  [ -r "$kernel" ] && [ -d "$modules" ] || lacks "$package holds no vmlinuz with modules; give --kernel and --modules"
  suite=""
fi
if [ -z "$busybox" ]; then
  of=$debian
  unpack busybox-static
  busybox=$(find "$work/unpacked-$of" -type f -name busybox -perm -100 | head -n 1)
  [ -x "$busybox" ] || lacks "busybox-static holds no busybox; give --busybox"
fi
# The one that runs here.
outer=$busybox
if [ "$arch" = arm64 ]; then
  of=amd64
  unpack busybox-static
  outer=$(find "$work/unpacked-$of" -type f -name busybox -perm -100 | head -n 1)
  [ -x "$outer" ] || lacks "busybox-static holds no busybox"
fi

tree=$work/tree
version=$(basename "$modules")
mkdir -p "$tree/bin" "$tree/lib/modules/$version" "$tree/dev"
cp "$busybox" "$tree/bin/busybox"
chmod 755 "$tree/bin/busybox"
install -m 755 Scripts/guest/init "$tree/init"
install -m 644 Scripts/guest/load.sh "$tree/load.sh"

# The modules the guest asks for, with all that could stand below them. Packed ones are unpacked: not every busybox can.
for file in $(cd "$modules" && find kernel/drivers/virtio kernel/drivers/vfio kernel/drivers/block kernel/drivers/net/virtio_net.ko* \
  kernel/drivers/net/net_failover.ko* kernel/net/core/failover.ko* kernel/virt/lib kernel/fs/ext4 \
  kernel/drivers/char/hw_random kernel/drivers/input/evdev.ko* \
  kernel/fs/jbd2 kernel/fs/mbcache.ko* kernel/crypto kernel/lib -name '*.ko*' 2>/dev/null |
  grep -E '/(virtio|virtio_ring|virtio_pci|virtio_pci_(modern|legacy)_dev|virtio_blk|virtio_net|virtio_input|evdev|virtio-rng|rng-core|net_failover|failover|vfio[-_a-z0-9]*|irqbypass|ext4|jbd2|mbcache|crc16|crc32c_generic|libcrc32c)\.ko'); do
  to=$tree/lib/modules/$version/${file%%.ko*}.ko
  mkdir -p "$(dirname "$to")"
  case $file in
  *.zst) zstd -qdc "$modules/$file" >"$to" || lacks "zstd is missing; install it (Debian, Ubuntu: apt-get install zstd)" ;;
  *.xz)
    command -v xz >/dev/null 2>&1 ||
      apt_install guest xz-utils "xz is missing; install it (Debian, Ubuntu: apt-get install xz-utils)" || exit 3
    xz -dc "$modules/$file" >"$to" || lacks "xz cannot unpack $file"
    ;;
  *.gz) gzip -dc "$modules/$file" >"$to" ;;
  *) cp "$modules/$file" "$to" ;;
  esac
done
# The packages ship no modules.dep: it is made where they are installed.
"$outer" depmod -b "$tree" "$version"

for program in load load-net; do
  "$inner" -static -O2 -Wall -Wextra -Werror -pthread -o "$tree/bin/$program" "Scripts/guest/$program.c" >"$work/log" 2>&1 ||
    lacks "$inner cannot build a static program ($(grep -m 1 -E 'error|cannot find' "$work/log")); install libc6-dev"
done

(cd "$tree" && find . | "$outer" cpio -o -H newc) >"$work/base.cpio" 2>/dev/null
cp "$kernel" "$work/vmlinuz"
cp "$outer" "$work/busybox"
mv "$work/base.cpio" "$work/vmlinuz" "$work/busybox" "$out/"

# The plugin that counts a guest's instructions. It needs nothing of QEMU to be built; QEMU 9 has another interface.
rm -f "$out/count.so"
release=$("$emulator" --version | sed -n 's/.* version \([0-9]*\)\..*/\1/p')
if [ "${release:-0}" -gt 8 ]; then
  say "instructions cannot be counted: the plugin is for QEMU 4.2 to 8.2, and this is QEMU $release"
elif "$compiler" -shared -fPIC -O2 -Wall -Wextra -Werror -fvisibility=hidden -o "$work/count.so" Scripts/guest/count.c \
  >"$work/log" 2>&1; then
  mv "$work/count.so" "$out/"
else
  say "instructions cannot be counted: $compiler does not build the plugin ($(grep -m 1 error "$work/log"))"
fi
echo "$wanted" >"$out/made"
say "kernel $version and its initramfs are in $out"
