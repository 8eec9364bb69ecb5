# In the guest: a load on /dev/vda all the time, while the machine is stopped, gets more memory, and gets and loses another disk.
rounds=$(sed -n 's/.*interop\.rounds=\([0-9]*\).*/\1/p' /proc/cmdline)
memory() { awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }
before=$(memory)
(
  while [ ! -e /enough ]; do load /dev/vda 2 400 4096 || { touch /failed; exit 1; }; done
) >/steady &
echo "guest: features $(cat /sys/bus/virtio/devices/virtio0/features)"
echo "guest: loaded"
while [ "$(memory)" = "$before" ]; do sleep 0.1; done
# New allocations come from above 4 GiB first, which is where the new memory is.
load /dev/vda 1 1 4096 >/dev/null || exit 1
echo "guest: memory $before $(memory)"
round=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  until [ -b /dev/vdb ]; do sleep 0.05; done
  load /dev/vdb 2 200 4096 || exit 1
  echo "guest: plugged $round"
  # Until it goes.
  while load /dev/vdb 2 200 4096; do :; done >/dev/null 2>&1
  while [ -b /dev/vdb ]; do sleep 0.05; done
  echo "guest: unplugged $round"
done
touch /enough
wait
echo "guest: passes $(grep -c '^load: op=read' /steady)"
[ ! -e /failed ] || { cat /steady; exit 1; }
dmesg | grep -E 'I/O error.*vda|virtio.*broken' | sed 's/^/guest: kernel /'
true
