"""What a launch tree promises: static links and grants between domains without a dom0, and faults that cost only what they are in."""
import os
import re
import subprocess
import tempfile

import machine
from machine import Failed, Machine, boot_test, guest, launch
from test_enemies import same


def micro(name, program, extra="", **more):
    return {"name": name, "type": "pvh", "kernel": guest(program), "memory": 4, "vcpus": 1, "extra": extra, **more}


@boot_test("system", weight=10)
def static_links_and_grants():
    """Two pairs of domains, of both widths, exchange a thousand checked messages through what the tree gave them."""
    pairs = []
    for i, (a, b) in enumerate([(32, 64), (64, 32)]):
        pairs += [micro(f"ping{i}", f"pair{a}", f"ping other={2 * i + 2}", launch_links=[f"20=pong{i}:30"],
                        launch_grants=[f"8=pong{i}:0x300"]),
                  micro(f"pong{i}", f"pair{b}", f"pong other={2 * i + 1}", launch_grants=[f"9=ping{i}:0x301:ro"])]
    with Machine(launch(pairs), memory="256M", cpus=2, append="guest_loglvl=all") as m:
        m.expect_all([r"PAIR ping: 1000 rounds, 0 wrong", r"PAIR pong: 1000 rounds, 0 wrong"], timeout=120)
        m.expect_off()
    if "WRONG" in m.text or m.text.count("0 wrong") != 4:
        m.fail("something was wrong")


# What a guest's events, grants, timers and its turns on a CPU take: hv/lock.h.
FAST_PATHS = {30: "grant table", 32: "mapping handles", 40: "ports", 42: "a port", 44: "event queue", 50: "guest-physical map", 60: "run queue",
              65: "budget", 70: "timers", 84: "finding a domain"}


def locks_waited_for(m):
    """How often a lock of each rank was found taken since this was last asked."""
    before = len(m.text)
    m.send("l")
    m.expect(r"Locks of \d+ ranks were waited for.*\n", timeout=120)
    return {int(r): int(n) for r, n in re.findall(r"Locks of rank (\d+): found taken (\d+) times", m.text[before:])}


@boot_test("system", weight=20)
def strangers_share_no_lock():
    """Four pairs of domains, each pair on a CPU of its own, send events, copy and map grants, set timers: nobody ever waits for a lock of another pair's."""
    domains = []
    for i in range(4):
        cpu = {"cpus": str(i)}
        domains += [micro(f"ping{i}", "pair64", f"ping stay other={2 * i + 2}", launch_links=[f"20=pong{i}:30"], launch_grants=[f"8=pong{i}:0x300"], **cpu),
                    micro(f"pong{i}", "pair64", f"pong stay other={2 * i + 1}", launch_grants=[f"9=ping{i}:0x301:ro"], **cpu)]
    with Machine(launch(domains), memory="256M", cpus=4, append="guest_loglvl=all", thread="multi") as m:
        m.to_hospes()
        start = locks_waited_for(m)
        if m.text.count("PAIR ping") == 4:
            m.fail("all was over before anything was counted")
        while len(re.findall(r"PAIR ping: 1000 rounds, 0 wrong\n", m.text)) < 4:
            m.expect(r"PAIR ping: \d+ rounds, \d+ wrong\n", timeout=240)
        waits = locks_waited_for(m)
    print("# locks waited for, by rank, while all begin:", start or "none")
    print("# and from then on:", waits or "none")
    contended = {FAST_PATHS[r]: n for r, n in waits.items() if r in FAST_PATHS}
    if contended:
        raise Failed(f"waited for locks of strangers: {contended}")


# Each case is one domain of one tree: what is wrong in the text of its node, the line that must say so, and whether it runs
# all the same. `@` stands for the domain's number in the tree.
KERNEL = 'module@1 { compatible = "module,kernel", "multiboot,module"; mb-index = <1>; bootargs = "i-am-@"; };'
PLAIN = {"compatible": '"xen,domain"', "domid": "<@>", "mode": "<4>", "cpus": "<1>", "memory": "<0 4096>"}


def case(line, runs, module=KERNEL, more="", **changed):
    props = {**PLAIN, **{k.replace("_", "-").replace("hospes-", "hospes,", 1): v for k, v in changed.items()}}
    text = "".join(f"{k} = {v}; " if v is not True else f"{k}; " for k, v in props.items() if v is not None)
    return line, runs, text + module + more


