#!/usr/bin/env python3
"""The daemon against the model of tests/store/model: random operations of sockets and guests, with kill -9 now and then.

MODEL_OPERATIONS and MODEL_SEED change how many and which; the soak runs ten million.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import store_lab as lab  # noqa: E402
from tap import main, test  # noqa: E402

OPERATIONS = int(os.environ.get("MODEL_OPERATIONS", "200000"))
SEED = int(os.environ.get("MODEL_SEED", "1"))


def run(operations, seed, kill_every):
    r = subprocess.run([str(lab.BUILD / "store" / "model"), str(lab.BUILD / "xenstored"), str(operations), str(seed), str(kill_every)],
                       capture_output=True, text=True, timeout=60 + operations // 1000)
    print("# " + r.stdout.strip().replace("\n", "\n# "))
    assert r.returncode == 0, r.stdout + r.stderr


@test
def model_without_deaths():
    run(OPERATIONS // 4, SEED, 0)


@test
def model_killed_now_and_then():
    run(OPERATIONS // 2, SEED + 1, 1500)


@test
def model_killed_often():
    run(OPERATIONS // 4, SEED + 2, 150)


if __name__ == "__main__":
    main()
