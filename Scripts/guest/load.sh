# In the guest: what was negotiated, then the load of ringkit.load=THREADS,REQUESTS,BYTES, then what it left behind.
device=/sys/bus/virtio/devices/virtio0
load=$(sed -n 's/.*ringkit\.load=\([0-9,]*\).*/\1/p' /proc/cmdline | tr ',' ' ')
[ -d "$device" ] || { echo "guest: no virtio device came up"; exit 1; }
echo "guest: features $(cat $device/features)"
echo "guest: iommu $(cat $device/../iommu_group/type 2>/dev/null || echo none)"
used=/sys/kernel/debug/swiotlb/io_tlb_used
[ -r $used ] || used=""
# Counted by the kernel's own trace events; not under KVM, where times are wanted.
trace=/sys/kernel/tracing
events=""
case " $(cat /proc/cmdline) " in *" ringkit.trace=1 "*)
  mount -t tracefs tracefs $trace
  for event in iommu/map iommu/unmap swiotlb/swiotlb_bounced block/block_rq_issue; do
    [ -d $trace/events/$event ] || continue
    mkdir $trace/instances/${event##*/}
    # The ring may lose old entries: what is counted is written plus overwritten.
    echo 1 >$trace/instances/${event##*/}/events/$event/enable
    events="$events ${event##*/}"
  done
esac
# A queue that the firmware left running meets the IOMMU as it is switched on: faults from here on are ours.
dmesg -c >/dev/null
# shellcheck disable=SC2086
load /dev/vda $load $used
code=$?
for event in $events; do
  echo 0 >$trace/instances/$event/tracing_on
  echo "guest: event $event $(cat $trace/instances/$event/per_cpu/cpu*/stats |
    awk '/^(entries|overrun):/ { n += $2 } END { print n + 0 }')"
done
[ -z "$used" ] || echo "guest: io_tlb_used $(cat $used) of $(cat /sys/kernel/debug/swiotlb/io_tlb_nslabs)"
dmesg | grep -iE 'DMAR:.*fault|I/O error|virtio.*(broken|error)' | sed 's/^/guest: kernel /'
exit $code
