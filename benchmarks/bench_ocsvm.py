"""How long OCSVM takes beside scikit-learn's OneClassSVM: to fit, to score, along a path of nu.

    OMP_NUM_THREADS=1 python benchmarks/bench_ocsvm.py fit    # a grid of sizes with nu 0.15 and 0.01, about 7 minutes
    python benchmarks/bench_ocsvm.py mnist                    # 20 000 images of MNIST, about 5 minutes
    python benchmarks/bench_ocsvm.py score path
    python benchmarks/bench_ocsvm.py cuda                     # 60 000 images on CUDA

Fits interleaved; medians of `--repeats`, of up to 15 where they are short, after one that warms up where it takes less
than 5 seconds. OCSVM's time includes the scores of the training rows, which set its threshold and which scikit-learn
does not compute; `fit` prints beside it what it should be at most. With one thread and without CUDA, seconds are those
of the processor, so that other jobs count little; else those that pass. `mnist` and `cuda` need SKLEARN_OCC_DATA or a
download of MNIST. Run it on a quiet machine: a load of more than 0.3 is refused.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
import torch
from sklearn.svm import OneClassSVM

from sklearn_occ import OCSVM
from sklearn_occ.datasets import fetch_mnist

NU = 0.15
NUS_OF_FIT = 0.15, 0.01
AIM = 1.1, 0.002  # times their seconds, and seconds besides, that a fit with gamma "scale" should take at most
MOST_REPEATS, SHORT = 15, 1.0  # as many as fit into that second
GRID = [(n, d, "scale") for n in (200, 500, 1000, 2000, 5000, 20_000) for d in (10, 100, 784)]
GRID += [(5000, 3, gamma) for gamma in (1.0, 10.0, 30.0)]  # narrow kernels


def seconds(run):
    """Of the processor, where one thread does it all and no CUDA; else those that pass."""
    is_alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    clock = time.process_time if is_alone else time.perf_counter
    start = clock()
    run()
    return clock() - start


def medians(repeats, **runs):
    """Median seconds of each run, interleaved after one that warms up where a run is short."""
    first = {name: seconds(run) for name, run in runs.items()}
    repeats = max(repeats, min(MOST_REPEATS, int(SHORT / sum(first.values()))))
    times = {name: [taken] if taken > 5 else [] for name, taken in first.items()}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run))
    return {name: statistics.median(taken) for name, taken in times.items()}


def rows(n, d):
    """Rows of a mixture of ten Gaussians, as images of ten digits are."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(10, d))[rng.integers(10, size=n)] + rng.normal(size=(n, d))


def mnist(n):
    """Images of all digits, mixed."""
    parts = [fetch_mnist(majority=digit).X_train for digit in range(10)]
    images = np.concatenate(parts).reshape(-1, 784)
    return images[np.random.default_rng(0).permutation(len(images))[:n]] / 255.0


def table(*names):
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))


def fit(options):
    for nu in [options.nu] if options.nu else NUS_OF_FIT:
        print(f"\nFit, nu {nu}, rbf, seconds")
        table("rows x features, gamma", "OneClassSVM", "OCSVM", "times as fast", "aim", "met")
        for n, d, gamma in GRID:
            X = rows(n, d)
            taken = medians(
                options.repeats,
                theirs=lambda X=X, gamma=gamma, nu=nu: OneClassSVM(nu=nu, gamma=gamma).fit(X),
                ours=lambda X=X, gamma=gamma, nu=nu: OCSVM(nu=nu, gamma=gamma, device=options.device).fit(X),
            )
            aim = AIM[0] * taken["theirs"] + AIM[1]
            line(f"{n} x {d}, {gamma}", taken, f"{aim:.4f}", "yes" if taken["ours"] <= aim else "no")


