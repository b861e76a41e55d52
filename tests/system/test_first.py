"""The shortest path from power-on to a guest's first hypercall, on the kinds of machine we support."""
from machine import Failed, Machine, boot_test, guest, launch


def tiny(name, width, **more):
    return {"name": name, "type": "pvh", "kernel": guest(f"hello{width}"), "memory": 4, "vcpus": 1, "extra": f"i-am-{name}", **more}


@boot_test("boot", "system", weight=5)
def micro_guest():
    """A 4 MiB ELF guest of each width makes hypercalls, ends, and the machine powers off behind the last one."""
    with Machine(launch([tiny("w32", 32), tiny("w64", 64)]), memory="256M") as m:
        m.expect_all([r"HELLO from 32-bit guest on XenVMMXenVMM 4\.17\.7-hospes\S*, RAM up to 4096 KiB, 'i-am-w32'",
                      r"HELLO from 64-bit guest on XenVMMXenVMM 4\.17\.7-hospes\S*, RAM up to 4096 KiB, 'i-am-w64'"])
        m.expect_off()


@boot_test("system", weight=5)
def no_svm():
    """A machine without SVM gets one clear sentence."""
    with Machine(launch([tiny("w64", 64)]), memory="256M", cpu="qemu64,-svm") as m:
        m.expect(r"(XEN).*(SVM|virtuali[sz]ation).*")


@boot_test("system", weight=6)
def i440fx_and_max_cpu():
    """The other chipset, the richest CPU model (LA57, SMEP, SMAP, UMIP, XSAVE) and four CPUs."""
    with Machine(launch([tiny("w64", 64)]), memory="512M", machine="pc", cpu="max", cpus=4) as m:
        m.expect(r"HELLO from 64-bit guest")
        m.expect_off()


@boot_test("system", weight=6)
def no_modules():
    """Nothing to launch: one sentence says what a loader must provide, and the machine does not hang silently."""
    with Machine([], memory="256M") as m:
        m.expect(r"\(XEN\).*no.*(module|kernel).*")




@boot_test("system", weight=8)
def vector_state():
    """Domains with different XCR0 and vector registers share one CPU, and each finds its own again, through the guarded way in and out."""
    domains = [{"name": f"x{i}", "type": "pvh", "kernel": guest(f"xstate{width}"), "memory": 4, "vcpus": 1} for i, width in enumerate((64, 64, 32, 32))]
    with Machine(launch(domains), memory="256M", cpu="max", append="spec-ctrl=rsb,div-scrub") as m:
        m.expect(r"\(XEN\) Speculation: between guests and Hospes returns divider;")
        m.expect_off()
        if "WRONG" in m.text or m.text.count("xstate done") != len(domains):
            raise Failed(m.text)
