"""What hospes-trace-json makes of a file whose records are known."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "hospes-trace" / "hospes-trace-json"


def rec(event, time, *words):
    head = event | len(words) << 28 | (0 if time is None else 1 << 31)
    stamp = b"" if time is None else struct.pack("<Q", time)
    return struct.pack("<I", head) + stamp + struct.pack(f"<{len(words)}I", *words)


def runstate(time, domain, vcpu, was, now):
    return rec(0x21001 | was << 8 | now << 4, time, domain << 16 | vcpu)


def convert(data, *options):
    with tempfile.TemporaryDirectory() as tmp:
        path = pathlib.Path(tmp) / "trace"
        path.write_bytes(data)
        done = subprocess.run([sys.executable, TOOL, *options, path], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["traceEvents"], done.stderr


def spans(events, name):
    return [(e["ts"], e["dur"], e["pid"], e["tid"]) for e in events if e["name"] == name and e["ph"] == "X"]


def sample():
    """Records whose spans are known."""
    data = rec(0x1F003, None, 1, 0)  # CPU 1
    data += runstate(1000, 3, 0, 1, 0) + rec(0x2800A, 1000, 0x7FFF, 1, 3, 0) + rec(0x81001, 1100)
    data += rec(0x81102, 3000, 0x81, 0x1234, 0xFFFFFFFF) + rec(0x82012, 3100, 29) + rec(0x81001, 3500)
    data += rec(0x1F002, None, 0, 0) + runstate(5000, 3, 0, 0, 2) + rec(0x2800A, 5000, 3, 0, 0x7FFF, 1)
    data += rec(0x1F003, None, 0, 0) + rec(0x1F001, 2000, 7, 0x7FFF, 0, 0) + rec(0x10F001, 2500, 3)
    data += rec(0x81102, 2600, 0x78)[:-2]  # cut off
    return data


def main():
    cpus = 1 << 20
    data = sample()
    events, said = convert(data)
    assert spans(events, "d3v0") == [(0.0, 4.0, cpus, 2)], events
    assert spans(events, "running") == [(0.0, 4.0, 3, 0)], events
    assert spans(events, "VMMCALL") == [(2.0, 0.5, cpus, 3)], events
    assert not spans(events, "idle") and not spans(events, "HLT")
    calls = [e for e in events if e["name"] == "hypercall"]
    assert len(calls) == 1 and calls[0]["args"] == {"number": 29} and calls[0]["ts"] == 2.1
    assert [e["args"] for e in events if e["name"] == "grant map"] == [{"domain": 3}]
    assert "7 records were lost" in said and any(e["name"] == "7 records lost" for e in events)
    assert {e["args"]["name"] for e in events if e["ph"] == "M"} >= {"CPU 0", "CPU 1", "domain 3", "vCPU 0"}
    assert spans(convert(data, "--mhz", "2000")[0], "d3v0") == [(0.0, 2.0, cpus, 2)]
    assert convert(b"")[0] and convert(b"\x01")[0]
    print("ok")


if __name__ == "__main__":
    main()