CASES = [
    case(None, True),
    case(r"domid: 65535 is not a domain id", False, domid="<0xffff>"),
    case(r"domid: 1 is taken by", False, domid="<1>"),
    case(r"domid: must be one cell, is 8 bytes", True, domid="<4 4>"),
    case(r"permissions: unknown bits 0x70", True, permissions="<0x70>"),
    case(r"functions: crash domains are not supported", True, functions="<2>"),
    case(r"mode: PV \(bit 0\) is not supported", False, mode="<1>"),
    case(r"mode: HVM with a device model", False, mode="<2>"),
    case(r"mode: unknown bits", False, mode="<0x84>"),
    case(r"domain-uuid: must be 16 bytes, is 3", True, domain_uuid="[010203]"),
    case(r"cpus: 0 is not between 1 and 128", False, cpus="<0>"),
    case(r"cpus: 129 is not between 1 and 128", False, cpus="<129>"),
    case(r"memory: 1024 KiB is not between 2 MiB", False, memory="<0 1024>"),
    case(r"memory: must be two cells", False, memory="<4096>"),
    case(r"memory: missing", False, memory=None),
    case(r"needs 1\d{6} MiB, \d+ MiB are free", False, memory="<0 0x40000000>"),
    case(None, True, memory="<0 2048>", module=KERNEL.replace("<1>", "<2>")),
    case(r"security-id|no security policy is in force", True, security_id='"secret"'),
    case(r"hospes,max-memory: less than memory", True, hospes_max_memory="<0 2048>"),
    case(r"hospes,weight: 0 is not between", True, hospes_weight="<0>"),
    case(r"hospes,class: 'fast' is neither interactive nor", True, hospes_class='"fast"'),
    case(r"hospes,cap: \d+ percent is too much", True, hospes_cap="<99999999>"),
    case(r"hospes,affinity: must be pairs", True, hospes_affinity="<0>"),
    case(r"hospes,affinity: 2 to 1 is no range", True, hospes_affinity="<2 1>"),
    case(r"none of its CPUs is online: runs anywhere", True, hospes_affinity="<77 78>"),
    case(r"hospes,on-crash: 'explode' is neither", True, hospes_on_crash='"explode"'),
    case(r"frobnicate: unknown property", True, frobnicate="<1>"),
    case(r"mb-index: there is no module 77", False, module=KERNEL.replace("<1>", "<77>")),
    case(r"mb-index: missing", False, module=KERNEL.replace("mb-index = <1>;", "")),
    case(r'lacks "multiboot,module"', False, module=KERNEL.replace(', "multiboot,module"', "")),
    case(r"no usable kernel module", False, module=""),
    case(r"kernel: neither ELF nor packed by", False, module=KERNEL.replace("<1>", "<3>")),
    case(r"a second module,kernel: ignored", True, more=KERNEL.replace("module@1", "module@2")),
    case(r"strange: unknown node", True, more="strange { };"),
    case(r"xen,evtchn: must be two cells", True, more='evtchn@9 { compatible = "xen,evtchn-v1"; phandle = <0x901>; xen,evtchn = <9>; };'),
    case(r"xen,evtchn: its peer is no usable event channel node", True,
         more='evtchn@9 { compatible = "xen,evtchn-v1"; phandle = <0x902>; xen,evtchn = <9 0x999>; };'),
    case(r"xen,evtchn: port 0 is not between", True,
         more='evtchn@9 { compatible = "xen,evtchn-v1"; phandle = <0x903>; xen,evtchn = <0 0x903>; };'),
    case(r"peer: missing: grant left out", True, more='grant@8 { compatible = "hospes,grant-v1"; ref = <8>; gfn = <0 0x300>; };'),
    case(r"ref: 1 is not between 8", True, more='grant@1 { compatible = "hospes,grant-v1"; ref = <1>; gfn = <0 0x300>; peer = <0x999>; };'),
    case(r"peer: names no domain", True, more='grant@8 { compatible = "hospes,grant-v1"; ref = <8>; gfn = <0 0x300>; peer = <0x999>; };'),
    case(None, True),
]


def compile_tree(dts):
    path = machine.BUILD / f"tree.{os.getpid()}.{abs(hash(dts)):x}.dtb"
    run = subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", str(path)], input=dts, capture_output=True, text=True)
    if run.returncode:
        raise Failed(f"dtc: {run.stderr}")
    return path


