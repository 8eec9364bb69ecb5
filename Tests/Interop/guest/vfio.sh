# In the guest: gives the virtio-blk device of the emulated VT-d to vfio-pci, and has ringbench drive it.
modprobe vfio_iommu_type1 && modprobe vfio-pci || exit 1
for path in /sys/bus/pci/devices/*; do
  [ "$(cat "$path/vendor")" = 0x1af4 ] && address=$(basename "$path")
done
[ -n "$address" ] || { echo "guest: no virtio device"; exit 1; }
# While the kernel's own driver has it, the refusal says what to do.
ringbench vfio --device "$address" 2>&1
echo "guest: bound elsewhere ends with $?"
echo vfio-pci >"/sys/bus/pci/devices/$address/driver_override"
echo "$address" >/sys/bus/pci/drivers/virtio-pci/unbind
echo "$address" >/sys/bus/pci/drivers_probe
ls -l /dev/vfio
ringbench vfio --device "$address" --requests 1000 --overwrite --format json --output /vfio.json --text-output /vfio.txt
code=$?
[ $code -eq 0 ] || { dmesg | grep -iE 'vfio|dmar' | tail; exit $code; }
cat /vfio.txt
echo "begin vfio.json"
cat /vfio.json
echo "end vfio.json"
