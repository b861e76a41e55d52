#!/usr/bin/env python3
"""Configuration files through our parser and Debian's: the JSON of the dry run, byte for byte, and which of them are refused."""
import difflib
import re
import sys

import xl_lab
from xl_lab import XlWorld

HEAD = f'name="q"\ntype="pvh"\nkernel="/etc/hostname"\nmemory=128\nuuid="{xl_lab.UUID % 1}"\n'
DISKS = """
phy:/dev/x,sda,w | file:/a/b.img,hdc:cdrom,r | /x,,hda | /x,raw,xvda,r,extra | tap:aio:/x,xvda,w | tap:qcow2:/x,xvda,w | qcow2:/x,xvda | vhd:/x,xvda,w
drbd:res,xvda,w | iscsi:a:b,xvda,w | script=block-q,vdev=xvdb,access=rw,target=foo:bar | /x,qcow2,xvdb,w,backendtype=qdisk
/x,raw,xvdb,w,backendtype=phy,backend=store | /x,raw,xvdb,w,no-discard | /x,raw,xvdb,w,discard | vdev=xvda,empty,cdrom | ,,xvdc,cdrom
vdev=hdc, devtype=cdrom,access=r | format=raw, vdev=hdc, access=ro, devtype=cdrom | /x,raw,sda1,w,removable | /x,raw,xvda,! | /x,bad,xvda,w | /x
vdev=xvda,format=qed,target=/a,b,c | /x,raw,xvda,w,colo | /x,raw,xvda,w,specification=virtio | /x,raw,xvda,w,transport=mmio | /x,raw,xvda,w,bogus=1
/x,raw,xvda,access=foo | /x,raw,xvda,w,backendtype=standalone | /x,raw,xvda,w,backendtype=zzz | /x,raw,xvda,w,devtype=floppy | /x, raw , xvda , w
phy:vg/lv,xvda,w | phy:/dev/vg/lv,ioemu:hda,w | nbd:x,xvda,w | /x,raw,xvda,ro | /x,raw,xvda,rw | /x,xvda,w | /x,raw,d5p2,w | /x,raw,768,w | raw:/x,xvda,w
file:/x,xvda,w,0 | /x,raw,xvda,w,readonly | /x,raw,xvda,w,format=raw | tapdisk:/x,xvda,w | aio:/x,xvda,w | /x,raw,xvda,script=foo | /x,raw,xvda,script=/etc/foo,w
/x,raw,xvda,w,direct-io-safe
"""
VIFS = """
trusted | untrusted | rate=10 | rate=10Mb/s | rate=10Kb/s@1s | rate=5GB/s | rate=100B/s@20ms | rate=1b/s | rate=10MB/s@5us | mac=00-16-3e-11-22-33
mac=00:16:3E:11:22:33 | type=ioemu,model=e1000 | type=vif | mtu=0 | mtu=70000 | mtu=abc | devid=3 | netdev=eth1 | bridge=a, ip=b | backend=dom1
ip=10.0.0.1/24 | ip=1.2.3.4 5.6.7.8,script=vif-x | accel=1 | gatewaydev=eth2 | vifname= | bridge=br0,vifname=v0,rate=1MB/s@10ms
"""
OTHERS = [
    'cpus="all"', 'cpus=["all","1"]', 'cpus=[0,1]\nvcpus=4', 'cpus="0"\nvcpus=2\nmaxvcpus=3', 'cpus="all,^0"\nvcpus=1', 'cpus=["0","1","2"]\nvcpus=1',
    'cpus_soft="1"\nvcpus=2', 'cpus_soft=["1"]\nvcpus=2', 'cpus=["0","all"]\nvcpus=3', 'vcpus=3\nmaxvcpus=2', 'maxvcpus=5', 'vcpus=0x3', 'memory="64"',
    'maxmem=256', 'name=5', 'name=["a"]', 'cmdline="a"\ncmdline+="b"', 'disk=["/x,raw,xvda,w"]\ndisk+=["/y,raw,xvdb,w"]',
    'disk=["/x,raw,xvda,w"]\ndisk+="x"', 'extra="b"\nroot="r"', 'cmdline="b"\nroot="r"', 'on_poweroff="x"', 'on_crash="rename-restart"',
    'on_poweroff="preserve"\non_reboot="destroy"\non_watchdog="coredump-destroy"\non_soft_reset="destroy"', 'uuid="x"', 'tsc_mode="x"', 'tsc_mode=2',
    'tsc_mode="always_emulate"', 'nomigrate=0', 'nomigrate=1', 'vpmu=0', 'driver_domain=0', 'driver_domain=1',
    'disk = [ # c\n "/x,raw,xvda,w", # d\n]', 'a=1;b=2', 'bootloader="/bin/x"\nbootloader_args="-q"', 'bootloader="/b"\nbootloader_args=" a  b\tc "', 'bootloader="/b"\nbootloader_args=["a","b c"]',
    'kernel=""', 'latency=7', 'cap=50', 'cpu_weight=512', 'period=5\nslice=4\nextratime=1', 'pool="none"', 'channel=["connection=pty"]', 'channel=["name=x"]',
    'channel=["connection=pty,name=a","connection=socket,path=/x,name=b"]', 'seclabel="a"', 'seclabel="a"\ninit_seclabel="b"', 'type="foo"', 'builder="hvm"',
    'passthrough="share_pt"', 'passthrough="x"', 'foo\n', 'foo=\n', 'pci=["00:02.0"]', 'pci=["0000:00:1a.0@5"]', 'pci=["xx"]', 'max_grant_frames=3',
    'max_maptrack_frames=5', 'max_grant_version=1', 'max_event_channels=9', 'localtime=1', 'rtc_timeoffset=-3' if False else 'rtc_timeoffset=3', 'acpi=0', 'hap=1',
    'shadow_memory=4', 'ioports=["2f8-2ff","3f8"]', 'irqs=[3,4]', 'iomem=["fd000,2","e0000,1@ff"]', 'nestedhvm=0', 'nestedhvm=1', 'device_tree="/x"',
    'vuart="sbsa_uart"', 'timer_mode="no_missed_ticks_pending"', 'timer_mode=2', 'cmdline="\\ttab \\\\ \\" q"', 'vmtrace_buf_kb=64', 'altp2m="external"',
    'pvshim=1\npvshim_cmdline="x"', 'msr_relaxed=1', 'xend_suspend_evtchn_compat=1', 'blkdev_start="xvdb"', 'firmware="pvgrub32"', 'cmdline=foo', 'cmdline=1.5',
    '=3', 'name="a\nb"', 'vcpus="2"', 'disk=["/x,raw,xvda,w" "b"]', "name='s'", 'irqs=["x"]', 'ioports=["zz"]',
]
PV = 'name="old"\nkernel="/etc/hostname"\nroot="/dev/xvda1 ro"\nextra="quiet"\nmemory=128\ne820_host=1\nvcpus=3\ncpus="1-2,^2"\n'
HVM = ('name="win"\ntype="hvm"\nmemory=256\nmaxmem=512\nfirmware="ovmf"\ndevice_model_version="qemu-xen"\nboot="dc"\nserial=["pty","file:/x"]\nvga="stdvga"\n'
       'videoram=16\nvnc=1\nvnclisten="1.2.3.4"\nvncdisplay=3\nvncunused=0\nvncpasswd="p"\nsdl=1\nopengl=1\nkeymap="de"\nspice=1\nspiceport=6000\n'
       'spicehost="h"\nsoundhw="hda"\nusb=1\nusbdevice=["tablet","mouse"]\nhdtype="ahci"\npae=1\napic=0\nacpi=1\nacpi_s3=0\nnx=1\nhpet=1\nhap=1\n'
       'xen_platform_pci=1\nnestedhvm=1\ngfx_passthru="igd"\nacpi_firmware="/etc/hostname"\ndevice_model_override="/x/qemu"\ndevice_model_args=["-a"]\n'
       'device_model_args_hvm=["-b"]\nstubdomain_memory=64\ndm_restrict=1\nmax_event_channels=100\nvkb_device=1\ndisk=["/dev/null,raw,hda,rw"]\n'
       'localtime=1\nvendor_device="xenserver"\nviridian=1\n')
