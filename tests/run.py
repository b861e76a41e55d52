#!/usr/bin/env python3
"""Run Hospes' tests and count them. `run.py SUITE...`; suites: unit abi tools store sim fuzz boot system oracle.

Every test prints one line; the reason of a failure follows it. The last line is `N passed, N failed[, N skipped]`.
The names of all tests that ran are left in $BUILD/tests-ran.txt for scripts/check-compat.py.
"""
import argparse
import concurrent.futures
import functools
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATIENCE = 900  # seconds for one program that tests the host's side: it hangs
sys.path.insert(0, str(ROOT / "tests" / "system"))


class Skip(Exception):
    """A test that cannot run here, with the reason."""


class Results:
    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []
        self.lock = threading.Lock()

    def add(self, name, error=None, skip=None, seconds=0.0):
        with self.lock:
            if skip:
                self.skipped.append(name)
                print(f"skip   {name}: {skip}", flush=True)
            elif error:
                self.failed.append(name)
                print(f"FAILED {name} ({seconds:.1f} s)\n  " + error.replace("\n", "\n  "), flush=True)
            else:
                self.passed.append(name)
                print(f"ok     {name} ({seconds:.1f} s)", flush=True)


def run_unit_program(results, suite, path, runner=()):
    """A cmocka program in TAP mode: each of its test functions counts as one test."""
    start = time.time()
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", ASAN_OPTIONS="detect_leaks=1:abort_on_error=0")
    name = f"{suite}/{path.name}"
    try:
        run = subprocess.run([*runner, str(path)], capture_output=True, text=True, errors="replace", timeout=PATIENCE, env=env)
    except subprocess.TimeoutExpired:
        results.add(name, f"did not end within {PATIENCE} s", seconds=PATIENCE)
        return
    out = run.stdout + run.stderr
    seen = failed = 0
    for line in out.splitlines():
        m = re.match(r"(not )?ok \d+ - (\S+)(?: # SKIP (.*))?", line)
        if m and m[3]:
            seen += 1
            results.add(f"{name}:{m[2]}", skip=m[3])
        elif m:
            seen += 1
            failed += bool(m[1])
            results.add(f"{name}:{m[2]}", error="see below" if m[1] else None)
    if failed or run.returncode or not seen:
        tail = "\n".join(out.splitlines()[-60:])
        why = f"exit status {run.returncode}, {seen} tests reported, {failed} failed\n{tail}"
        if not failed:
            results.add(name, why, seconds=time.time() - start)
        else:
            print("  " + why.replace("\n", "\n  "))


def programs(results, suite, build):
    """The cmocka programs of a suite, a job each."""
    for path in sorted((build / suite).glob("test_*")):
        if path.suffix == "" and os.access(path, os.X_OK):
            yield functools.partial(run_unit_program, results, suite, path)


def scripts_in_python(results, *folders):
    """Scripts tests/FOLDER/test_*.py, which report in TAP as the unit programs do, a job each."""
    for folder in folders:
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            yield functools.partial(run_unit_program, results, folder, path, [sys.executable])


def run_shell_script(results, build, path):
    """Exit 0 passes, 77 skips with the last line as reason."""
    start = time.time()
    env = dict(os.environ, BUILD=str(build))
    name = f"{path.parent.name}/{path.name}"
    try:
        run = subprocess.run(["sh", str(path)], capture_output=True, text=True, errors="replace", timeout=PATIENCE, env=env)
    except subprocess.TimeoutExpired:
        results.add(name, f"did not end within {PATIENCE} s", seconds=PATIENCE)
        return
    out = (run.stdout + run.stderr).strip()
    last = out.splitlines()[-1] if out else "no output"
    if run.returncode == 77:
        results.add(name, skip=last)
    else:
        results.add(name, error=None if run.returncode == 0 else f"exit status {run.returncode}\n" + out[-4000:], seconds=time.time() - start)


