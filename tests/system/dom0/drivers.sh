# A driver domain: it has the disks and the bridge, "web" uses them. Killed in the middle of a copy and made again it goes on with the rings, and the copy
# does not notice. One request at a time is under way, as with any back end that answers in the order of the requests.
ours() { /trial/bin/xl "$@"; }
serves() { [ "$(xenstore-read "/local/domain/$(ours domid drv)/backend/$1/$(ours domid web)/$2/state")" = 4 ]; }
for m in xen-evtchn xen-gntdev xen-privcmd xenfs loop xen-blkback xen-netback; do modprobe $m; done
mountpoint -q /proc/xen || mount -t xenfs xenfs /proc/xen
mkdir -p /run/xen /run/xenstored /var/log/xen/console /var/lib/xen /tmp/drv/bin /tmp/drv/modules
chmod 755 /trial/bin/*
ip link add br0 type bridge
ip address add 10.77.0.1/24 dev br0
ip link set br0 up
# The driver domain's own initial RAM disk: dom0's modules, our xl, and what to start.
modprobe -aD bridge xen-blkback xen-netback xen-blkfront xen-netfront | sed -n 's/^insmod \(.*\.ko\).*/\1/p' | awk '!seen[$0]++' >/tmp/drv/order
n=0
while read -r ko; do
	n=$((n + 1))
	cp "$ko" "/tmp/drv/modules/$(printf %02d $n).ko"
done </tmp/drv/order
cp /trial/bin/xl /trial/bin/no-sg /tmp/drv/bin/
cat >/tmp/drv/serve <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/hvc0 >/dev/hvc0 2>&1
for ko in /modules/*.ko; do insmod "$ko"; done
until [ -d /sys/class/net/eth0 ] && [ -e /dev/xvda ] && [ -e /dev/xvdb ]; do usleep 50000; done
no-sg eth0
ip link add br1 type bridge
ip link set eth0 master br1
ip link set eth0 up
ip link set br1 up
echo "drv serves"
while :; do /bin/xl devd -F; sleep 1; done
END
chmod 755 /tmp/drv/serve
{ zcat /guests/initramfs.gz; (cd /tmp/drv && find serve bin modules | cpio --quiet -o -H newc); } >/tmp/drv.cpio
dd if=/dev/urandom of=/tmp/from.img bs=1M count=24 status=none
truncate -s 24M /tmp/to.img
cat >/tmp/drv.cfg <<END
name = "drv"
type = "pvh"
kernel = "/guests/vmlinuz-generic"
ramdisk = "/tmp/drv.cpio"
extra = "console=hvc0 quiet panic=1 rdinit=/serve"
memory = 192
disk = [ "/tmp/from.img,raw,xvda,r", "/tmp/to.img,raw,xvdb,w" ]
vif = [ "mac=00:16:3e:00:00:01,bridge=br0" ]
END
cat >/tmp/web.cfg <<END
name = "web"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet panic=1 address=10.77.0.11"
memory = 128
disk = [ "backend=drv,vdev=xvda,access=r,format=raw,target=/dev/xvda", "backend=drv,vdev=xvdb,access=w,format=raw,target=/dev/xvdb" ]
vif = [ "mac=00:16:3e:00:00:02,bridge=br1,backend=drv" ]
END
step daemons
try /trial/bin/xenstored --pid-file /run/xenstored.pid
until_ok test -S /run/xenstored/socket
/trial/bin/xen-init-dom0 >/dev/null
try /trial/bin/xenconsoled --pid-file=/run/xenconsoled.pid --log=guest
try /trial/bin/hospesd && echo serves
step driver domain
try ours create -q /tmp/drv.cfg | cat
until_ok grep -q "drv serves" /var/log/xen/console/guest-drv.log && echo "drv is up"
step web
try ours create -q /tmp/web.cfg | cat
until_ok guest_up 10.77.0.11 && echo "web is up"
for d in "vbd 51712" "vbd 51728" "vif 0"; do until_ok serves $d && echo "$d connected"; done
step copy
before=$(ours domid drv)
# Its answer goes over the interface that the driver domain has too.
printf 'dd if=/dev/xvda of=/dev/xvdb bs=16k iflag=direct oflag=direct 2>/dev/null; sha256sum </dev/xvda; exit\n' | timeout 1200 nc -N -w 1200 10.77.0.11 7 >/tmp/answer &
copy=$!
from=$(losetup -n -O NAME -j /tmp/from.img | head -n 1)
to=$(losetup -n -O NAME -j /tmp/to.img | head -n 1)
half_written() { [ "$(awk '{ print $7 }' "/sys/block/${to#/dev/}/stat")" -gt 8192 ]; }
until_ok half_written
kill -0 $copy && echo "under way"
step killed
try ours destroy drv
kill -0 $copy && echo "still under way"
try ours create -q /tmp/drv.cfg | cat
[ "$(ours domid drv)" = "$before" ] && echo "the same number"
for d in "vbd 51712" "vbd 51728" "vif 0"; do until_ok serves $d && echo "$d connected again"; done
wait $copy
step copied
[ "$(cat /tmp/answer)" = "$(sha256sum </tmp/from.img)" ] && echo "the same was read"
cmp /tmp/from.img /tmp/to.img && echo "the same was written"
ping -q -c 2 -i 0.2 10.77.0.11 | grep -o '[0-9]* packets transmitted, [0-9]* received'
step destroyed
for d in web drv; do try ours destroy $d && until_ok gone $d && echo "$d gone"; done
losetup -j /tmp/from.img | grep -c .
