# In the guest: what was negotiated, then the loads, then what they left behind. Words of the kernel command line:
#
#   ringkit.device=blk                      or net: what is loaded, a disk, or an interface whose frames come back
#   ringkit.load=THREADS,REQUESTS,BYTES     the load whose times, or whose instructions, are wanted
#   ringkit.traced=THREADS,REQUESTS,BYTES   another one after it, of which the kernel counts its trace events
#   ringkit.symbols=1                       at last the kernel's functions are written to the start of the disk
word() { sed -n "s/.*ringkit\.$1=\([a-z0-9,]*\).*/\1/p" /proc/cmdline | tr ',' ' '; }
kind=$(word device)
load=$(word load)
traced=$(word traced)
[ "$kind" != net ] || modprobe virtio_net
device=""
for found in /sys/bus/virtio/drivers/virtio_${kind:-blk}/virtio*; do
  [ -n "$device" ] || [ ! -d "$found" ] || device=$found
done
[ -n "$device" ] || { echo "guest: no virtio device came up"; exit 1; }
program="load /dev/vda"
# Frames before the first load, which are not counted.
first=""
if [ "$kind" = net ]; then
  name=$(ls $device/net)
  program="load-net $name"
  first=64
  ip link set "$name" up || exit 1
fi
echo "guest: features $(cat $device/features)"
echo "guest: iommu $(cat $device/../iommu_group/type 2>/dev/null || echo none)"
used=/sys/kernel/debug/swiotlb/io_tlb_used
[ -r $used ] || used=""
# A queue that the firmware left running meets the IOMMU as it is switched on: faults from here on are ours.
dmesg -c >/dev/null
code=0
# Tracing and watching cost instructions: with a traced load there is neither before it.
if [ -n "$traced" ]; then
  # shellcheck disable=SC2086
  $program $load $first
  code=$?
  first=${first:+0}
  load=$traced
  echo "guest: traced"
fi
trace=/sys/kernel/tracing
events=""
if [ -n "$traced" ]; then
  mount -t tracefs tracefs $trace
  for event in iommu/map iommu/unmap swiotlb/swiotlb_bounced block/block_rq_issue; do
    [ -d $trace/events/$event ] || continue
    mkdir $trace/instances/${event##*/}
    # The ring may lose old entries: what is counted is written plus overwritten.
    echo 1 >$trace/instances/${event##*/}/events/$event/enable
    events="$events ${event##*/}"
  done
fi
if [ $code -eq 0 ]; then
  # shellcheck disable=SC2086
  $program $load $first $used
  code=$?
fi
for event in $events; do
  echo 0 >$trace/instances/$event/tracing_on
  echo "guest: event $event $(cat $trace/instances/$event/per_cpu/cpu*/stats |
    awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }')"
done
# Buffers to receive into have slots as long as the driver is there.
if [ "$kind" = net ] && [ -n "$used" ]; then echo "${device##*/}" >${device%/*}/unbind; fi
[ -z "$used" ] || echo "guest: io_tlb_used $(cat $used) of $(cat /sys/kernel/debug/swiotlb/io_tlb_nslabs)"
if [ "$(word symbols)" = 1 ]; then
  # The serial line would take minutes for them.
  grep -i ' [tw] ' /proc/kallsyms >/tmp/symbols
  dd if=/tmp/symbols of=/dev/vda bs=1M conv=fsync 2>/dev/null
  echo "guest: symbols $(wc -c </tmp/symbols)"
fi
dmesg | grep -iE 'DMAR:.*fault|arm-smmu-v3.*event|I/O error|virtio.*(broken|error)' | sed 's/^/guest: kernel /'
exit $code