@boot_test("system", weight=15)
def broken_tree():
    """Forty domains, each with another fault: every fault is one line naming its node, and everything else boots."""
    nodes = "".join(f"d{i}: domain@{i} {{ {text} }};\n".replace("@;", f"{i};").replace("<@>", f"<{i}>").replace("i-am-@", f"i-am-{i}")
                    for i, (_, _, text) in enumerate(CASES, 1))
    tree = compile_tree('/dts-v1/; / { chosen { hypervisor { compatible = "hypervisor,xen"; config { compatible = "xen,config"; };\n'
                        + nodes + 'odd { }; }; }; };')
    with tempfile.NamedTemporaryFile(dir=machine.BUILD) as garbage:
        garbage.write(bytes(range(1, 256)) * 64)
        garbage.flush()
        modules = [tree, guest("hello64"), guest("hello32"), garbage.name]
        check = subprocess.run([machine.tool("hospes-launch"), "check", *map(str, modules)], capture_output=True, text=True)
        with Machine(modules, memory="512M", cpus=2, append="guest_loglvl=all loglvl=all") as m:
            m.expect_off()
    tree.unlink()
    wrong = []
    for i, (line, runs, _) in enumerate(CASES, 1):
        found = [x for x in m.text.splitlines() if line and re.search(rf"launch: .*(domain@{i}\b|d{i}\)|Domain-{i}:).*({line})", x)]
        if line and len(found) != 1:
            wrong.append(f"domain@{i}: {len(found)} lines say /{line}/")
        if runs != (f"'i-am-{i}'" in m.text):
            wrong.append(f"domain@{i} {'did not run' if runs else 'ran'} ({line})")
    if wrong:
        (machine.BUILD / "broken_tree.log").write_text(m.text)
        raise Failed("\n".join(wrong) + "\n" + "\n".join(x for x in m.text.splitlines() if "launch:" in x) + check.stdout + check.stderr)


def bounded(bounds):
    """A tree of a domain that stays, and one for each of @bounds: the KiB Hospes may use for it beside its memory."""
    props = 'compatible = "xen,domain"; mode = <4>; cpus = <1>; memory = <0 4096>; '
    nodes = "".join(f"domain@{i} {{ {props} domid = <{i}>; hospes,overhead-max = <0 {kib}>; {KERNEL} }};\n" for i, kib in enumerate(bounds, 2))
    return compile_tree('/dts-v1/; / { chosen { hypervisor { compatible = "hypervisor,xen"; config { compatible = "xen,config"; };\n'
                        f'domain@1 {{ {props} domid = <1>; {KERNEL.replace("<1>", "<2>")} }};\n{nodes} }}; }}; }};')


def made_with(bounds, expected=None):
    """Boot that tree: for whom it was too little, the KiB that are used for the one that stays, and what memory is free when all others are gone."""
    tree = bounded(bounds)
    with Machine([tree, guest("hello64"), guest("quiet64")], memory="512M", append="guest_loglvl=all loglvl=all") as m:
        ends = m.expect_all([rf"launch: .*\(d{i}\): .*: left out|Domain {i} \(.*\) has powered off" for i in range(2, len(bounds) + 2)])
        m.to_hospes()
        for _ in range(40):  # a domain is taken apart in slices after its end, between which the keys are served
            free = m.memory_now()
            if expected is None or same(free, expected):
                break
        m.send("q")
        used = int(m.expect(r"^.*d1 .*\n.*uses (\d+) KiB of Hospes' memory")[1])
        if bad := re.search(r"^.*(is gone, but for|WRONG).*$", m.text, re.M):
            m.fail(bad[0])
    tree.unlink()
    return [e[0].endswith("left out") for e in ends.values()], used, free


@boot_test("system", weight=15)
def too_little_for_hospes():
    """Forty domains for which Hospes may use from next to nothing to more than it takes: each allocation of their making is refused to somebody, who is left out with a
    line and leaves nothing behind; the others run."""
    out, used, free = made_with([16 << 10] * 40)
    if any(out):
        raise Failed(f"with all they need, {out.count(True)} domains are left out")
    bounds = [1 + used * i // 34 for i in range(40)]
    out, _, after = made_with(bounds, free)
    if sorted(out, reverse=True) != out or not 25 <= out.count(True) <= 36:
        raise Failed(f"one takes {used} KiB; with {bounds} they were left out: {out}")
    if not same(after, free):
        raise Failed(f"free frames and heap bytes {free} after all were made, {after} after {out.count(True)} were not")
