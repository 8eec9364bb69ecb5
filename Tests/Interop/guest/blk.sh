# In the guest: a load, then files on a filesystem of their own, on /dev/vda. What was negotiated is printed for the outside.
device=/sys/bus/virtio/devices/virtio0
# Where there is no bounce pool at all, none of it is in use.
used=/sys/kernel/debug/swiotlb/io_tlb_used
[ -r $used ] || { used=/none; echo 0 >/none; }
[ -b /dev/vda ] || { echo "guest: no /dev/vda came up"; exit 1; }
echo "guest: features $(cat $device/features)"
echo "guest: iommu $(cat $device/../iommu_group/type 2>/dev/null || echo none)"

# A queue that the firmware left running meets the IOMMU as it is switched on: faults from here on are ours.
dmesg -c >/dev/null
# Two threads' random writes and reads, every word compared; the load also looks how many bounce slots are in use at most.
load /dev/vda 2 "${REQUESTS:-300}" 4096 $used || exit 1

mke2fs -F /dev/vda >/dev/null || exit 1
mount -t ext2 /dev/vda /mnt || exit 1
mkdir /mnt/files
for i in $(seq 40); do head -c $((i * 4000)) /dev/urandom >/mnt/files/$i; done
(cd /mnt && sha256sum files/*) >/sums
sync
umount /mnt
# From the device, not from what is left in memory.
echo 3 >/proc/sys/vm/drop_caches
mount -t ext2 -o ro /dev/vda /mnt || exit 1
(cd /mnt && sha256sum -c /sums) | grep -vc ': OK$' | sed 's/^/guest: files damaged /'
echo "guest: files whole $(cd /mnt && sha256sum -c /sums | grep -c ': OK$')"
umount /mnt
echo "guest: slots left $(cat $used)"
dmesg | grep -iE 'DMAR:.*fault|I/O error|ext[24].*error' | sed 's/^/guest: kernel /'
[ -b /dev/vda ]
