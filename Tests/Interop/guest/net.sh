# In the guest: frames through a network device that returns them. interop.frames=COUNT,LOSSES of the kernel command line are
# those of the program, 7500 and none by default.
modprobe virtio_net || exit 1
device=/sys/bus/virtio/devices/virtio0
name=$(ls $device/net) || { echo "guest: no network device came up"; exit 1; }
echo "guest: features $(cat $device/features)"
ip link set "$name" up || exit 1
# shellcheck disable=SC2046
frames "$name" $(sed -n 's/.*interop\.frames=\([0-9]*\),\([0-9]*\).*/\1 \2/p; t; s/.*/7500/p' /proc/cmdline)
