"""What training from a memory map costs beside training from memory.

    python benchmarks/bench_memory_map.py
    python benchmarks/bench_memory_map.py --device cuda

A million random uint8 images of 28 x 28 pixels are written to a temporary .npy and trained on in a fresh process each
way, one thread, interleaved repeats, the best of each figure: read into memory, as a memory map that is copied as a
whole, and as a memory map that is streamed, with the engine's own rule set aside. The network is 784-64-32-64-784,
since what reading costs weighs the more the less there is to compute. The file is put out of the page cache before each
process, so the first epoch of a streamed one reads from the disk, and is given by itself. Images per second are those
of an epoch; the time of the fit, by the clock and of all threads together, has reading, all epochs and the scores that
set the threshold. The peak is the process's largest resident set (Linux), in which pages of a memory map count once
they are read. The same seed gives the same batches each way: the loss of the last epoch agrees to the bit on the CPU.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WAYS = ["in memory", "memory map, copied", "memory map, streamed"]
EPOCHS = 4
BLOCK = 50_000  # images written at a time
MIB = 2**20


def write_images(path, n_rows):
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:  # not as a memory map: a process starts with the peak of the one that started it
        header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, 28, 28)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n_rows, BLOCK):
            file.write(rng.bytes(min(BLOCK, n_rows - start) * 28 * 28))


def forget(path):
    """Put a file out of the page cache."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def measure(way, path, device):
    """Train in this process; return what the table shows of it."""
    import torch
    from torch import nn

    from sklearn_occ import CAE
    from sklearn_occ._engine.rows import _streaming

    def encoder(image_shape, n_components):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(), nn.Linear(64, n_components))

    def decoder(n_components, image_shape):
        layers = nn.Linear(n_components, 64), nn.LeakyReLU(), nn.Linear(64, 784)
        return nn.Sequential(*layers, nn.Unflatten(1, image_shape))

    torch.set_num_threads(1)
    _streaming.most_resident = lambda X, device: 0 if way == "memory map, streamed" else np.inf
    occ = CAE(
        encoder=encoder, decoder=decoder, n_components=32, max_epochs=EPOCHS, lr=1e-3, device=device, random_state=0
    )
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, start_of_threads = time.perf_counter(), time.process_time()
    X = np.load(path, mmap_mode=None if way == "in memory" else "r")
    occ.fit(X)
    speeds = [len(X) / row["dur"] for row in occ.history_]
    return {
        "first epoch": speeds[0],
        "later epochs": max(speeds[1:]),
        "fit": time.perf_counter() - start,
        "threads": time.process_time() - start_of_threads,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "imported": imported,
        "on the device": torch.cuda.max_memory_allocated() / MIB if device == "cuda" else 0.0,
        "loss": occ.history_[-1, "train_loss"],
    }


def in_a_process_of_its_own(way, path, device):
    forget(path)
    command = [sys.executable, __file__, "--way", way, "--path", path, "--device", device]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="images")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--folder", help="where the temporary file goes, on a disk")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.way:
        print(json.dumps(measure(args.way, args.path, args.device)))
        return
    loads, found = [], {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = str(Path(folder, "images.npy"))
        write_images(path, args.rows)
        size = os.path.getsize(path) / MIB
        for _ in range(args.repeats):
            loads.append(os.getloadavg()[0])
            for way in WAYS:
                found[way].append(in_a_process_of_its_own(way, path, args.device))
                print(f"{way}: {found[way][-1]['later epochs']:.0f} images/s", flush=True)
    best = {
        way: {key: (max if "epoch" in key else min)(run[key] for run in runs) for key in runs[0]}
        for way, runs in found.items()
    }
    base = best[WAYS[0]]
    print(f"{args.device}, {os.cpu_count()} cores, one thread, load {' '.join(f'{load:.2f}' for load in loads)}")
    print(f"{args.rows} images, {size:.0f} MiB; {base['imported']:.0f} MiB before the data; loss of each run:")
    for way, runs in found.items():
        print(f"  {way}: {', '.join(repr(run['loss']) for run in runs)}")
    print(
        "| way | images/s, first epoch | later | beside in memory | fit, threads (s) | peak (MiB) | less data (MiB) |"
    )
    print("|---|---|---|---|---|---|---|")
    for way, run in best.items():
        on_device = f", device {run['on the device']:.0f}" if args.device == "cuda" else ""
        print(
            f"| {way} | {run['first epoch']:.0f} | {run['later epochs']:.0f} "
            f"| {run['first epoch'] / base['first epoch']:.2f}, {run['later epochs'] / base['later epochs']:.2f} "
            f"| {run['fit']:.0f}, {run['threads']:.0f} | {run['peak']:.0f}{on_device} | {run['peak'] - size:.0f} |"
        )


if __name__ == "__main__":
    main()
