"""The figures of a GPU in one command: the benchmarks that take one, the most important first, in at most 8 minutes.

    python benchmarks/gpu.py                # with the Python that runs it, whose torch sees a GPU
    python benchmarks/gpu.py --minutes 20

Each has a share of the time and what those before it left. One that takes longer is stopped and the next one begins;
all print what they measure as they go. MNIST comes from SKLEARN_OCC_DATA or is downloaded.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path(__file__).parent
BENCHMARKS = {  # command line: share of the time
    "bench_training.py --device cuda": 5,
    "bench_ocsvm.py cuda --repeats 1 --busy": 5,
    "bench_seed_ensemble.py --device cuda --repeats 1 --busy": 3,
    "bench_patches.py --device cuda": 1,
    "bench_memory_map.py --device cuda --repeats 1": 3,
    "bench_growth.py --device cuda": 4,
}


def run(command, seconds):
    """Run a script of this folder; how it ended, in words."""
    script, *arguments = command.split()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # for what a stopped one leaves
        process = subprocess.Popen(
            [sys.executable, str(FOLDER / script), *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": folder},
            start_new_session=True,  # so that its own processes can be stopped with it
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                with suppress(subprocess.TimeoutExpired):  # a process that hangs in the driver does not end
                    process.wait(5)
    taken = f"{time.monotonic() - started:.0f} s"
    if status is None:
        return f"stopped after {taken}"
    return f"failed after {taken}" if status else f"ended in {taken}"


def run_all(benchmarks, seconds):
    """Run each of `benchmarks`, {command line: share}, in `seconds` together; {command line: how it ended}."""
    ends, left = {}, sum(benchmarks.values())
    deadline = time.monotonic() + seconds
    for command, share in benchmarks.items():
        print(f"\n## {command}\n", flush=True)
        ends[command] = run(command, max(0, deadline - time.monotonic()) * share / left)
        left -= share
        print(f"\n{ends[command]}", flush=True)
    return ends


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8)
    ends = run_all(BENCHMARKS, 60 * parser.parse_args().minutes)
    print("\n" + "\n".join(f"{command}: {end}" for command, end in ends.items()))
    sys.exit(any(not end.startswith("ended") for end in ends.values()))


if __name__ == "__main__":
    main()
