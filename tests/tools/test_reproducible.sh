#!/bin/sh
# The same tree, built in two directories by users with other habits, the second without a network and by what calls itself a cross compiler: the same
# bytes of the hypervisor, its symbols, every Debian package and the RPM, and nothing of where they were built. `dist` puts all of it in place.
set -eu
cd "$(dirname "$0")/../.."
command -v git >/dev/null && git rev-parse HEAD >/dev/null 2>&1 || { echo "not a git repository"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
date=$(git log -1 --format=%ct)
for d in one second_tree; do
	mkdir "$tmp/$d"
	git ls-files -z --cached hv abi lib loader tools scripts packaging docs 'tests/*.mk' Makefile config.mk |
		xargs -0 tar cf - | tar xf - -C "$tmp/$d"
done
# Root's namespace, or one of our own.
if unshare -n true 2>/dev/null; then alone="unshare -n"; else alone="unshare -r -n"; fi
$alone true 2>/dev/null || alone=
cross=
build() { # directory, command to run make by
	tree=$1
	shift
	"$@" make -s -j2 -C "$tmp/$tree" BUILD=build DISTDIR=dist SOURCE_DATE_EPOCH="$date" $cross deb rpmball >"$tmp/$tree.log" 2>&1 || { tail -20 "$tmp/$tree.log"; exit 1; }
}
build one env -u CC TZ=UTC LC_ALL=C
(umask 077; cross=CROSS_COMPILE=x86_64-linux-gnu-; build second_tree env -u CC TZ=Asia/Tokyo LC_ALL=C.UTF-8 LOGNAME=somebody $alone)
for f in build/hospes build/hospes-syms build/hospes-launch $(cd "$tmp/one" && ls dist/deb/*.deb dist/rpm/*/*.rpm); do
	cmp "$tmp/one/$f" "$tmp/second_tree/$f"
done
for f in "$tmp"/one/dist/deb/*.deb; do
	if dpkg-deb --fsys-tarfile "$f" | grep -aq "$tmp"; then
		echo "the build's directory is in $(basename "$f")"
		exit 1
	fi
done
make -s -C "$tmp/one" BUILD=build SOURCE_DATE_EPOCH="$date" DISTDIR="$tmp/dist" dist >"$tmp/dist.log" 2>&1 || { tail -20 "$tmp/dist.log"; exit 1; }
gzip -dc "$tmp/dist/install/boot/xen-4.17-hospes.gz" | cmp - "$tmp/one/build/hospes"
test -x "$tmp/dist/install/usr/sbin/hospes-launch"
echo "$(ls "$tmp"/one/dist/deb/* "$tmp"/one/dist/rpm/*/* | wc -l) packages and the hypervisor: same bytes from two directories${alone:+, one without a network}"
