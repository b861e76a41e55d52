# Many tiny guests come and go, some of their creations killed half-way: the hypervisor has then what it had before. $count rounds.
step churn
snapshot() {
	xl dmesg -c >/dev/null
	xl debug-keys o
	n=0
	until xl dmesg | grep -q 'Held: '; do
		n=$((n + 1))
		[ $n -lt 50 ] || { echo "TIMEOUT: key o"; return; }
		sleep 0.1
	done
	xl dmesg -c | grep -o -e 'heap: .*' -e 'Held: .*'
}
settled() { [ "$(xl list | grep -c .)" = 2 ]; }
tiny() {
	printf 'name = "%s"\ntype = "pvh"\nkernel = "/trial/quiet64"\nmemory = 4\nvcpus = 1\n' "$1" >"/tmp/$1.cfg"
}
round() {
	tiny "tiny$1"
	try xl create -q "/tmp/tiny$1.cfg"
	try xl destroy "tiny$1"
}
round warm
until_ok settled
sleep 1
before=$(snapshot)
i=0
while [ $i -lt "$count" ]; do
	round "$i"
	# Another one is killed a little later in each round.
	tiny "killed$i"
	timeout -s KILL "$(awk "BEGIN { print 0.02 + 0.04 * ($i % 25) }")" xl create -q "/tmp/killed$i.cfg" >/dev/null 2>&1
	for id in $(xl list | awk 'NR > 2 { print $2 }'); do
		xl destroy "$id" 2>/dev/null
	done
	i=$((i + 1))
done
until_ok settled
sleep 1
after=$(snapshot)
echo "rounds: $count"
[ "$before" = "$after" ] && echo "equal before and after" || printf 'before: %s\nafter: %s\n' "$before" "$after"