def line(name, taken, *further):
    ratio = taken["theirs"] / taken["ours"]
    cells = name, f"{taken['theirs']:.4f}", f"{taken['ours']:.4f}", f"{ratio:.2f}", *further
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def mnist_fit(options):
    n = options.rows or 20_000
    X = mnist(n)
    print(f"\nFit of {n} images of MNIST, nu {options.nu or NU}, rbf, seconds")
    table("cache_size of OneClassSVM", "OneClassSVM", "OCSVM", "times as fast")
    for cache_size in (200, 2000):
        fitted = {}

        def theirs(cache_size=cache_size, fitted=fitted):
            fitted["theirs"] = OneClassSVM(nu=options.nu or NU, cache_size=cache_size).fit(X)

        def ours(fitted=fitted):
            fitted["ours"] = OCSVM(nu=options.nu or NU, device=options.device).fit(X)

        line(cache_size, medians(options.repeats, theirs=theirs, ours=ours))
    agreement(X, **fitted)


def agreement(X, theirs, ours):
    scores = [svm.score_samples(X[:2000]) - np.ravel(svm.offset_)[0] for svm in (theirs, ours)]
    scale = np.abs(ours.calibration_scores_).max()
    different = len(np.setxor1d(theirs.support_, ours.support_))
    print(
        f"\n{len(ours.support_)} support vectors, {different} of them not in both; largest difference of the decision "
        f"function {np.abs(scores[0] - scores[1]).max() / scale:.1e} of the largest score."
    )


def score(options):
    print("\nScore as many rows as were trained on, seconds")
    table("rows x features", "OneClassSVM", "OCSVM", "times as fast")
    for n, d in ((2000, 1024), (5000, 1024), (5000, 4096)):
        X = rows(n, d)
        theirs, ours = OneClassSVM(nu=options.nu or NU).fit(X), OCSVM(nu=options.nu or NU, device=options.device).fit(X)
        taken = medians(
            options.repeats,
            theirs=lambda X=X, svm=theirs: svm.score_samples(X),
            ours=lambda X=X, svm=ours: svm.score_samples(X),
        )
        line(f"{n} x {d}", taken)


def path(options):
    print("\nA path of nu, 0.02 to 0.4 in eight steps, 10 000 x 100, seconds")
    X, nus = rows(10_000, 100), np.geomspace(0.02, 0.4, 8)

    def along(make):
        svm = None
        for nu in nus:
            svm = make(svm).set_params(nu=nu).fit(X)

    def warm(last):
        return last or OCSVM(solver="dual", warm_start=True, device=options.device)

    taken = medians(
        options.repeats,
        theirs=lambda: along(lambda _: OneClassSVM()),
        ours=lambda: along(lambda _: OCSVM(solver="dual", device=options.device)),
        warm=lambda: along(warm),
    )
    table("OneClassSVM", "OCSVM, each from scratch", "OCSVM, warm_start", "warm / scratch")
    print(
        f"| {taken['theirs']:.2f} | {taken['ours']:.2f} | {taken['warm']:.2f} | {taken['warm'] / taken['ours']:.2f} |"
    )


def cuda(options):
    n = options.rows or 60_000
    X, smaller = mnist(n), min(n, 20_000)
    taken = medians(options.repeats, ours=lambda: OCSVM(nu=options.nu or NU, device="cuda").fit(X))["ours"]
    print(f"\nFit of {n} images of MNIST on {torch.cuda.get_device_name()}: {taken:.2f} s", flush=True)
    theirs = seconds(lambda: OneClassSVM(nu=options.nu or NU).fit(X[:smaller]))
    extrapolated = theirs * (n / smaller) ** 2
    table(f"OneClassSVM, {smaller} (s)", f"OneClassSVM, {n}, extrapolated by n^2", f"OCSVM, {n}", "times as fast")
    print(f"| {theirs:.1f} | {extrapolated:.1f} | {taken:.2f} | {extrapolated / taken:.0f} |")


QUESTIONS = {"fit": fit, "mnist": mnist_fit, "score": score, "path": path, "cuda": cuda}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("questions", nargs="+", choices=QUESTIONS)
    parser.add_argument("--nu", type=float, help=f"default {NU}; of fit {NUS_OF_FIT}")
    parser.add_argument("--rows", type=int, help="images of mnist and cuda")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if load > 0.3 and not options.busy:
        sys.exit(f"The load is {load:.2f}, expected at most 0.3; wait, or pass --busy for figures not to be reported.")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load {load:.2f}")
    for question in options.questions:
        QUESTIONS[question](options)


if __name__ == "__main__":
    main()
