#!/bin/sh
# `make install`, `dist` and `uninstall`: which files for which machine, units that systemd accepts, scripts that shells accept, nothing left behind.
# Lists are compared with install-files.txt; programs, their names and documents come and go: they are not listed.
set -eu
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
umask 027 # must not matter

list() { # title directory
	echo "$1:"
	(cd "$2" && find . -type f -printf '%m %P\n' | grep -v -e ' usr/share/doc/' -e ' usr/share/man/' -e ' usr/lib/xen-[^ ]*/bin/' | LC_ALL=C sort -k2)
}
for init in systemd sysv; do make -s BUILD="$BUILD" DESTDIR="$tmp/$init" INIT=$init install; done
make -s BUILD="$BUILD" DESTDIR="$tmp/guest" INIT=systemd install-guest
make -s BUILD="$BUILD" DESTDIR="$tmp/prefix" INIT=sysv PREFIX=/opt/hospes BOOT_DIR=/opt/hospes/boot SYSCONFIG_DIR=/opt/etc/default INITD_DIR=/opt/hospes/etc/init.d STATE_DIR=/opt/hospes/var \
	CONFIG_DIR=/opt/hospes/etc/xen install
make -s BUILD="$BUILD" DISTDIR="$tmp/dist" dist
for l in dist/install guest; do list "${l%/*}" "$tmp/$l"; done >"$tmp/list"
diff "$(dirname "$0")/install-files.txt" "$tmp/list"

# What is for this machine is part of dist, and each kind of services has its own only.
for init in systemd sysv guest; do
	(cd "$tmp/$init" && find . -type f -exec cmp {} "$tmp/dist/install/{}" \;)
done
[ ! -e "$tmp/systemd/etc/init.d" ] && [ ! -e "$tmp/sysv/usr/lib/systemd" ]
[ -z "$(find "$tmp/prefix" -type f -not -path "$tmp/prefix/opt/*" -print)" ]
if grep -r -e '@[A-Z_]*@' -e /usr/lib/xen-4 "$tmp/prefix/opt/hospes/etc" "$tmp/prefix/opt/hospes/lib/modules-load.d"; then
	echo "these do not follow PREFIX"
	exit 1
fi
[ "$(make -s xenversion)" = "$(sed -n 's/^# Hospes .*, as Xen //p' "$tmp/dist/install/boot/xen-4.17-hospes.config")" ]
gzip -dc "$tmp/dist/install/boot/xen-4.17-hospes.gz" | cmp - "$BUILD/hospes"

# Scripts.
root=$tmp/dist/install
bin=$root/usr/lib/xen-4.17-hospes/bin
for f in "$root"/etc/init.d/* "$bin/control-domain" "$root/usr/sbin/xen" "$root/usr/lib/systemd/system-sleep/xen-watchdog" packaging/debian/*.in packaging/debian/*.p*; do
	sh -n "$f"
done
for f in "$root"/etc/init.d/*; do
	for word in Provides Required-Start Required-Stop Default-Start Default-Stop Short-Description; do
		grep -q "^# $word: " "$f" || { echo "$f: no $word"; exit 1; }
	done
	grep -q "^# Provides: *${f##*/}$" "$f"
done
# sysv-rc knows dependencies by name: each is a script of ours, of Debian, or a facility.
sed -n 's/^# Required-Start: *//p' "$root"/etc/init.d/* | tr ' ' '\n' | sort -u | while read -r word; do
	case $word in
	'$'* | '') ;;
	*) [ -f "$root/etc/init.d/$word" ] || { echo "no script provides $word"; exit 1; } ;;
	esac
done

# Units, among those of the system, with all programs they call there.
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze: systemd is not installed"; exit 1; }
cp -rL /lib/systemd/system/. "$tmp/units" 2>/dev/null || true
for f in "$root"/usr/lib/systemd/system/*; do cp "$f" "$tmp/units/"; done
mkdir -p "$root/bin" "$root/sbin" "$root/usr/libexec"
for f in bin/sh bin/mkdir bin/kill bin/systemctl sbin/modprobe usr/libexec/xen-qemu-system-i386; do cp /bin/true "$root/$f"; done
cp -r "$tmp/units/." "$root/usr/lib/systemd/system/"
(cd "$tmp/guest/usr/lib/systemd/system" && ls) >"$tmp/names"
(cd "$tmp/systemd/usr/lib/systemd/system" && ls) >>"$tmp/names"
for unit in $(sort -u "$tmp/names"); do
	systemd-analyze verify --man=no --recursive-errors=no --root="$root" "$unit" >"$tmp/verify" 2>&1 && [ ! -s "$tmp/verify" ] ||
		{ cat "$tmp/verify"; echo "systemd does not like $unit"; exit 1; }
done

# Away again.
for init in systemd sysv; do
	make -s BUILD="$BUILD" DESTDIR="$tmp/$init" INIT=$init uninstall
	left=$(cd "$tmp/$init" && find . -not -type d -o -name '*xen*' -o -name '*hospes*')
	[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
done
echo "$(grep -c ' ' "$tmp/list") files listed, $(wc -l <"$tmp/names") units verified"
