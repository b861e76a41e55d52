#!/bin/sh
# hospes-launch: what compile writes, check and show read back with the hypervisor's parser and dtc reads as a tree; every
# refusal names file and line. Usage: test_hospes_launch.sh [<program>]
set -u
tool=$(realpath "${1:-${BUILD:-build}/hospes-launch}")
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

fail() {
	echo "FAIL: $*"
	failed=1
}

# refuse <text expected on stderr> <xl.cfg text>
refuse() {
	printf '%b' "$2" > bad.cfg
	if "$tool" compile bad.cfg -o bad.dtb > /dev/null 2> err; then
		fail "accepted: $2"
	elif ! grep -qF -- "$1" err; then
		fail "expected '$1', got: $(cat err)"
	fi
}

cat > a.cfg <<'CFG'
# the first domain
name = "alpha"; type = 'pvh'
kernel = "vmlinuz"
ramdisk = "initrd,1"
memory = 128
maxmem = 256
vcpus = 2
uuid = "01020304-0506-0708-090a-0b0c0d0e0f10"
root = "/dev/xvda"
extra = "console=hvc0 quiet"
cpus = "0-3,^1"
cpu_weight = 512
on_reboot = "destroy"
disk = [ 'a,raw,xvda,w',	# comment inside
	 'b,raw,xvdb,w', ]
launch_domid = 7
launch_roles = [ "control", "boot" ]
launch_links = [ "20=beta:30" ]
launch_grants = [ "8=beta:0x1000:ro" ]
CFG
printf 'name="beta"\ntype="pvh"\nkernel="vmlinuz"\nmemory="64"\ncmdline="quiet"\n' > b.cfg
echo k > vmlinuz
echo i > initrd,1

"$tool" compile a.cfg b.cfg -o l.dtb --module-list mods > out 2> err || fail "compile: $(cat err)"
grep -q 'note: a.cfg:14: disk has no effect' err || fail "no note about disk: $(cat err)"
grep -qF -- '-initrd "l.dtb,vmlinuz,initrd,,1"' out || fail "QEMU line: $(cat out)"
[ "$(tr '\n' ' ' < mods)" = "l.dtb vmlinuz initrd,1 " ] || fail "module list: $(cat mods)"
"$tool" check l.dtb vmlinuz initrd,1 > out 2>&1 || fail "check: $(cat out)"
grep -q '2 domains, 1 links, 1 grants, 0 faults' out || fail "check: $(cat out)"
"$tool" check l.dtb vmlinuz > out 2>&1 && fail "check accepted a missing module"
grep -q 'there is no module 2' out || fail "check: $(cat out)"
"$tool" show l.dtb > out 2>&1 || fail "show: $(cat out)"
grep -Eq '^alpha +7 +128 +2 +1 +2  control,boot$' out || fail "show: $(cat out)"
grep -Eq '^beta +1 +64 +1 +1 +-  -$' out || fail "show: $(cat out)"
grep -q 'alpha port 20 <-> beta port 30' out || fail "show: $(cat out)"
head -c 100 l.dtb > cut.dtb
"$tool" check cut.dtb > /dev/null 2>&1 && fail "check accepted half a tree"
if command -v dtc > /dev/null; then
	dtc -q -I dtb -O dts l.dtb > dts 2> err || fail "dtc: $(cat err)"
	grep -q 'hospes,affinity = <0x00 0x00 0x02 0x03>' dts || fail "affinity: $(grep affinity dts)"
	grep -q 'bootargs = "root=/dev/xvda console=hvc0 quiet"' dts || fail "bootargs"
	dtc -q -I dts -O dtb dts -o again.dtb
	"$tool" check again.dtb > /dev/null 2>&1 || fail "check refuses what dtc wrote"
fi

good='name="x"\ntype="pvh"\nkernel="k"\nmemory=64\n'
refuse 'bad.cfg:5: unknown setting colour' "${good}colour = 1"
refuse 'bad.cfg:5: string without its closing' "${good}extra = \"abc\nvcpus = 2"
refuse 'bad.cfg:6: expected' "${good}disk = [ 'a'\n 'b' ]"
refuse 'bad.cfg:5: unexpected text' "${good}vcpus = 2 3"
refuse 'bad.cfg:5: not a number' "${good}vcpus = 2x"
refuse 'bad.cfg:5: vcpus = 0 is not between' "${good}vcpus = 0"
refuse 'bad.cfg:5: cpus: "4-2" is no list' "${good}cpus = '4-2'"
refuse 'uuid "12" is not a UUID' "${good}uuid = '12'"
refuse 'bad.cfg:5: launch_roles: "king"' "${good}launch_roles = 'king'"
refuse 'bad.cfg:5: launch_links: "1=y:2": no such domain' "${good}launch_links = [ '1=y:2' ]"
refuse 'memory is missing' 'name="x"\ntype="pvh"\nkernel="k"\n'
refuse 'kernel is missing' 'name="x"\ntype="pvh"\nmemory=64\n'
refuse 'type = "pvh" is the only kind' 'name="x"\ntype="hvm"\nmemory=64\n'
refuse 'name is missing' 'type="pvh"\n'

[ $failed = 0 ] && echo "PASS: hospes-launch"
exit $failed
