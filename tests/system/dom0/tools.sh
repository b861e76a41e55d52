# Tools that only look.
step info
xl info | grep -E '^(nr_nodes|threads_per_core|xen_major|xen_minor|xen_scheduler|xen_pagesize|platform_params|xen_caps|sharing|outstanding|free_cpus|xend)' |
	sed 's/  *:/:/'
step list
xl list | columns 1,2,5
step vcpu-list
xl vcpu-list | columns 1,2,3 | head -n 2
step cpupool-list
xl cpupool-list | columns 1,3,4
step sched-credit2
try xl sched-credit2
step dmesg
xl dmesg | grep -c . | awk '{ print ($1 > 0) ? "has lines" : "is empty" }'
try xl dmesg -c >/dev/null
step debug-keys
key_seen() { xl dmesg | grep -q "'h' pressed"; }
try xl debug-keys h
until_ok key_seen && echo "the key was pressed"
step top
xentop -b -i 1 | columns 1,2 | sed 's/ [-rbdps]*$//'
step xentrace
try /usr/lib/xen-4.17/bin/xentrace -D -S 64 -T 2 /tmp/trace.bin >/dev/null
head -c 200000 /tmp/trace.bin | gzip -c | base64 -w 120
rm -f /tmp/trace.bin
step failed units
systemctl --failed --no-legend --no-pager --plain
