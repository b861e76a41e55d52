# One PVH guest of each kernel with console, disk and network, through everything xl does with a guest.
ip link add br0 type bridge
ip address add 10.77.0.1/24 dev br0
ip link set br0 up
modprobe xen-blkback
modprobe xen-netback
dd if=/dev/urandom of=/tmp/disk.img bs=1M count=8 status=none
dd if=/dev/urandom of=/tmp/second.img bs=1M count=2 status=none
dd if=/dev/urandom of=/tmp/file bs=1M count=1 status=none

make() { # name kernel address vcpus
	cat >"/tmp/$1.cfg" <<END
name = "$1"
type = "pvh"
kernel = "/guests/vmlinuz-$2"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=$3"
memory = 128
vcpus = $4
maxvcpus = 2
disk = [ "/tmp/disk.img,raw,xvda,r" ]
vif = [ "mac=00:16:3e:00:00:0$4,bridge=br0" ]
on_crash = "destroy"
END
}

# The guest listens a little later than it says, and the last bytes take a while. What it leaves running must not hold the connection that asked.
give() { nc -N -w 60 10.77.0.2 9 </tmp/file; }
take() { nc -d -w 60 10.77.0.2 9 >/tmp/back; }
has_file() { [ "$(ask 10.77.0.2 'sha256sum </tmp/file')" = "$(sha256sum </tmp/file)" ]; }
two_cpus() { ask 10.77.0.2 'echo 1 >/sys/devices/system/cpu/cpu1/online; nproc' 8 | grep -q 2; }

make first "$kernel" 10.77.0.2 1
step create
try xl create -q /tmp/first.cfg
until_ok guest_up 10.77.0.2 || { timeout 30 xl console first </dev/null; xl list; exit 1; }
xl list first | columns 1,3,4
step console
on_console first 'GUEST up: .*' | tr -d '\r' | sed 's/[0-9.-]*-\(cloud-\)*amd64/KERNEL/'
step ping
ping -q -c 3 -i 0.2 10.77.0.2 | grep -o '[0-9]* packets transmitted, [0-9]* received'
step disk
[ "$(ask 10.77.0.2 'sha256sum </dev/xvda')" = "$(sha256sum </tmp/disk.img)" ] && echo "the same"
step file to guest
ask 10.77.0.2 'nc -l -p 9 >/tmp/file 2>/dev/null &' >/dev/null
until_ok give
until_ok has_file && echo "the same"
step file from guest
ask 10.77.0.2 'nc -l -p 9 </tmp/file >/dev/null 2>&1 &' >/dev/null
until_ok take
cmp /tmp/file /tmp/back && echo "the same"
step pause
try xl pause first
state_of first
ping -q -c 1 -W 1 10.77.0.2 | grep -o '[0-9]* received'
try xl unpause first
until_ok guest_up 10.77.0.2
step mem-set down
try xl mem-set first 100
until_ok sh -c '[ "$(xl list first | awk "NR == 2 { print \$3 }")" -le 100 ]' && echo done
step mem-set up
try xl mem-set first 128
until_ok sh -c '[ "$(xl list first | awk "NR == 2 { print \$3 }")" -ge 127 ]' && echo done
step vcpu-set
try xl vcpu-set -i first 2
# Linux makes the CPU known; its user space brings it up.
until_ok two_cpus && echo "two CPUs"
xl vcpu-list first | columns 1,3
step vcpu-pin
try xl vcpu-pin first 0 0
# On a machine of one CPU that is all of them.
xl vcpu-list first | awk '$3 == 0 { print $7, $8, $9 }' | sed 's/^all/0/'
step sched-credit2 of a guest
try xl sched-credit2 -d first -w 512
try xl sched-credit2 -d first | columns 1,3,4
step block-attach
try xl block-attach first '/tmp/second.img,raw,xvdb,w'
until_ok disks 10.77.0.2 with xvdb
[ "$(ask 10.77.0.2 'sha256sum </dev/xvdb')" = "$(sha256sum </tmp/second.img)" ] && echo "the same"
ask 10.77.0.2 'dd if=/tmp/file of=/dev/xvdb bs=64k conv=fsync 2>/dev/null; sync; echo written'
xl block-list first | columns 1,2,4
step block-detach
try xl block-detach first xvdb
until_ok disks 10.77.0.2 no xvdb
cmp -n 1048576 /tmp/file /tmp/second.img && echo "the same"
step network-attach
try xl network-attach first bridge=br0 mac=00:16:3e:00:00:77
until_ok sh -c "xl network-list first | grep -q '00:16:3e:00:00:77.* 4 '"
xl network-list first | columns 1,2,3,5
step network-detach
try xl network-detach first 1
until_ok sh -c "! xl network-list first | grep -q '00:16:3e:00:00:77'"
step rename
try xl rename first renamed
xl domname "$(xl domid renamed)"
step sysrq
try xl sysrq renamed h
sleep 1
step trigger nmi
try xl trigger renamed nmi
until_ok guest_up 10.77.0.2 && echo "still up"
step reboot
old=$(xl domid renamed)
try xl reboot -F renamed 2>&1 | grep -v PV | sed 's/domain [0-9]*/domain N/'
until_ok sh -c "[ \"\$(xl domid renamed 2>/dev/null || echo $old)\" != $old ]"
until_ok guest_up 10.77.0.2 && echo "up again"
step shutdown
try xl shutdown renamed | sed 's/domain [0-9]*/domain N/'
ask 10.77.0.2 'poweroff -f' 8 >/dev/null
until_ok gone renamed && echo gone
step destroy
try xl create -q /tmp/first.cfg
until_ok guest_up 10.77.0.2
try xl destroy first
until_ok gone first && echo gone
xl list | columns 1,2
step crash
try xl create -q /tmp/first.cfg
until_ok guest_up 10.77.0.2
ask 10.77.0.2 'echo c >/proc/sysrq-trigger' 8 >/dev/null
until_ok gone first && echo gone
step devices left
ip -o link show type bridge_slave | grep -c vif
losetup -a | grep -c .
