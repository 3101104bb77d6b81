"""How time and memory grow with rows, features and image size.

    python benchmarks/bench_growth.py                   # about 10 minutes on 2 cores
    python benchmarks/bench_growth.py --device cuda

Each line is a process of its own. An epoch is one pass of CAE (default network of 16 channels for images), mean of two
after a first; the fit of OCSVM is whole, with nu 0.15. Peak memory is that of the process, with the data and
about 0.4 GB of torch; on CUDA also the device's.
"""

import argparse
import multiprocessing
import os
import resource
import time

import numpy as np
import torch

from sklearn_occ import CAE, OCSVM

TABLES = [(10_000, 20), (100_000, 20), (1_000_000, 20), (100_000, 200), (100_000, 784)]
IMAGES = [(1000, 32), (10_000, 32), (100_000, 32), (1000, 64), (1000, 128), (1000, 256)]
KERNELS = [(5000, 20), (20_000, 20), (60_000, 20), (5000, 784), (20_000, 784), (60_000, 784)]


def epochs_of_cae(X, device):
    occ = CAE(channels=16, max_epochs=3, device=device, random_state=0)
    started = time.perf_counter()
    occ.fit(X)
    whole = time.perf_counter() - started
    epochs = occ.history_[:, "dur"]
    started = time.perf_counter()
    occ.score_samples(X)
    return {"epoch or fit (s)": sum(epochs[1:]) / 2, "score (s)": time.perf_counter() - started, "fit (s)": whole}


def fit_of_ocsvm(X, device):
    started = time.perf_counter()
    occ = OCSVM(nu=0.15, device=device).fit(X)
    whole = time.perf_counter() - started
    started = time.perf_counter()
    occ.score_samples(X)
    return {"epoch or fit (s)": whole, "score (s)": time.perf_counter() - started}


def rows(n, *shape):
    rng = np.random.default_rng(0)
    if len(shape) == 2:
        return rng.integers(0, 256, size=(n, *shape), dtype=np.uint8)
    centres = rng.normal(size=(10, *shape)).astype(np.float32)
    return centres[rng.integers(10, size=n)] + rng.standard_normal((n, *shape), dtype=np.float32)


def measure(method, n, shape, device):
    """Figures of one line, taken in the process that calls it."""
    found = (epochs_of_cae if method == "CAE" else fit_of_ocsvm)(rows(n, *shape), device)
    found["memory (GB)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if device == "cuda":
        found["device (GB)"] = torch.cuda.max_memory_allocated() / 2**30
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--methods", nargs="+", default=["CAE", "OCSVM"], choices=["CAE", "OCSVM"])
    options = parser.parse_args()
    lines = [("CAE", n, (d,)) for n, d in TABLES] + [("CAE", n, (side, side)) for n, side in IMAGES]
    lines += [("OCSVM", n, (d,)) for n, d in KERNELS]
    names = ["epoch or fit (s)", "score (s)", "memory (GB)"] + ["device (GB)"] * (options.device == "cuda")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, device {options.device}, load {os.getloadavg()[0]:.2f}")
    print("| method | rows | shape | " + " | ".join(names) + " |")
    print("|" + "---|" * (3 + len(names)))
    for method, n, shape in lines:
        if method in options.methods:
            with multiprocessing.get_context("spawn").Pool(1) as process:
                found = process.apply(measure, (method, n, shape, options.device))
            figures = " | ".join(f"{found[name]:.2f}" for name in names)
            print(f"| {method} | {n} | {' x '.join(map(str, shape))} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
