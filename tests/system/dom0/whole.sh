# The rest of the lives of the two domains of `make run`, web and db, by our tools ("xl") and by Debian's xl ("debian"), which sees the same domains and
# makes one of its own. Run by the shell that the demonstration leaves you at; what is printed between STEP lines is compared.
debian() { LD_LIBRARY_PATH=/debian/lib /debian/xl "$@"; }
step() { echo "STEP $*"; }
try() { "$@" 2>&1 || echo "failed: $*"; }
# Wait until the command succeeds, some minutes at most; says so if it never did.
until_ok() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "TIMEOUT: $*"; return 1; }
		usleep 200000
	done
}
columns() { awk -v c="$1" '{ n = split(c, f, ","); s = ""; for (i = 1; i <= n; i++) s = s (i > 1 ? " " : "") $f[i]; print s }'; }
said() { xl console --log "$1" 2>/dev/null | grep -q "$2"; }
# Type a line into a domain's shell until its console says what is expected.
typed() {
	(echo "$2"; until_ok said "$1" "$3") | xenconsole -i "$(xl domid "$1")" >/dev/null 2>&1
	xl console --log "$1" | grep -o "$3" | tail -n 1
}
none() { [ -z "$(ls /sys/class/net/br0/brif)$(losetup -a)" ] && [ "$(xenstore list /local/domain)" = 0 ] && [ -z "$(xenstore list /libxl)" ]; }
left() {
	until_ok none && echo nothing && return
	ls /sys/class/net/br0/brif
	losetup -a
	xenstore ls /local/domain
	xenstore ls /libxl
}

# A domain without devices: for those Debian's xl would need its scripts here.
bare() { printf 'name = "%s"\ntype = "pvh"\nkernel = "/guests/vmlinuz"\nramdisk = "/guests/initrd"\nextra = "console=hvc0 quiet demo.name=%s demo.address=10.77.0.13 demo.peer=10.77.0.1"\nmemory = 128\n' "$1" "$1" >"/tmp/$1.cfg"; }

step the other xl
debian list | columns 1,2,3,4 | grep -v -e Name -e Domain-0
debian block-list db | columns 1,4 | grep -v Vdev
debian network-list web | columns 1,5 | grep -v Idx
step console
typed web 'echo sum-$((41+1))' sum-42
step pause
try xl pause db
xl list db | columns 5 | grep -o p
debian unpause db
xl list db | columns 5 | grep -o p
step class
xl sched-credit2 -d web --class interactive 2>&1 | grep -o "no classes of latency"
xl --json sched-credit2 -d web | grep -o '"class":"[a-z]*"'
step core
try xl dump-core db /tmp/core | cat # which is no terminal to show progress on
# All but its pages: the beginning, and the names of its sections at the end.
echo "CORE $(stat -c %s /tmp/core) $(head -c 8192 /tmp/core | base64 | tr -d '\n') $(tail -c 1024 /tmp/core | base64 | tr -d '\n')"
grep -a -q "Linux version" /tmp/core && echo "its kernel is in it"
rm /tmp/core
xl list db | columns 3,4 | grep -v Mem
step attach
dd if=/dev/urandom of=/tmp/second.img bs=64k count=16 2>/dev/null
sum=$(sha256sum </tmp/second.img | cut -c1-16)
try xl block-attach web '/tmp/second.img,raw,xvdb,w'
typed web 'sha256sum </dev/xvdb' "$sum" | sed "s/$sum/the same/"
debian block-list web | columns 1,4 | grep -v Vdev
try xl block-detach web xvdb
step reboot
try xl reboot web | grep -v Rebooting
until_ok sh -c 'xl list web | grep -q " 3 "'
until_ok ping -c 1 -W 1 10.77.0.11 && echo "web is up again"
step killed
kill -9 "$(pidof hospesd)"
hospesd
try xl list | columns 1,2 | grep -v -e Name -e Domain-0
step shutdown
try xl shutdown -w db 2>&1 | grep -v -e "Shutting down" -e "^$"
until_ok sh -c '! xl domid db' && echo gone
step destroyed
try xl destroy web
until_ok sh -c '! xl domid web' && echo gone
step destroyed by the other
bare bare
try xl create -q /tmp/bare.cfg
try debian destroy bare
until_ok sh -c '! xl domid bare' && echo gone
step what is left
left
step the other creates
bare three
try debian create -q /tmp/three.cfg
xl list three | columns 1,3,4 | grep -v Name
try xl block-attach three '/tmp/second.img,raw,xvda,r'
try xl network-attach three bridge=br0
until_ok said three '10.77.0.1 answers' && echo "three is up"
try xl destroy three
until_ok sh -c '! xl domid three' && echo gone
step what is left again
left