# Where Debian's goes on with nonsense, or refuses what is good since, ours does not do as it: each with the reason.
WE_REFUSE = {
    'vcpus="a"': "a number that is none is not the default",
    'vif=["mac=zz"]': "nor is an address of zeros",
    'cpu_weight="abc"': "as vcpus",
    'disk=["/x,raw,xvda,w","/y,raw,xvda,w"]': "two disks of one name end in libxl's middle otherwise",
    'vif=["foo=bar"]': "a misspelt word would be dropped",
    'name="a b"': "Ganeti takes the whole host down for a blank in a name",
}


def both(w, text, overrides=()):
    path = w.folder / "c.cfg"
    path.write_text(text)
    return w.oracle("create", "--dryrun", path, *overrides), w.xl("create", "--dryrun", path, *overrides)


def compare(w, text, wrong, overrides=()):
    a, b = both(w, text, overrides)
    if (a.returncode == 0) != (b.returncode == 0) or (a.returncode == 0 and strip(a.stdout) != strip(b.stdout)):
        diff = difflib.unified_diff(strip(a.stdout).split("\n"), strip(b.stdout).split("\n"), "Debian's", "ours", lineterm="", n=1)
        wrong.append(f"{text}\n{a.returncode} {a.stderr}\n{b.returncode} {b.stderr}\n" + "\n".join(diff))


