# In the guest: random bytes from a virtio-rng device, 1 MiB in parts; each part is told, so that the outside knows how far it is.
modprobe virtio-rng || exit 1
echo "guest: features $(cat /sys/bus/virtio/devices/virtio0/features)"
echo "guest: source $(cat /sys/class/misc/hw_random/rng_current)"
for part in $(seq 16); do
  dd if=/dev/hwrng bs=4096 count=16 iflag=fullblock 2>/dev/null >>/bytes || exit 1
  echo "guest: part $part"
done
echo "guest: bytes $(wc -c </bytes)"
# Random bytes cannot be packed; constant ones, or a pattern, can.
echo "guest: packed $(gzip -c /bytes | wc -c)"
echo "guest: halves $(for part in 0 1; do dd if=/bytes bs=65536 skip=$((part * 8)) count=8 2>/dev/null | sha256sum; done | sort -u | wc -l)"
dmesg | grep -iE 'virtio.*(broken|error)' | sed 's/^/guest: kernel /'
true
