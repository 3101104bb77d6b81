"""What several fits of one network cost: in turn, in threads, and in one loop with stacked weights.

    python benchmarks/bench_seed_ensemble.py --device cuda

`SeedEnsemble(ConOCC(schedule="joint"), n_estimators=8)` with the default network on 1000 random images of 32 x 32
pixels, batches of 128: whole fits, with set-up and calibration scores, from the first call of `fit` to the threshold.
With `--table`, 2000 rows of 20 normal numbers in batches of 32. Each way is warmed up by a fit of two epochs; then
repeats are interleaved and medians reported. What differs between the ways is rounding alone: the last column is the
largest difference of a row's mean score from that of the fits in turn, in standard deviations of the scores. Run it on
a quiet machine: a load of more than 0.3 is refused. On the CPU fewer epochs and channels are the default.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
import torch

from sklearn_occ import ConOCC, SeedEnsemble

AIM = 4.0  # times faster than the fits in turn, on a GPU
N_IMAGES = 1000
N_ROWS, N_FEATURES, TABLE_BATCH = 2000, 20, 32
SIDE = 32
WAYS = {
    "in turn": {"vectorized": False},
    "2 threads": {"vectorized": False, "n_jobs": 2},
    "8 threads": {"vectorized": False, "n_jobs": 8},
    "one loop": {"vectorized": True},
}
DEFAULTS = {"cuda": {"epochs": 100, "channels": 64}, "cpu": {"epochs": 2, "channels": 16}}


def images():
    """Smooth random images, uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (N_IMAGES, SIDE // 4, SIDE // 4))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def table():
    return np.random.default_rng(0).normal(size=(N_ROWS, N_FEATURES))


def fitted(way, X, epochs, args):
    """The ensemble, and the seconds and GiB of device memory (0 on the CPU) that its fit took."""
    on_cuda = args.device == "cuda"
    member = ConOCC.from_paper(schedule=args.schedule, channels=args.channels, max_epochs=epochs, device=args.device)
    member.set_params(batch_size=TABLE_BATCH if args.table else member.batch_size)
    ensemble = SeedEnsemble(member, n_estimators=args.n_estimators, combination="score", random_state=0, **WAYS[way])
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    ensemble.fit(X)
    if on_cuda:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return ensemble, seconds, torch.cuda.max_memory_allocated() / 2**30 if on_cuda else 0.0


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", choices=list(DEFAULTS), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, help="default: 100 on CUDA, 2 on the CPU")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-estimators", type=int, default=8)
    parser.add_argument("--channels", type=int, help="default: 64 on CUDA, 16 on the CPU")
    parser.add_argument("--schedule", choices=["joint", "alternating"], default="joint")
    parser.add_argument("--table", action="store_true", help="rows of numbers instead of images")
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    args = parser.parse_args()
    for name, value in DEFAULTS[args.device].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    load = os.getloadavg()[0]
    if load > 0.3 and not args.busy:
        sys.exit(f"The load is {load:.2f}, expected at most 0.3; wait, or pass --busy for figures not to be reported.")
    return args


def main():
    args = parsed()
    X = table() if args.table else images()
    device = torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {torch.get_num_threads()} thread(s)"
    print(
        f"torch {torch.__version__}, {device}; ConOCC(schedule={args.schedule!r}, channels={args.channels}), "
        f"{args.n_estimators} members, X of shape {X.shape}, {args.epochs} epochs, median of {args.repeats}"
    )
    for way in WAYS:
        fitted(way, X, min(2, args.epochs), args)
    taken = {way: [] for way in WAYS}
    memory, scores = {}, {}
    for _ in range(args.repeats):
        for way in WAYS:
            ensemble, seconds, memory[way] = fitted(way, X, args.epochs, args)
            print(f"{way}: {seconds:.2f} s", flush=True)
            taken[way].append(seconds)
            scores[way] = ensemble.score_samples(X)
    in_turn = statistics.median(taken["in turn"])
    print("| way | fit (s) | in turn / this | memory (GiB) | difference of scores |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        seconds = statistics.median(taken[way])
        aim = f" (aim >= {AIM:g})" if way == "one loop" and args.device == "cuda" else ""
        difference = np.abs(scores[way] - scores["in turn"]).max() / scores["in turn"].std()
        print(f"| {way} | {seconds:.2f} | {in_turn / seconds:.2f}{aim} | {memory[way]:.2f} | {difference:.1e} |")


if __name__ == "__main__":
    main()