def shell_scripts(results, build, folder):
    """All of tests/FOLDER/test_*.sh in one job: they use `make` in the one build directory."""
    def all_of_them():
        for path in sorted((ROOT / "tests" / folder).glob("test_*.sh")):
            run_shell_script(results, build, path)
    return [all_of_them]


def run_fuzzer(results, build, path):
    start = time.time()
    runs = os.environ.get("FUZZ_RUNS", "20000")
    corpus = ROOT / "tests" / "fuzz" / "corpus" / path.name
    try:
        with tempfile.TemporaryDirectory() as found:  # what it adds is not kept
            folders = [found, str(corpus)] if corpus.exists() else []
            run = subprocess.run([str(path), f"-runs={runs}", "-seed=1", "-max_total_time=60", "-print_final_stats=0",
                                  f"-artifact_prefix={build}/fuzz/", *folders], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        error = None if run.returncode == 0 else f"exit status {run.returncode}\n" + run.stderr[-4000:]
    except subprocess.TimeoutExpired:
        error = f"did not end within {PATIENCE} s"
    results.add(f"fuzz/{path.name}", error, seconds=time.time() - start)


def fuzzers(results, build):
    """Each fuzzer runs a fixed number of inputs from a fixed seed over its corpus: the same every time."""
    for path in sorted((build / "fuzz").glob("fuzz_*")):
        if not path.suffix and os.access(path, os.X_OK):
            yield functools.partial(run_fuzzer, results, build, path)


SUITES = {
    "tools": lambda results, build: shell_scripts(results, build, "tools"),
    "unit": lambda results, build: programs(results, "unit", build),
    "abi": lambda results, build: programs(results, "abi", build),
    "store": lambda results, build: scripts_in_python(results, "store"),
    "sim": lambda results, build: scripts_in_python(results, "sim", "xl"),
    "fuzz": fuzzers,
}
BOOT_LEVELS = ("boot", "system", "oracle", "soak")


def load_boot_tests(levels):
    """Functions registered by @boot_test in tests/system/test_*.py that are of one of @levels."""
    import machine
    machine.TESTS.clear()
    paths = sorted((ROOT / "tests" / "system").glob("test_*.py"))
    for path in paths:
        sys.modules.pop(path.stem, None)
    for path in paths:
        if path.stem in sys.modules:  # another one has imported it
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return [t for t in machine.TESTS if set(levels) & set(t.levels)]


def boot_suite(results, build, levels, only, jobs):
    import machine
    machine.BUILD = build

    def one(test):
        start = time.time()
        try:
            test.run()
            results.add(test.name, seconds=time.time() - start)
        except machine.Skip as skip:
            results.add(test.name, skip=str(skip))
        except machine.Failed as failed:
            results.add(test.name, str(failed), seconds=time.time() - start)
        except Exception:
            results.add(test.name, traceback.format_exc(), seconds=time.time() - start)

    tests = [t for t in load_boot_tests(levels) if not only or re.search(only, t.name)]
    # Longest first keeps both workers busy to the end.
    tests.sort(key=lambda t: -t.weight)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, tests))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--only", help="regular expression on boot test names")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    build = pathlib.Path(os.environ.get("BUILD", "build"))
    if not build.is_absolute():
        build = ROOT / build
    results = Results()
    for suite in args.suites:
        if suite not in SUITES and suite not in BOOT_LEVELS:
            sys.exit(f"run.py: unknown suite {suite}")
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in [pool.submit(job) for name, suite in SUITES.items() if name in args.suites for job in suite(results, build)]:
            done.result()
    levels = [s for s in args.suites if s in BOOT_LEVELS]
    if levels:
        boot_suite(results, build, levels, args.only, args.jobs)
    ran = build / "tests-ran.txt"
    ran.write_text("\n".join(results.passed + results.failed + results.skipped) + "\n")
    tail = f", {len(results.skipped)} skipped" if results.skipped else ""
    print(f"{len(results.passed)} passed, {len(results.failed)} failed{tail}")
    sys.exit(1 if results.failed or not results.passed else 0)


main()