def strip(text):
    """Without a UUID that was made up."""
    return "\n".join(line for line in text.split("\n") if '"uuid": ' not in line or "00112233" in line)


def cases():
    for d in DISKS.replace("\n", " | ").split(" | "):
        if d:
            yield f"disk=[{d!r}]"
    for v in VIFS.replace("\n", " | ").split(" | "):
        if v:
            yield f"vif=[{v!r}]"
    yield from OTHERS


def test_same_json_as_debians():
    with XlWorld(hands=False, start=False) as w:
        wrong, n = [], 0
        for case in cases():
            compare(w, HEAD + case + "\n", wrong)
            n += 1
        for text in (PV, HVM):
            compare(w, text, wrong)
        compare(w, HEAD, wrong, ["vcpus=3", 'disk=["/x,raw,xvda,w"]'])
        assert n > 150 and not wrong, f"{len(wrong)} of {n} differ:\n" + "\n".join(wrong)


def test_stricter_than_debians():
    with XlWorld(hands=False, start=False) as w:
        for case, why in WE_REFUSE.items():
            a, b = both(w, HEAD + case + "\n")
            assert a.returncode == 0 and b.returncode == 1, (case, why, a, b)
            assert "next: " in b.stderr, b


def test_whole_file_of_keys():
    """A key that nothing here uses is named with its line; one that nobody knows too; both are no error."""
    with XlWorld(hands=False, start=False) as w:
        keys = ["foo=3", "vnc=1", 'vfb=["sdl=1"]', 'usbdev=["hostbus=1"]', 'p9=["tag=t,path=/a,security_model=none"]', 'gic_version="v2"', "nr_spis=3", "viridian=1",
                'channel=["connection=pty,name=a"]']
        path = w.folder / "c.cfg"
        path.write_text(HEAD + "\n".join(keys) + "\n")
        r = w.xl("create", "--dryrun", path)
        assert r.returncode == 0, r
        first = HEAD.count("\n") + 1
        for i, key in enumerate(keys):
            assert f"c.cfg:{first + i}: warning: " in r.stderr and key.split("=")[0] in r.stderr, (key, r.stderr)
        assert "unknown key foo is ignored" in r.stderr
        quiet = w.xl("create", "-q", "--dryrun", path)
        assert quiet.stderr == "" and quiet.stdout == r.stdout


CONFS = [
    'vif.default.bridge="br7"\nvif.default.script="vif-x"\nmax_grant_frames=33\nclaim_mode=0\nrun_hotplug_scripts=0', 'max_grant_version=1\nmax_maptrack_frames=9',
    'defaultbridge="b2"\nvifscript="vs"', 'defaultbridge="b2"\nvif.default.bridge="b3"\nvifscript="vs"\nvif.default.script="vt"',
    'vif.default.backend="dom1"\nvif.default.gatewaydev="eth9"', 'vm.cpumask="0-1"', 'vm.hvm.cpumask="2-3"\nvm.cpumask="1-2"', 'autoballoon="on"', 'autoballoon="off"',
    'domid_policy="random"', 'lockfile="/nonexistent/lock"', 'claim_mode=5', 'blkdev_start="xvdc"', 'remus.default.netbufscript="/x"\ncolo.default.proxyscript="/y"',
    'output_format="json"', 'bogus=5', 'max_grant_frames="x"', 'bogus=', 'max_grant_version="a"',
]


