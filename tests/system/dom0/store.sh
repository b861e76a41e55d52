# Our store ends and comes back in every way under two running guests with disk and network: they and xl go on.
ip link add br0 type bridge
ip address add 10.77.0.1/24 dev br0
ip link set br0 up
modprobe xen-blkback
modprobe xen-netback
dd if=/dev/urandom of=/tmp/second.img bs=1M count=2 status=none

make() { # name address number
	dd if=/dev/urandom of="/tmp/$1.img" bs=1M count=8 status=none
	cat >"/tmp/$1.cfg" <<END
name = "$1"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=$2"
memory = 128
vcpus = 1
disk = [ "/tmp/$1.img,raw,xvda,r" ]
vif = [ "mac=00:16:3e:00:00:0$3,bridge=br0" ]
END
}
# Everything that needs the store, of dom0's kernel, of guests' kernels and of xl.
works() {
	for ip in 2 3; do
		until_ok guest_up "10.77.0.$ip" && echo "10.77.0.$ip is up"
	done
	[ "$(ask 10.77.0.2 'sha256sum </dev/xvda')" = "$(sha256sum </tmp/one.img)" ] && echo "the same disk"
	try xl block-attach one '/tmp/second.img,raw,xvdb,w'
	until_ok disks 10.77.0.2 with xvdb && echo attached
	[ "$(ask 10.77.0.2 'sha256sum </dev/xvdb')" = "$(sha256sum </tmp/second.img)" ] && echo "the same"
	try xl block-detach one xvdb
	until_ok disks 10.77.0.2 no xvdb && echo detached
	xl list | columns 1,3,4 | grep -v Domain-0
	xenstore-ls -f /local/domain | grep -c -E '^/local/domain/[0-9]+/(name|control/feature-poweroff) = '
}
pid() { systemctl show -P MainPID xenstored; }
serves_another() { [ "$(systemctl is-active xenstored)" = active ] && [ "$(pid)" != "$old" ] && xenstore-read domid && pidof xenconsoled; }

step store
systemctl is-active xenstored
readlink "/proc/$(pid)/exe"
pidof oxenstored
make one 10.77.0.2 1
make two 10.77.0.3 2
try xl create -q /tmp/one.cfg
try xl create -q /tmp/two.cfg
step works
works
for way in 'systemctl restart xenstored' 'kill -KILL $(pid)' 'kill -TERM $(pid)'; do
	step "after $way"
	old=$(pid)
	eval "$way"
	until_ok serves_another
	works
done
step "after systemctl reload xenstored"
old=$(pid)
try systemctl reload xenstored
[ "$(pid)" = "$old" ] && echo "the same process"
works
step console
# The daemon of consoles is a new one: it has only what the guest says from now on.
ask 10.77.0.2 'echo still here >/dev/hvc0' >/dev/null
on_console one '^still here' | grep -c .
step end
try xl destroy two
until_ok gone two && echo gone
try xl create -q /tmp/two.cfg
until_ok guest_up 10.77.0.3 && echo "up again"
try xl destroy one
try xl destroy two
until_ok gone one && echo gone
xl list | columns 1,2
xenstore-list /local/domain
ip -o link show type bridge_slave | grep -c vif
losetup -a | grep -c .
step failed units
systemctl --failed --no-legend --no-pager --plain
