#!/bin/sh
# The init scripts with stand-ins for the daemons, in a mount namespace where a hypervisor seems to run: start, status, again, restart, stop.
set -eu
cd "$(dirname "$0")/../.."
[ -e /lib/lsb/init-functions ] || { echo "no LSB functions here"; exit 77; }
if [ "${1:-}" != inside ]; then
	unshare -m true 2>/dev/null || { echo "no mount namespaces here"; exit 77; }
	exec unshare -m sh "$0" inside
fi
tmp=$(mktemp -d)
cleanup() {
	for f in "$tmp"/pids/*; do [ ! -e "$f" ] || kill "${f##*/}" 2>/dev/null || true; done
	rm -rf "$tmp"
}
trap cleanup EXIT
for folder in /run /var/log /sys; do mount -t tmpfs tmpfs $folder; done
mkdir -p /sys/hypervisor "$tmp/pids"
echo xen >/sys/hypervisor/type
make -s BUILD="$BUILD" DESTDIR= INIT=sysv PREFIX="$tmp/p" BOOT_DIR="$tmp/boot" SYSCONFIG_DIR="$tmp/default" INITD_DIR="$tmp/init.d" CONFIG_DIR="$tmp/etc" \
	STATE_DIR="$tmp/var" install
bin=$tmp/p/lib/xen-4.17-hospes/bin

# A daemon, as start-stop-daemon sees it: the file its process runs. Told to stay in the foreground it does; otherwise it names its child.
cat >"$tmp/daemon.c" <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	const char *pid_file = NULL;
	int stays = 0, ends[2];
	char path[4096], byte;
	FILE *f;

	for (int i = 1; i < argc; i++) {
		stays |= !strcmp(argv[i], "-F");
		if (!strcmp(argv[i], "--pid-file") && i + 1 < argc)
			pid_file = argv[i + 1];
	}
	if (pipe(ends))
		return 1;
	if (!stays && fork())
		_exit(read(ends[0], &byte, 1) != 1); /* until the child serves */
	if (pid_file && (f = fopen(pid_file, "w"))) {
		fprintf(f, "%d\n", getpid());
		fclose(f);
	}
	snprintf(path, sizeof(path), "%s/%d", PIDS, getpid());
	close(open(path, O_CREAT | O_WRONLY, 0600));
	if (write(ends[1], "", 1) != 1)
		return 1;
	for (int i = 0; i < 3; i++)
		close(i);
	for (;;)
		pause();
}
END
cc -DPIDS="\"$tmp/pids\"" -D_GNU_SOURCE -o "$tmp/daemon" "$tmp/daemon.c"
for name in xenstored xenconsoled hospesd xenwatchdogd xl; do cp "$tmp/daemon" "$bin/$name"; done
for name in control-domain xen-init-dom0 xendomains xenstore; do
	printf '#!/bin/sh\necho "%s $*" >>%s/calls\n' $name "$tmp" >"$bin/$name"
	chmod 755 "$bin/$name"
done

script() { sh "$tmp/init.d/$@" >"$tmp/out" 2>&1; }
fail() { cat "$tmp/out"; echo "not so: $*"; exit 1; }
of() { readlink -f /proc/[0-9]*/exe 2>/dev/null | grep -c "^$bin/$1\$" || true; }
# Started in the background it runs a moment later.
wait_for() { # name number
	n=0
	until [ "$(of "$1")" = "$2" ]; do
		n=$((n + 1))
		[ $n -lt 1200 ] || fail "$2 of $1 run"
		sleep 0.1
	done
}
all() { for name in xenstored xenconsoled hospesd; do [ "$(of $name)" = "$1" ] || fail "$1 of $name run after $2"; done; }

script xencommons status && fail "nothing runs, and status says so"
script xencommons start || fail "starts"
all 1 start
script xencommons status || fail "runs"
script xencommons start || fail "starts again without harm"
all 1 "a second start"
script xencommons reload || fail "reloads"
all 1 reload
grep -q '^xenstore control live-update .*/xenstored$' "$tmp/calls" || fail "the store changes in place"
script xencommons restart || fail "restarts"
all 1 restart
script xencommons stop || fail "stops"
all 0 stop
script xencommons nonsense && fail "refuses what it does not know"
script xen-watchdog start || fail "the watchdog starts"
wait_for xenwatchdogd 1
script xen-watchdog status || fail "the watchdog runs"
script xen-watchdog stop || fail "the watchdog stops"
[ "$(of xenwatchdogd)" = 0 ] || fail "the watchdog is gone"
script xendomains start || fail "starts domains"
grep -qx 'xendomains start' "$tmp/calls" || fail "by the program"
# A domain other than 0, and a machine without a hypervisor: nothing is done, and that is no failure.
printf '#!/bin/sh\nexit 1\n' >"$bin/control-domain"
for name in xencommons xendomains; do script $name start || fail "$name has nothing to do in a guest"; done
rm -r /sys/hypervisor
for name in xencommons xen-watchdog xendriverdomain; do script $name start || fail "$name has nothing to do without a hypervisor"; done
all 0 "nothing"
echo "init scripts start, stop and tell"
