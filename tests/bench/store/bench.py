#!/usr/bin/env python3
"""Our xenstored beside Debian's xenstored and oxenstored and a server that only echoes, in one run.

Daemon and load generator share one CPU under SCHED_FIFO where that is allowed; each figure is the median of ROUNDS runs on fresh daemons,
taken in turn so that a slow moment of the machine hits all alike. Prints a table and leaves BUILD/bench-store.json. Exit status 1
if a target of ours is missed by more than a tenth.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "store"))
import store_lab as lab  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = os.environ.get("SECONDS_EACH", "0.7")
ONLY = os.environ.get("ONLY", "").split()
LOAD, ECHO = lab.BUILD / "store" / "load", lab.BUILD / "store" / "echo"

# workload, figure, unit, target, True if more is better, kinds that can run it
ROWS = [
    ("read", "cpu_us", "us", 4.8, False, "e o c O"), ("read", "p50_us", "us", 9.0, False, "e o c O"),
    ("read-16", "rate", "/s", 400e3, True, "e o c O"), ("read-idle", "rate", "/s", 100e3, True, "e o c O"),
    ("vm-1", "rate", "/s", 1150, True, "e o c O"), ("vm-32", "rate", "/s", 2000, True, "e o c O"), ("vm-32", "eagain", "", 0, False, "o c O"),
    ("counter-8", "rate", "/s", 8e3, True, "e o c O"), ("counter-8", "worst_ms", "ms", 1000, False, "o c O"), ("watch-1000", "rate", "/s", 80e3, True, "e o c O"),
    ("watch-100k", "rate", "/s", 80e3, True, "o"), ("fan-out-100", "rate", "/s", 2e6, True, "o c O"), ("fan-out-1", "rate", "/s", 1e6, True, "o c O"),
    ("directory", "rate", "/s", 100e3, True, "e o c O"), ("domains-250", "rate", "/s", 1000, True, "o c O"), ("domains-1000", "rate", "/s", 1000, True, "o O"),
    ("destroy-250", "rate", "/s", 5000, True, "o c O"), ("destroy-1000", "rate", "/s", 5000, True, "o O"), ("memory", "bytes", "B", 100, False, "o c O"),
    ("ring-read", "p50_us", "us", 5.0, False, "o c O"), ("ring-read", "notifies", "", 1.0, False, "o c O"),
]
# Once is enough for these: they take long, or are the same every time.
ONCE = {"memory", "domains-1000", "destroy-1000", "watch-100k"}
KINDS = {"o": "ours", "c": "xenstored", "O": "oxenstored", "e": "echo"}
NO_LIMITS = ["-E", "1000000", "-S", "1000000", "-W", "1000000", "-t", "10000", "-A", "100"]


def pin(words):
    if os.environ.get("NO_FIFO") or subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode:
        return ["taskset", "-c", str(os.cpu_count() - 1)] + words
    return ["chrt", "-f", "10", "taskset", "-c", str(os.cpu_count() - 1)] + words


class Pinned(lab.Daemon):
    def command(self):
        self.env.pop("PYTHONPATH", None)
        return pin(super().command())


def measure(kind, workload):
    machine = lab.Machine()
    daemon = process = None
    try:
        if kind == "e":
            path = machine.dir / "run" / "echo"
            process = subprocess.Popen(pin([str(ECHO), str(path)]))
            pid = process.pid
        else:
            daemon = Pinned(machine, {"o": "ours", "c": "c", "O": "o"}[kind], NO_LIMITS if kind == "c" else [])
            path, pid = daemon.socket, daemon.process.pid
        run = subprocess.run(pin([str(LOAD), str(path), str(pid), SECONDS, workload, str(machine.dir)]), capture_output=True, text=True, timeout=100)
        if run.returncode:
            return {"error": run.stderr.strip()[-200:]}
        return json.loads(run.stdout)
    except (RuntimeError, subprocess.TimeoutExpired) as e:
        return {"error": str(e)[-200:]}
    finally:
        if process:
            process.kill()
            process.wait()
        if daemon:
            daemon.kill()
            daemon.log.close()
        machine.close()


def main():
    have = {"o", "e"} | ({"c", "O"} if lab.oracle_ready() else set())
    wanted = os.environ.get("KINDS", "o c O e").split()
    workloads = {}
    for workload, _, _, _, _, kinds in ROWS:
        if not ONLY or workload in ONLY:
            workloads.setdefault(workload, [k for k in kinds.split() if k in have and k in wanted])
    got = {}
    for workload, kinds in workloads.items():
        for _ in range(1 if workload in ONCE else ROUNDS):
            for kind in kinds:
                got.setdefault((workload, kind), []).append(measure(kind, workload))
    report, missed = [], []
    print(f"{'':28}{'ours':>12}{'target':>12}{'xenstored':>12}{'oxenstored':>12}{'floor':>12}   ours/best of both")
    for workload, figure, unit, target, more, _ in ROWS:
        if workload not in workloads:
            continue
        value = {}
        for kind in KINDS:
            numbers = [r[figure] for r in got.get((workload, kind), []) if figure in r]
            value[kind] = statistics.median(numbers) if numbers else None
        others = [value[k] for k in "cO" if value[k] is not None]
        best = (max if more else min)(others) if others else None
        ratio = value["o"] / best if best and value["o"] is not None else None
        ok = value["o"] is not None and (value["o"] >= target * 0.9 if more else value["o"] <= target * 1.1)
        if not ok:
            missed.append(f"{workload} {figure}")

        def show(x):
            return "-" if x is None else f"{x:,.0f}" if abs(x) >= 100 else f"{x:.2f}"
        print(f"{workload + ' ' + figure + (' ' + unit if unit else ''):28}{show(value['o']):>12}{show(target):>12}{show(value['c']):>12}{show(value['O']):>12}"
              f"{show(value['e']):>12}   {'-' if ratio is None else f'{ratio:.2f}'}{'' if ok else '  MISSED'}", flush=True)
        report.append({"workload": workload, "figure": figure, "unit": unit, "target": target, **{KINDS[k]: v for k, v in value.items()}, "ok": ok})
    for (workload, kind), runs in got.items():
        for r in runs:
            if "error" in r:
                print(f"{KINDS[kind]} {workload}: {r['error']}")
                break
    (lab.BUILD / "bench-store.json").write_text(json.dumps(report, indent=1) + "\n")
    if missed:
        print("missed: " + ", ".join(missed))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    assert shutil.which("taskset")
    main()
