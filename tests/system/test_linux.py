"""Debian's unmodified kernels, launched by Hospes itself. Width of the matrix is covered pairwise."""
from machine import Machine, boot_test, guest, launch, linux


@boot_test("boot", "system", weight=40)
def cloud_one_cpu():
    """The cloud kernel (lz4) in 96 MiB, told to use grant tables of version 2, reaches a shell on its console ring and powers off."""
    with Machine(launch([linux("cloud", memory=96, extra="grant_table.version=2")]), memory="512M") as m:
        m.expect(r"USERSPACE cloud: kernel 6\.1\S*-cloud-amd64, 1 CPU, .*xen 4\.17\.7-hospes", timeout=150)
        m.send("echo answer-$((40+2))\n")
        m.expect("answer-42")
        m.send("dmesg | grep -c 'Using FIFO-based ABI' | sed s/^/fifo-/\n")
        m.expect("fifo-1")
        m.send("dmesg | grep -c 'Grant tables using version 2 layout' | sed s/^/grants-/\n")
        m.expect("grants-1")
        m.send("poweroff -f\n")
        m.expect_off()


# Every value of each column meets every value of each other one somewhere: kernel, vCPUs, MiB, machine's CPU model, chipset, CPUs.
MATRIX = [
    ("cloud", 1, 96, "qemu64,+svm,+npt,+vgif", "q35", 1),
    ("generic", 4, 128, "max", "pc", 2),
    ("cloud", 4, 96, "max", "q35", 4),
    ("generic", 1, 512, "max", "q35", 1),
    ("cloud", 4, 512, "qemu64,+svm,+npt,+vgif", "pc", 2),
    ("generic", 1, 512, "qemu64,+svm,+npt,+vgif", "pc", 4),
    ("cloud", 4, 3072, "max", "pc", 1),
    ("generic", 1, 3072, "qemu64,+svm,+npt,+vgif", "q35", 2),
    ("generic", 4, 3072, "qemu64,+svm,+npt,+vgif", "q35", 4),
    ("generic", 4, 5000, "qemu64,+svm,+npt,+vgif", "pc", 1),
    ("cloud", 1, 5000, "max", "q35", 2),
    ("cloud", 1, 5000, "max", "pc", 4),
]


@boot_test("system", weight=50)
def null_scheduler():
    """With sched=null two domains of two vCPUs share two CPUs, each vCPU with one of its own or in turns."""
    domains = [linux(name, memory=128, vcpus=2, do="smp") for name in ("left", "right")]
    with Machine(launch(domains), append="sched=null", memory="1G", cpus=2) as m:
        m.expect_all([r"SMP left done on 2", r"SMP right done on 2"], timeout=300)
        m.expect_off()


def matrix_test(kernel, vcpus, memory, cpu, chipset, cpus):
    def run():
        """A Debian kernel sees its CPUs and memory (5000 MiB: RAM above 4 GiB too), works on all of them, and powers off."""
        domain = linux("m", kernel=f"vmlinuz-{kernel}", memory=memory, vcpus=vcpus, do="smp")
        with Machine(launch([domain]), memory="512M" if memory < 512 else f"{memory // 1024 + 2}G", cpu=cpu, machine=chipset, cpus=cpus) as m:
            found = m.expect(rf"USERSPACE m: kernel 6\.1\S*-amd64, {vcpus} CPU, (\d+) MiB, xen 4\.17", timeout=300)
            if not memory * 0.6 - 60 < int(found[1]) < memory:
                m.fail(f"{found[1]} MiB of {memory}")
            m.expect(rf"SMP m done on {vcpus}", timeout=200)
            m.expect_off()
        if "ok=0" in m.text:
            m.fail("time ran backwards on a CPU")
    run.__name__ = f"matrix_{kernel}_{vcpus}vcpu_{memory}M_{cpu.split(',')[0]}_{chipset}_smp{cpus}"
    run.__module__ = __name__
    boot_test("system", weight=20 + 10 * vcpus)(run)


for row in MATRIX:
    matrix_test(*row)
