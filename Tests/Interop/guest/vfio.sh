# In the guest: gives the virtio devices of the emulated VT-d to vfio-pci, and has ringbench drive them.
modprobe vfio_iommu_type1 && modprobe vfio-pci || exit 1
for path in /sys/bus/pci/devices/*; do
  case $(cat "$path/vendor"),$(cat "$path/device") in
  0x1af4,0x1042) disk=$(basename "$path") ;;
  0x1af4,0x1041) net=$(basename "$path") ;;
  esac
done
[ -n "$disk" ] && [ -n "$net" ] || { echo "guest: no virtio disk or network device"; exit 1; }
# While the kernel's own driver has it, the refusal says what to do.
ringbench vfio --device "$disk" 2>&1
echo "guest: bound elsewhere ends with $?"
for address in "$disk" "$net"; do
  echo vfio-pci >"/sys/bus/pci/devices/$address/driver_override"
  [ ! -e "/sys/bus/pci/devices/$address/driver" ] || echo "$address" >"/sys/bus/pci/devices/$address/driver/unbind"
  echo "$address" >/sys/bus/pci/drivers_probe
done
ls -l /dev/vfio

# run NAME ARGUMENTS...: one run, whose document goes to the console.
run() {
  name=$1
  shift
  ringbench vfio "$@" --format json --output "/$name.json" --text-output "/$name.txt"
  code=$?
  [ $code -eq 0 ] || { dmesg | grep -iE 'vfio|dmar' | tail; exit $code; }
  cat "/$name.txt"
  echo "begin $name.json"
  cat "/$name.json"
  echo "end $name.json"
}
run vfio --device "$disk" --requests 1000 --overwrite
run queues --device "$disk" --requests 300 --overwrite --queues 2 --interrupts --no-fault
run net --device "$net" --requests 500
run net-interrupts --device "$net" --requests 200 --frame 60 --interrupts
# What the device does not have is refused by name.
ringbench vfio --device "$disk" --queues 3 2>&1
echo "guest: too many queues end with $?"
ringbench vfio --device "$net" --overwrite 2>&1
echo "guest: a network device that is overwritten ends with $?"
