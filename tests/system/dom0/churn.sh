# Many tiny guests come and go, some of their creations killed half-way: the hypervisor has then what it had before. $count rounds.
step churn
tiny() {
	printf 'name = "%s"\ntype = "pvh"\nkernel = "/trial/quiet64"\nmemory = 4\nvcpus = 1\n' "$1" >"/tmp/$1.cfg"
}
round() {
	tiny "tiny$1"
	try xl create -q "/tmp/tiny$1.cfg"
	try xl destroy "tiny$1"
}
round warm
remember
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
echo "rounds: $i"
nothing_left
