"""Debian's unmodified kernels, launched by Hospes itself. Width of the matrix is covered pairwise."""
from machine import Machine, boot_test, guest, launch, linux


@boot_test("boot", "system", weight=40)
def cloud_one_cpu():
    """The cloud kernel (lz4) in 96 MiB reaches a shell on its console ring and powers off."""
    with Machine(launch([linux("cloud", memory=96)]), memory="512M") as m:
        m.expect(r"USERSPACE cloud: kernel 6\.1\S*-cloud-amd64, 1 CPU, .*xen 4\.17\.7-hospes", timeout=150)
        m.send("echo answer-$((40+2))\n")
        m.expect("answer-42", timeout=30)
        m.send("poweroff -f\n")
        m.expect_off(60)


@boot_test("system", weight=60)
def generic_four_cpus():
    """The generic kernel (xz) in 128 MiB with 4 vCPUs on 2 CPUs: every CPU works, then power-off."""
    with Machine(launch([linux("generic", kernel="vmlinuz-generic", memory=128, vcpus=4, do="smp")]), memory="1G", cpus=2) as m:
        m.expect(r"USERSPACE generic: kernel 6\.1\S*-amd64, 4 CPU", timeout=200)
        m.expect(r"SMP generic done on 4", timeout=120)
        m.expect_off(60)


@boot_test("system", weight=60)
def cloud_four_cpus_3g():
    """The cloud kernel with 3 GiB and 4 vCPUs on one CPU."""
    with Machine(launch([linux("cloud", memory=3072, vcpus=4, do="smp")]), memory="4G", cpus=1) as m:
        m.expect(r"USERSPACE cloud: .*4 CPU, (2[89]|30)\d\d MiB", timeout=200)
        m.expect(r"SMP cloud done on 4", timeout=120)
        m.expect_off(60)


@boot_test("system", weight=50)
def generic_one_cpu_max_model():
    """The generic kernel, 1 vCPU, 3 GiB, on the richest CPU model."""
    with Machine(launch([linux("generic", kernel="vmlinuz-generic", memory=3072, do="poweroff")]), memory="4G", cpus=2, cpu="max") as m:
        m.expect(r"USERSPACE generic: .*1 CPU", timeout=200)
        m.expect_off(60)


@boot_test("system", weight=60)
def ends_of_domains():
    """One domain after the other powers off, reboots, crashes by panic and by triple fault; a heartbeat never stops."""
    tiny = {"name": "triple", "type": "pvh", "kernel": guest("triple64"), "memory": 4, "vcpus": 1}
    with Machine(launch([linux("beat", memory=96, do="count"), linux("off", memory=96, do="poweroff"),
                         linux("panic", memory=96, do="crash", extra="panic=0"), tiny]), memory="1G", cpus=2) as m:
        m.expect_all([r"BEAT beat 1\b", r"domain \d+ \(off\) .*power", r"domain \d+ \(panic\) .*crash",
                      r"domain \d+ \(triple\) .*crash"], timeout=200)
        m.expect(r"BEAT beat \d+", timeout=20)
        m.expect(r"BEAT beat \d+", timeout=20)