# All keys of xl.cfg(5) of Xen 4.17.
KEYS = """
name type builder pool vcpus maxvcpus cpus cpus_soft cpu_weight cap memory maxmem vnuma on_poweroff on_reboot on_watchdog on_crash on_soft_reset
kernel ramdisk cmdline root extra firmware pvshim pvshim_path pvshim_cmdline pvshim_extra uuid seclabel init_seclabel max_grant_frames
max_maptrack_frames max_grant_version nomigrate driver_domain device_tree passthrough xend_suspend_evtchn_compat vmtrace_buf_kb vpmu disk vif vtpm p9
pvcalls vfb vnc vnclisten vncdisplay vncunused vncpasswd sdl display xauthority opengl device_model_version keymap channel rdm usbctrl usbdev pci
pci_permissive pci_msitranslate pci_seize pci_power_mgmt gfx_passthru rdm_mem_boundary dtdev ioports iomem irqs max_event_channels vdispl dm_restrict
device_model_user vsnd vkb tee bootloader bootloader_args e820_host boot hdtype hap oos shadow_memory bios bios_path_override pae acpi acpi_s3 acpi_s4
acpi_laptop_slate apic nx hpet altp2m altp2mhvm nestedhvm cpuid acpi_firmware smbios_firmware ms_vm_genid tsc_mode localtime rtc_timeoffset vpt_align
timer_mode mmio_hole xen_platform_pci viridian videoram stdvga vga nographic spice spicehost spiceport spicetls_port spicedisable_ticketing
spicepasswd spiceagent_mouse spicevdagent spice_clipboard_sharing spiceusbredirection spice_image_compression spice_streaming_video serial soundhw
vkb_device usb usbversion usbdevice vendor_device device_model_override stubdomain_kernel stubdomain_cmdline stubdomain_ramdisk stubdomain_memory
device_model_stubdomain_override device_model_stubdomain_seclabel device_model_args device_model_args_pv device_model_args_hvm gic_version vuart
mca_caps msr_relaxed
""".split()
NUMBERS = ("vcpus", "memory", "vmtrace_buf_kb", "max_grant_frames", "rtc_timeoffset", "cap", "maxmem", "max_event_channels", "spiceport", "videoram")


def test_all_keys_are_known():
    """No key of the manual is unknown, and a value that can be none is told with the line of its key."""
    with XlWorld(hands=False, start=False) as w:
        path = w.folder / "c.cfg"
        known = set(re.findall(r'^\t{ "([a-z0-9_]+)", ', (xl_lab.ROOT / "lib/domain/keys.c").read_text(), re.M))
        assert len(KEYS) > 140 and not set(KEYS) - known, set(KEYS) - known
        for key in NUMBERS:
            for value in ('"many"', "[1]", "-99999999999"):
                path.write_text(f'name="q"\ntype="hvm"\n\n# a comment\nmemory=64 # more\n\n{key} = {value}\n')
                r = w.xl("create", "--dryrun", path)
                assert r.returncode == 1 and f"c.cfg:7: {key}" in r.stderr and "next: correct line 7 of " in r.stderr, (key, value, r)


def test_lines_of_errors():
    """Each way in which the grammar can be broken names the line where it is, counted through lists, comments and continued lines."""
    with XlWorld(hands=False, start=False) as w:
        path = w.folder / "c.cfg"
        head = 'name = "q"\nkernel = "/k"\n# a comment with "quotes\ndisk = [ "phy:/x,xvda,w",  # one\n  "phy:/y,xvdb,w",\n]\nextra = "a" ; root = "b"\nmemory \\\n = 64\n\n'
        here = head.count("\n") + 1
        for text, line, what in (
                ("kernel", here, "expected '=' after kernel"), ("kernel =", here, "expected a string"), ("kernel = foo", here, "expected a string"), ("= 3", here, "name of a setting"),
                ("kernel = 'x", here, "closing '"), ('kernel = "x\n"', here, 'closing "'), ("vcpus = 3x", here, "not a number"), ("vcpus = 99999999999999999999", here, "out of range"),
                ("3vcpus = 3", here, "name of a setting"), ('cmdline = "\\q"', here, "unknown escape"), ('cmdline = "\\x"', here, "hexadecimal"), ('cmdline = "\\0"', here, "zero byte"),
                ('cmdline = "a" "b"', here, "unexpected text"), ("vif = [ 'a',\n 'b'\n 'c' ]", here + 2, "expected ','"), ("vif = [ 'a',\n\n", here + 3, "expected"),
                ("vif = [ [ 'a' ] ]", here, "list in a list"), ('disk += "x"', here, "cannot add a list"), ('vif = [ "bridge=a",\n# c\n "mac=1:2" ]', here + 2, "mac"),
                ('disk = [ "phy:/x,xvda,w",\n\n "/y,raw" ]', here + 2, "device"), ('type = "vax"', here, "none of pv"), ('on_crash = "cry"', here, "on_crash"),
                ('cpus = [ "1",\n "x" ]', here + 1, "cpus"), ('irqs = [ 3,\n "x" ]', here + 1, "irqs"), ('ioports = [\n "zz" ]', here + 1, "ioports"), ('pci = [ "zz" ]', here, "PCI"),
                ("x = " + "[" * 12 + "]" * 12, here, "nested deeper")):
            path.write_text(head + text + "\n")
            r = w.xl("create", "-q", "--dryrun", path)
            assert r.returncode == 1 and f"c.cfg:{line}: " in r.stderr and what in r.stderr, (text, line, r.stderr)
            assert "next: " in r.stderr, r.stderr
        path.write_text(head + 'kernel="/etc/hostname"\n')
        for words, what in ((['memory="x"'], "command line: memory"), (["vcpus=a"], "command line: "), (['disk=["x"'], "command line: "), (['memory=1;vcpus="x"'], "command line: vcpus")):
            r = w.xl("create", "-q", "--dryrun", path, *words)
            assert r.returncode == 1 and what in r.stderr, (words, r.stderr)


