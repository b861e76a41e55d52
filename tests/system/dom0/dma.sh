# A guest's disk is a whole disk of the machine, its network is bridged to a card of the machine: the devices themselves read and write pages
# that the guest granted. Every byte is compared, in both directions. $from and $to: TCP ports of the world outside that give and take a file;
# $size: its bytes.
disk=$(readlink -f /dev/disk/by-id/*granted*)
modprobe xen-blkback
modprobe xen-netback
for card in /sys/class/net/*; do
	[ "$(basename "$(readlink -f "$card/device/driver")")" = e1000e ] && card=$(basename "$card") && break
done
ip link add br0 type bridge
ip link set "$card" master br0
ip address add 10.0.2.15/24 dev br0
ip link set "$card" up
ip link set br0 up
step arguments
grep -o 'swiotlb=[a-z]*' /proc/cmdline
cat >/tmp/first.cfg <<END
name = "first"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=10.0.2.50"
memory = 160
vcpus = 1
disk = [ "phy:$disk,xvda,w" ]
vif = [ "mac=00:16:3e:00:00:01,bridge=br0" ]
END
in_guest() { printf '%s\nexit\n' "$1" | timeout 120 nc -q 1 -w 110 10.0.2.50 7; }
step create
try xl create -q /tmp/first.cfg
until_ok guest_up 10.0.2.50 || { timeout 30 xl console first </dev/null; xl list; exit 1; }
step disk read
in_guest 'sha256sum </dev/xvda | cut -c1-64'
step disk written
in_guest "dd if=/dev/urandom of=/tmp/file bs=64k count=$((size / 65536)) 2>/dev/null; dd if=/tmp/file of=/dev/xvda bs=64k conv=fsync 2>/dev/null; sha256sum </tmp/file | cut -c1-64"
step disk read back
in_guest "echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/xvda bs=64k count=$((size / 65536)) 2>/dev/null | sha256sum | cut -c1-64"
step network in
in_guest "nc 10.0.2.2 $from </dev/null >/tmp/in; sha256sum </tmp/in | cut -c1-64"
step network out
in_guest "nc 10.0.2.2 $to </tmp/file"
step faults
dmesg | grep -E 'swiotlb buffer is full|ata[0-9.]+: (exception|failed)|Hardware Error|Detected Hardware Unit Hang'
try xl destroy first
