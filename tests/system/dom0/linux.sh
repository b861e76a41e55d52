# Ten Linux guests at a time, $times times. Five come to user space, whose first process powers the guest off; five are destroyed on the way there, each a
# little later than the one before. Before each ten a creation is killed. What the hypervisor has is then what it had after the first time.
step linux guests
config() {
	cat >/tmp/linux.cfg <<END
name = "$1"
type = "pvh"
kernel = "/trial/vmlinux"
ramdisk = "/guests/initramfs.gz"
extra = "quiet rdinit=/bin/busybox -- poweroff -f"
on_poweroff = "preserve"
memory = 96
vcpus = 1
END
}
create() {
	config "$1"
	try xl create -q /tmp/linux.cfg
}
# Shut down, and not by a crash.
has_run() { [ "$(xl list "$1" | awk 'NR == 2 { print $5 }')" = ---s-- ]; }
# Asked seldom: each question takes time from the guests.
await() {
	asked=0
	until has_run "$1"; do
		asked=$((asked + 1))
		[ $asked -lt 200 ] || { echo "TIMEOUT: $1"; return; }
		sleep 2
	done
	echo "$1 has run"
}
ten() {
	config killed
	timeout -s KILL "$(awk "BEGIN { print 0.1 + 0.1 * $1 }")" xl create -q /tmp/linux.cfg >/dev/null 2>&1
	for id in $(xl list | awk 'NR > 2 { print $2 }'); do
		xl destroy "$id" 2>/dev/null
	done
	for g in 0 1 2 3 4; do
		create "linux$g"
	done
	for g in 0 1 2 3 4; do
		await "linux$g"
		create "early$g"
		sleep "0.$((2 * g))"
		try xl destroy "early$g"
		try xl destroy "linux$g"
	done
}
ten 0 >/dev/null
remember
time=1
while [ $time -le "$times" ]; do
	ten $time
	echo "$((10 * time)) have come and gone"
	time=$((time + 1))
done
nothing_left
