# In the guest: a load on /dev/vda that compares everything, until the outside writes to the last block; the machine moves meanwhile.
echo "guest: features $(cat /sys/bus/virtio/devices/virtio0/features)"
# A queue that the firmware left running meets the IOMMU as it is switched on: faults from here on are ours.
dmesg -c >/dev/null
move /dev/vda 2 || exit 1
dmesg | grep -E 'DMAR:.*fault|I/O error|virtio.*(broken|error)|BUG:|Oops' | sed 's/^/guest: kernel /'
true
