"""How fast PatchDetector scores a large image, and how its memory grows with the image.

    python benchmarks/bench_patches.py
    python benchmarks/bench_patches.py --device cuda

The default patch scorer, the network of 128 x 128 patches after one epoch, stride 64, no foreground rule; images
of smooth noise with 16 bits, in memory. Each line is a process of its own. Seconds are the best of three after a first;
memory is the peak of the process, of which about 0.4 GB are there before the image.
"""

import argparse
import multiprocessing
import os
import resource
import time

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from sklearn_occ import PatchAutoencoder, PatchDetector

SHAPES = [(1000, 500), (2000, 1000), (4000, 2000), (8000, 4000)]


def smooth_noise(shape):
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(shape, dtype=np.float32), 2)
    noise -= noise.min()
    return (noise * (65535 / noise.max())).astype(np.uint16)


def best(run):
    times = []
    for _ in range(4):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def measure(shape, device):
    """Figures of one line, taken in the process that calls it."""
    scorer = PatchAutoencoder.from_paper(max_epochs=1, device=device)
    occ = PatchDetector(scorer, stride=64, n_patches=200, foreground=None, random_state=0)
    occ.fit([smooth_noise((300, 300)), smooth_noise((300, 400))])
    images = [smooth_noise(shape)]
    n_patches = len(occ.score_patches(images)[0].scores)
    score = best(lambda: occ.score_samples(images))
    before_map = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds_of_map = best(lambda: occ.anomaly_map(images))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return n_patches, score, n_patches / score, before_map, seconds_of_map, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    args = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, device {args.device}, load {os.getloadavg()[0]:.2f}")
    print("| image | patches | score (s) | patches/s | memory (GB) | map (s) | memory (GB) |")
    print("|---|---|---|---|---|---|---|")
    for shape in SHAPES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            n_patches, score, rate, memory, seconds_of_map, peak = pool.apply(measure, (shape, args.device))
        size = f"{shape[0]} x {shape[1]}"
        print(f"| {size} | {n_patches} | {score:.2f} | {rate:.0f} | {memory:.2f} | {seconds_of_map:.2f} | {peak:.2f} |")


if __name__ == "__main__":
    main()
