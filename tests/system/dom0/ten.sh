# Ten Linux guests at once, and each answers on its console.
step ten guests
i=0
while [ $i -lt 10 ]; do
	cat >/tmp/ten.cfg <<END
name = "ten$i"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet"
memory = 96
vcpus = 1
END
	try xl create -q /tmp/ten.cfg
	i=$((i + 1))
done
says_up() { timeout 1 xl console "$1" </dev/null 2>/dev/null | grep -a -q 'GUEST up'; }
i=0
while [ $i -lt 10 ]; do
	until_ok says_up "ten$i" && echo "ten$i is up"
	i=$((i + 1))
done
xl list | columns 1,3,4 | grep -v Domain-0
i=0
while [ $i -lt 10 ]; do
	try xl destroy "ten$i"
	i=$((i + 1))
done
xl list | columns 1
