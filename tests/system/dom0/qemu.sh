# Images that QEMU knows and the kernel does not, with our daemons and Debian's QEMU, one process for each domain. "web" copies a qcow2 image onto a vhd,
# gets a third and gives it back; hospesd is killed under it. "other" is taken down by Debian's xl.
qdisk=/local/domain/0/backend/qdisk
ours() { /trial/bin/xl "$@"; }
backend() { xenstore-read "$qdisk/$(ours domid "$1")/$2"; }
connected() { [ "$(backend web "$1/state")" = 4 ]; }
same() { [ "$(ask 10.77.0.11 "sha256sum </dev/$1")" = "$(sha256sum <"$2")" ]; }
serving() { pgrep -c xen-qemu; }
nobody() { [ -z "$(xenstore-list $qdisk 2>/dev/null)" ] && ! pgrep xen-qemu; }
img() { LD_LIBRARY_PATH=/trial/qemu/lib /trial/qemu/qemu-img "$@"; }
# What its QEMU said belongs to a failure.
make() { ours create -q "$1.cfg" 2>&1 || cat /var/log/xen/*"-$1.log"; }
domain() { # name address disks
	cat >"$1.cfg" <<END
name = "$1"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=$2"
memory = 128
disk = [ $3 ]
vif = [ "bridge=br0" ]
END
}
for m in xen-evtchn xen-gntdev xen-privcmd xenfs xen-netback; do modprobe $m; done
mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
mkdir -p /run/xen /run/xenstored /var/log/xen/console /var/lib/xen
ip link add br0 type bridge
ip address add 10.77.0.1/24 dev br0
ip link set br0 up
cd /tmp
cat >qemu <<'END'
#!/bin/sh
LD_LIBRARY_PATH=/trial/qemu/lib exec /trial/qemu/xen-qemu-system-i386 "$@"
END
chmod 755 qemu /trial/bin/* /trial/qemu/*
dd if=/dev/urandom of=from.img bs=1M count=8 status=none
dd if=/dev/urandom of=more.img bs=1M count=1 status=none
img convert -O qcow2 from.img from.qcow2
img convert -O qcow2 more.img more.qcow2
img create -q -f vpc -o force_size=on to.vhd 8M
domain web 10.77.0.11 '"/tmp/from.qcow2,qcow2,xvda,w", "/tmp/to.vhd,vhd,xvdb,w"'
domain other 10.77.0.12 '"/tmp/more.qcow2,qcow2,xvda,w"'
step daemons
try /trial/bin/xenstored --pid-file /run/xenstored.pid
until_ok test -S /run/xenstored/socket
/trial/bin/xen-init-dom0 >/dev/null
try /trial/bin/xenconsoled --pid-file=/run/xenconsoled.pid --log=guest
# QEMU is slow here.
try /trial/bin/hospesd --qemu /tmp/qemu --wait qemu=240000 && echo serves
step create
make web
until_ok guest_up 10.77.0.11 && echo "web is up"
for disk in 51712 51728; do echo "$(backend web $disk/params) $(backend web $disk/state)"; done
step copy
# Not by ask(): it may take long.
printf 'dd if=/dev/xvda of=/dev/xvdb bs=64k iflag=direct oflag=direct 2>/dev/null; sha256sum </dev/xvda; exit\n' | timeout 1200 nc -N -w 1200 10.77.0.11 7 >answer
[ "$(cat answer)" = "$(sha256sum <from.img)" ] && echo "the same in the guest"
step attach
kill -9 "$(pidof hospesd)"
try /trial/bin/hospesd --qemu /tmp/qemu --wait qemu=240000
try ours block-attach web qcow2:/tmp/more.qcow2,xvdc,w
until_ok connected 51744 && echo "connected"
until_ok same xvdc more.img && echo "the same in the guest"
serving
try ours block-detach web xvdc
xenstore-list "$qdisk/$(ours domid web)"
step the other xl
make other
until_ok guest_up 10.77.0.12 && echo "other is up"
serving
try xl destroy other
until_ok gone other && echo "other is gone"
until_ok same xvdb from.img && echo "web has its disks"
step destroy
try ours destroy web
until_ok gone web && echo "web is gone"
until_ok nobody && echo "nobody serves"
img convert -f vpc -O raw to.vhd to.img
cmp from.img to.img && echo "the same in the image"
