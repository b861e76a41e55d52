#!/usr/bin/env python3
"""hospesd's socket under clients that mean no good: bytes, half messages, requests with every member spoilt, a thousand connections, readers that do not read.

The daemon has the sanitizers and must not notice; whatever domains come of it can be taken down, and nothing is left.
"""
import copy
import json
import random
import signal
import sys
import time

import tap
from lives import Lives, Rpc
from sim import PATIENCE

VALUES = [None, True, False, 0, -1, 1, 2, 0x7ff0, 1 << 31, 1 << 63, -(1 << 63), 1e308, -0.5, "", "web", "nobody", "0", "1", "-1", "a" * 5000, "ä\u202e\n\t", "\0", "../../x", "%s%n",
          [], [[]], [0] * 300, {}, {"domain": {}}, {"": ""}, {"c_info": []}]
EASY = [  # requests that are answered at once, whatever is wrong with them
    ("domain.rename", {"domain": "web", "name": "web"}), ("domain.config", {"domain": "web"}), ("domain.memory_set", {"domain": "web", "kib": 4096}),
    ("domain.memory_max", {"domain": "web", "kib": 8192}), ("domain.vcpus_set", {"domain": "web", "vcpus": 1, "ignore_warnings": True}), ("domain.explain", {"domain": "web"}),
    ("domain.wait", {"domain": 77, "gone": True}), ("device.list", {"domain": "web", "kind": "disk"}), ("device.list", {"domain": "web", "kind": "nic"}), ("daemon.status", {}), ("domain.pause", {"domain": "web"}),
    ("domain.unpause", {"domain": "web"}), ("device.detach", {"domain": "web", "kind": "disk", "vdev": "xvdq"}), ("device.detach", {"domain": "web", "kind": "nic", "devid": 9, "force": True}),
]


