# In the guest: frames through a network device that returns them.
modprobe virtio_net || exit 1
device=/sys/bus/virtio/devices/virtio0
name=$(ls $device/net) || { echo "guest: no network device came up"; exit 1; }
echo "guest: features $(cat $device/features)"
ip link set "$name" up || exit 1
frames "$name" 7500
