# Our daemons and xl ("ours"), with Debian's xl beside them, on a dom0 whose own daemons were not started.
ours() { /trial/bin/xl "$@"; }
up() { until_ok guest_up "$1" && echo "$2 is up${3:+ $3}"; }
domain() { # name address number of disks
	cat >"/tmp/$1.cfg" <<END
name = "$1"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=$2"
memory = 128
vcpus = 1
maxvcpus = 2
disk = [ $3 ]
vif = [ "mac=$4,bridge=br0" ]
END
}
left() {
	echo "$(losetup -a | grep -vc "$spare") loop devices"
	echo "$(ip -o link show type bridge_slave | grep -c vif) ports"
}
for m in xen-evtchn xen-gntdev xen-privcmd xenfs loop xen-blkback xen-netback; do modprobe $m; done
mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
mkdir -p /run/xen /run/xenstored /var/log/xen/console /var/lib/xen
chmod 755 /trial/bin/*
ip link add br0 type bridge
ip address add 10.77.0.1/24 dev br0
ip link set br0 up
dd if=/dev/urandom of=/tmp/disk.img bs=1M count=8 status=none
dd if=/dev/urandom of=/tmp/second.img bs=1M count=2 status=none
truncate -s 4M /tmp/spare.img
spare=$(losetup -f --show /tmp/spare.img)
step daemons
try /trial/bin/xenstored --pid-file /run/xenstored.pid
until_ok test -S /run/xenstored/socket
/trial/bin/xen-init-dom0 >/dev/null
try /trial/bin/xenconsoled --pid-file=/run/xenconsoled.pid --log=guest
try /trial/bin/hospesd && echo serves
domain one 10.77.0.11 '"/tmp/disk.img,raw,xvda,r"' 00:16:3e:00:00:01
domain two 10.77.0.12 "\"/tmp/disk.img,raw,xvda,r\", \"phy:$spare,xvdb,w\"" 00:16:3e:00:00:02
domain three 10.77.0.13 '"/tmp/disk.img,raw,xvda,r"' 00:16:3e:00:00:03
step create
try ours create -q /tmp/one.cfg | cat
try ours create -q /tmp/two.cfg | cat
up 10.77.0.11 one
up 10.77.0.12 two
step the other xl
xl list | columns 1,3,4 | grep -v -e Name -e Domain-0
xl block-list two | columns 1,2,4 | grep -v Vdev
xl network-list one | columns 3,5 | grep -v Mac
step disk and net
ping -q -c 2 -i 0.2 10.77.0.12 | grep -o '[0-9]* packets transmitted, [0-9]* received'
[ "$(ask 10.77.0.11 'sha256sum </dev/xvda')" = "$(sha256sum </tmp/disk.img)" ] && echo "the same"
ip -o link show type bridge_slave | sed 's/.* \(vif[0-9.]*\): .* master \([a-z0-9]*\) .*/\1 \2/'
step attach
try ours block-attach one '/tmp/second.img,raw,xvdc,w'
[ "$(ask 10.77.0.11 'sha256sum </dev/xvdc')" = "$(sha256sum </tmp/second.img)" ] && echo "the same"
try ours network-attach one bridge=br0 mac=00:16:3e:00:00:77
until_ok sh -c "xl network-list one | grep -q '00:16:3e:00:00:77.* 4 '"
xl network-list one | columns 3,5 | grep 77
try ours block-detach one xvdc
try ours network-detach one 1
ours block-list one | columns 1 | grep -v Vdev
ours network-list one | columns 3 | grep -v Mac
step reboot
ask 10.77.0.11 'reboot -f' >/dev/null
until_ok sh -c "/trial/bin/xl list one | grep -q ' 3 '"
up 10.77.0.11 one again
ours list one | columns 1,2 | grep -v Name
step killed
kill -9 "$(pidof hospesd)"
/trial/bin/hospesd
guest_up 10.77.0.11 && guest_up 10.77.0.12 && echo both up
step destroyed by the other
try xl destroy two
until_ok gone two && echo gone
until_ok sh -c '! xenstore-ls /hospes/2' && echo "nothing in /hospes/2"
step destroyed
try ours destroy one
gone one >/dev/null 2>&1 && echo gone
step nothing is left
left
step the other creates
try xl create -q /tmp/three.cfg
up 10.77.0.13 three
try ours block-attach three '/tmp/second.img,raw,xvdc,w'
[ "$(ask 10.77.0.13 'sha256sum </dev/xvdc')" = "$(sha256sum </tmp/second.img)" ] && echo "the same"
try ours destroy three
gone three >/dev/null 2>&1 && echo gone
step nothing is left again
left
