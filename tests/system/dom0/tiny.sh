# $count tiny domains come and go by Debian's libraries, a tenth of their creations killed (tests/dom0/churn.c): what the hypervisor has is then
# what it had before.
step tiny domains
./churn 400 /trial/knock64 >/dev/null
remember
try ./churn "$count" /trial/knock64
nothing_left
