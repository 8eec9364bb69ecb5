# In the guest: a load on each CPU, and which queues it went through.
echo "guest: features $(cat /sys/bus/virtio/devices/virtio0/features)"
echo "guest: queues $(cat /sys/block/vda/mq/*/cpu_list | tr '\n' ' ')"
load /dev/vda 4 500 4096 || exit 1
# A queue's name, and the interrupts of all CPUs.
awk '/virtio0-req/ { n = 0; for (i = 2; i <= 5; i++) n += $i; if (n > 0) used++ } END { print "guest: queues used " used + 0 }' /proc/interrupts
dmesg | grep -iE 'I/O error|virtio.*(broken|error)' | sed 's/^/guest: kernel /'
true
