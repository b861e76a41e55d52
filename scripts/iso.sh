#!/bin/sh
# A bootable CD for machines with a BIOS: GRUB, Hospes, and domains to launch.
#
#   iso.sh OUT [PROTOCOL [MODULE...]]
#
# PROTOCOL is multiboot2 (the default) or multiboot; without modules the domains of scripts/run.py are taken. BUILD says where the build is.
set -eu

here=$(dirname "$0")
build=${BUILD:-build}
out=$1 protocol=${2:-multiboot2}
[ $# -lt 2 ] || shift
shift
command=module2
[ "$protocol" = multiboot2 ] || command=module

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/boot/grub"
cp "$build/hospes" "$dir/boot/hospes"
if [ $# = 0 ]; then
	BUILD=$build python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import run; print("\n".join(map(str, run.modules())))' "$here" >"$dir/list"
else
	printf '%s\n' "$@" >"$dir/list"
fi
{
	echo "serial --unit=0 --speed=115200"
	echo "terminal_output console serial"
	echo "set timeout=0"
	echo "menuentry Hospes {"
	echo "  $protocol /boot/hospes ${APPEND:-console=com1,vga com1=115200,8n1}"
	n=0
	while read -r module; do
		cp "$module" "$dir/boot/module$n"
		echo "  $command /boot/module$n"
		n=$((n + 1))
	done <"$dir/list"
	echo "}"
} >"$dir/boot/grub/grub.cfg"
rm "$dir/list"
if ! grub-mkrescue -o "$out" "$dir" >"$out.log" 2>&1; then
	cat "$out.log" >&2
	exit 1
fi
rm -f "$out.log"
echo "iso: $out"
