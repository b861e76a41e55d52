# Ten Linux guests at once, and each answers on its console.
step ten guests
each() {
	i=0
	while [ $i -lt 10 ]; do
		"$@" "ten$i"
		i=$((i + 1))
	done
}
start() {
	cat >/tmp/ten.cfg <<END
name = "$1"
type = "pvh"
kernel = "/guests/vmlinuz-cloud"
ramdisk = "/guests/initramfs.gz"
extra = "console=hvc0 quiet"
memory = 96
vcpus = 1
END
	try xl create -q /tmp/ten.cfg
}
await() { on_console "$1" 'GUEST up' >/dev/null && echo "$1 is up"; }
each start
each await
xl list | columns 1,3,4 | grep -v Domain-0
each try xl destroy
xl list | columns 1