def test_xl_conf_as_debians():
    """The same file makes the same of a configuration, and what Debian's refuses is refused."""
    with XlWorld(hands=False, start=False) as w:
        wrong = []
        for conf in CONFS:
            (w.folder / "xl.conf").write_text(conf + "\n")
            compare(w, HEAD + 'vif=["", "bridge=own"]\n', wrong)
        assert not wrong, "\n".join(wrong)


def test_xl_conf_faults():
    """What is wrong in it is told with file and line."""
    with XlWorld(hands=False, start=False) as w:
        conf, path = w.folder / "xl.conf", w.folder / "c.cfg"
        path.write_text(HEAD)
        for text, where, what, status in (('a=1\nb=', ":2: ", "(syntax)", 1), ('claim_mode="often"', ":1: ", "(bad-value)", 1), ('\nvm.cpumask="zz"', ":2: ", "(bad-value)", 1),
                                          ('vifscript="x"', ":1: ", "please use vif.default.script", 0), ('output_format="sxp"', ":1: ", "JSON is printed", 0),
                                          ('remus.default.netbufscript="x"', ":1: ", "later release", 0), ('claimmode=1', ":1: ", "unknown setting claimmode", 0)):
            conf.write_text(text)
            r = w.xl("create", "-n", path)
            assert r.returncode == status and f"{conf}{where}" in r.stderr and what in r.stderr and bool(r.stdout) == (not status), (text, r)


def test_xl_conf_cpus():
    """vm.cpumask and its like: at creation, by vcpu-pin, not with --ignore-global-affinity-masks; none left is a fault."""
    with XlWorld() as w:
        def cpus(name):
            return [line.rsplit("  ", 1)[1].split(" / ")[0].strip() for line in w.xl("vcpu-list", name).stdout.strip().split("\n")[1:]]
        (w.folder / "xl.conf").write_text('vm.cpumask="0-2"\nvm.hvm.cpumask="1-3"\nvm.pv.cpumask="3"\n')
        for name, more, wanted in (("none", [], ["1-2", "1-2"]), ("some", ['cpus="2-3"'], ["2", "2"]), ("each", ['cpus=["0-1","all"]'], ["1", "1-2"]),
                                   ("free", ["--ignore-global-affinity-masks", 'cpus="3"'], ["3", "3"])):
            made = w.xl("create", "-q", w.file(name), "vcpus=2", *more)
            assert made.returncode == 0 and cpus(name) == wanted, (name, made, cpus(name))
        r = w.xl("create", "-q", w.file("nowhere"), 'cpus="3"')
        assert r.returncode == 1 and "(bad-cpus)" in r.stderr and "--ignore-global-affinity-masks" in r.stderr, r
        for world in (w.xl, w.oracle):
            assert world("vcpu-pin", "none", "0", "0-1").returncode == 0 and cpus("none")[0] == "1"
            assert world("vcpu-pin", "none", "0", "all").returncode == 0 and cpus("none")[0] == "1-2"
            assert world("vcpu-pin", "--ignore-global-affinity-masks", "none", "0", "3").returncode == 0 and cpus("none")[0] == "3"
            r = world("vcpu-pin", "none", "0", "3")
            assert r.returncode == 1 and "vcpu hard affinity map is empty" in r.stderr, r


if __name__ == "__main__":
    xl_lab.tap.main(sys.modules[__name__])