def spoil(rng, value, depth=0):
    """The same with one member somewhere made into something else, doubled, or gone."""
    value = copy.deepcopy(value)
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.1:
        return rng.choice(VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    what = rng.random()
    if what < 0.15:
        del value[key]
    elif what < 0.25 and isinstance(value, list):
        value += [copy.deepcopy(value[key])] * rng.randrange(1, 5)
    elif what < 0.35 and isinstance(value, dict):
        value[str(rng.choice(VALUES))[:40]] = rng.choice(VALUES)
    elif isinstance(value[key], (dict, list)) and value[key]:
        value[key] = spoil(rng, value[key], depth + 1)
    else:
        value[key] = rng.choice(VALUES)
    return value


def request(rng, ident, method, params):
    m = {"jsonrpc": "2.0", "id": ident, "method": method, "params": params}
    if rng.random() < 0.05:
        m = spoil(rng, m)
        if isinstance(m, dict) and m.get("id") == ident:
            m["id"] = -ident
    return json.dumps(m).encode() + b"\n"


def send_in_pieces(rng, client, data):
    while data:
        n = rng.choice((1, 2, 7, 100, 4096, len(data)))
        client.socket.sendall(data[:n])
        data = data[n:]


def answers(client, wanted):
    """Read until the answer of request @wanted came."""
    while True:
        m = client.line()
        if m.get("id") == wanted:
            return m


def alive(w):
    """It answers others, and did not say anything of sanitizers."""
    assert w.rpc.call("daemon.status")["pid"] == w.hospesd.process.pid
    assert w.hospesd.process.poll() is None, w.hospesd.output()[-4000:]


def settled(w):
    end = time.time() + PATIENCE
    while w.rpc.call("daemon.status")["pending"]:
        assert time.time() < end, w.rpc.call("daemon.status")


def test_spoilt_requests():
    """Each request with something wrong in it gets one answer; a few thousand of them, from a fixed seed."""
    with Lives() as w:
        rng = random.Random(17)
        w.create("web", disks=1, nics=1)
        bad = Rpc(w.socket)
        for ident in range(1, 3001):
            method, params = rng.choice(EASY)
            method = method if rng.random() < 0.98 else rng.choice(("", "domain", "domain.create\0", method * 300))
            data = request(rng, ident, method, spoil(rng, params) if rng.random() < 0.8 else params)
            send_in_pieces(rng, bad, data)
            if ident % 25 == 0:
                bad.socket.sendall(b'{"id":"mark%d","method":"daemon.status"}\n' % ident)
                answers(bad, f"mark{ident}")
            if ident % 500 == 0:
                bad.close()
                bad = Rpc(w.socket)
                alive(w)
        bad.close()
        settled(w)
        for d in w.store.list("/local/domain"):
            if d != "0":
                w.call("domain.destroy", domain=int(d))
        assert not w.leftovers(), w.leftovers()


def test_spoilt_configurations():
    """Creations and devices from configurations with something wrong in them: a problem with code, cause and next step, or a domain that can be destroyed."""
    with Lives(options=["--wait", "backend=300", "--wait", "connect=300", "--wait", "script=2000"]) as w:
        rng = random.Random(4)
        w.create("web")
        base = w.config("new", disks=1, nics=1, on_crash="preserve", uuid="00112233-4455-6677-8899-aabbccddee00")
        disk, nic = base["disks"][0], base["nics"][0]
        other = w.folder / "disks/other"
        other.write_bytes(bytes(4096))
        made, codes = 0, {}
        for ident in range(400):
            bad = Rpc(w.socket)
            kind = rng.randrange(4)
            if kind:
                config = base
                for _ in range(rng.randrange(0, 4)):
                    config = spoil(rng, config)
                method, params = "domain.create", {"config": config, "paused": bool(rng.randrange(2))}
            else:
                which = rng.choice((("disk", dict(disk, vdev="xvdb", pdev_path=str(other))), ("nic", nic)))
                method, params = "device.attach", {"domain": "web", "kind": which[0], "config": spoil(rng, which[1])}
            bad.socket.sendall(json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n")
            m = answers(bad, 1)
            bad.close()
            if "error" in m:
                p = m["error"].get("data")
                codes[p and p["code"]] = codes.get(p and p["code"], 0) + 1
                assert p and p["code"] and len(p["cause"]) > 7 and len(p["next"]) > 7, (params, m)
                assert p["code"] not in ("internal", "build-failed"), (params, m)
            elif kind:
                made += 1
                w.call("domain.destroy", domain=m["result"]["domid"])
            if ident % 50 == 0:
                alive(w)
        assert made > 20, (made, codes)
        settled(w)
        w.call("domain.destroy", domain="web")
        assert not w.leftovers() and w.domains() == 1, (w.leftovers(), w.domains())


def test_bytes():
    """What is no JSON at all, in pieces, with ends in the middle."""
    with Lives(hands=False) as w:
        rng = random.Random(9)
        whole = b'{"jsonrpc":"2.0","id":1,"method":"domain.explain","params":{"domain":"\\u0041\\ud83d\\ude00","x":[1,2.5e3,null,true]}}\n'
        for i in range(1500):
            bad = Rpc(w.socket)
            data = bytearray(whole * rng.randrange(1, 4))
            for _ in range(rng.randrange(0, 12)):
                at = rng.randrange(len(data))
                if rng.random() < 0.3:
                    del data[at:at + rng.randrange(1, 20)]
                elif rng.random() < 0.5:
                    data[at:at] = rng.choice((b"\0", b"\n", b"{" * 50, b'"', b"\\u", b"\xff\xfe", b"9" * 400, b"]"))
                else:
                    data[at] = rng.randrange(256)
                data = data or bytearray(b"x")
            try:
                send_in_pieces(rng, bad, bytes(data[:rng.randrange(1, len(data) + 1)]))
            except OSError:
                pass
            bad.close()
            if i % 300 == 0:
                alive(w)
        alive(w)


def test_thousand_connections():
    """Some come and say nothing, some say half a request: the one that works is never the one that goes."""
    with Lives(hands=False) as w:
        many = []
        busy = Rpc(w.socket)
        for i in range(1000):
            try:
                c = Rpc(w.socket)
                c.socket.sendall(b"" if i % 3 else b'{"id":1,"meth')
                many.append(c)
            except OSError:  # it was let go
                pass
            if i % 20 == 0:  # who is silent longest makes room
                assert busy.call("daemon.status")["pid"] == w.hospesd.process.pid
        alive(w)
        for c in many:
            c.close()
        assert Rpc(w.socket).call("daemon.status")["domains"] == 1


def test_slow_readers():
    """Subscribers that never read cost what they are owed up to a limit; events go on to the others."""
    with Lives() as w:
        deaf = [Rpc(w.socket) for _ in range(20)]
        for c in deaf:
            c.socket.sendall(b'{"id":1,"method":"events.subscribe"}\n')
        slow = Rpc(w.socket)
        slow.call("events.subscribe")
        for i in range(30):
            d = w.create(f"d{i}")
            w.call("domain.destroy", domain=d["domid"])
        for i in range(30):
            slow.event("destroyed")
        w.hospesd.process.send_signal(signal.SIGTERM)  # with all of them connected
        assert w.hospesd.wait() == 0
        for c in deaf:
            c.close()


if __name__ == "__main__":
    tap.main(sys.modules[__name__])
