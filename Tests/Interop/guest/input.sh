# In the guest: the keys of a virtio-input keyboard, as its event device gives them; says when it waits for them.
modprobe evdev && modprobe virtio_input || exit 1
echo "guest: features $(cat /sys/bus/virtio/devices/virtio0/features)"
event=$(sed -n '/^N: Name="ringkit keyboard"/,/^$/s/^H: Handlers=.*\(event[0-9]*\).*/\1/p' /proc/bus/input/devices)
[ -n "$event" ] || { cat /proc/bus/input/devices; echo "guest: no keyboard came up"; exit 1; }
# Nothing is lost from here on: the device is open.
exec 3<"/dev/input/$event"
echo "guest: waiting"
# An event is 24 bytes: time, type, code, value. Four for each key: pressed, a report, released, a report.
for key in 1 2; do
  head -c 96 <&3 >/events || exit 1
  echo "guest: key $key $(od -An -v -tu2 -w24 /events | awk '{ printf "%s/%s/%s ", $9, $10, $11 }')"
done
dmesg | grep -iE 'virtio.*(broken|error)' | sed 's/^/guest: kernel /'
true
