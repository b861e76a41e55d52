"""A machine of two nodes: domains get their memory where their CPUs are, and Debian's xl sees and chooses nodes."""
import re

from machine import Machine, boot_test, guest, launch
from test_dom0 import IOMMU, nothing_bad
from test_xl import CONFIG, Session

# CPU 0 and the first GiB, CPU 1 and the second.
NODES = tuple(w for i in (0, 1) for w in ("-object", f"memory-backend-ram,id=m{i},size=1G", "-numa", f"node,nodeid={i},cpus={i},memdev=m{i}"))
NODES += ("-numa", "dist,src=0,dst=1,val=31")
HOSPES = 100  # MiB of either node that Hospes, firmware and modules may have
MIB = 128     # of a domain that xl makes
SLACK = 8     # and what Hospes needs for it, wherever that is


@boot_test("system", weight=10)
def memory_where_the_cpus_are():
    sizes = (64, 512)
    domains = [{"name": f"on{i}", "type": "pvh", "kernel": guest("quiet64"), "memory": size, "cpus": str(i)} for i, size in enumerate(sizes)]
    with Machine(launch(domains), cpus=2, memory="2G", extra=NODES) as m:
        m.expect_all([rf"NUMA: node {i}: memory .*\n" for i in (0, 1)], timeout=120)
        m.to_hospes()
        m.send("u")
        for i, size in enumerate(sizes):
            text = m.expect(rf"node {i}: (\d+) MiB free of what spans 1024 MiB, distances {'31 10' if i else '10 31'}\n", timeout=120)
            if not size <= 1024 - int(text[1]) <= size + HOSPES:
                m.fail(f"node {i} has {text[1]} MiB free: {size} MiB are of it")


def free(s):
    """Free MiB of both nodes, as xl info -n tells."""
    text = s.check("xl info -n", r"^nr_nodes +: 2$", r"^ +0: +\d+ +\d+ +10,31$", r"^ +1: +\d+ +\d+ +31,10$", r"^ +0: +0 +0 +0\n +1: +1 +0 +1$")
    return [int(re.search(rf"^ +{i}: +\d+ +(\d+) +\d+,", text, re.M)[1]) for i in (0, 1)]


@boot_test("system", weight=40)
def xl_chooses_nodes():
    """xl puts a domain on the node that has most room, and then on the other one; the hypervisor takes all its memory from there."""
    configs = {f"{name}.cfg": CONFIG.format(name=name, kernel="/small", memory=MIB, vcpus=1, more="").encode() for name in ("one", "two")}
    with Session({"small": guest("quiet64").read_bytes(), **configs}, extra=(*IOMMU, *NODES)) as s:
        nodes = set()
        for name in ("one", "two"):
            before = free(s)
            s.run(f"xl create -q /{name}.cfg")
            used = [a - b for a, b in zip(before, free(s))]
            node = used.index(max(used))
            if not (MIB <= used[node] <= MIB + SLACK and abs(used[1 - node]) <= SLACK):
                s.m.fail(f"{MIB} MiB came from nodes 0 and 1 as {used}")
            s.check(f"xl list -n {name}", rf"^{name} .* {node}$")
            nodes.add(node)
        if nodes != {0, 1}:
            s.m.fail(f"both domains are on node {nodes}")
        nothing_bad(s.m)
