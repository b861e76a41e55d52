#!/bin/sh
# The same tree, built in two directories: the same bytes of the hypervisor and of hospes-launch. `install` puts all of it in place.
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
for d in one second_tree; do
	make -s -C "$tmp/$d" BUILD=build SOURCE_DATE_EPOCH="$date" all >"$tmp/$d.log" 2>&1 || { tail -20 "$tmp/$d.log"; exit 1; }
done
for f in hospes hospes-syms hospes-launch; do
	cmp "$tmp/one/build/$f" "$tmp/second_tree/build/$f"
done
if grep -aq "$tmp" "$tmp/one/build/hospes" "$tmp/one/build/hospes-launch"; then
	echo "the build's directory is in the result"
	exit 1
fi
make -s -C "$tmp/one" BUILD=build SOURCE_DATE_EPOCH="$date" DISTDIR="$tmp/dist" dist >"$tmp/dist.log" 2>&1 || { tail -20 "$tmp/dist.log"; exit 1; }
gzip -dc "$tmp/dist/install/boot/xen-4.17-hospes.gz" | cmp - "$tmp/one/build/hospes"
test -x "$tmp/dist/install/usr/sbin/hospes-launch"
echo "hospes, hospes-syms, hospes-launch: same bytes from two directories"
