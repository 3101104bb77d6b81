"""What an epoch costs beside a hand-written loop and stock skorch, for the same network.

    python benchmarks/bench_engine_overhead.py

One thread, five interleaved repeats, medians. The hand-written loop is what one would write for speed: the data as
one tensor, shuffled at once, batches sliced from it, fused Adam, the loss read once an epoch. Stock skorch is
`NeuralNet(...)` with its defaults and the same network, loss and learning rate. The overhead of a loop weighs the more
the smaller the network, so the network is named: "64-32" is d-64-32-64-d with leaky ReLU, the size that PyOD's
AutoEncoder has by default; "default" is this package's own for the table. Run it on a quiet machine: a load of more
than 0.3 is refused, since a busy second core changes the ratios.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
import torch
from skorch import NeuralNet
from torch import nn

from sklearn_occ import CAE
from sklearn_occ._engine.rows._batches import resident
from sklearn_occ.nn._losses import mean_squared_error

SETTINGS = [  # network, rows, features, batch size, aim: at least this times faster than skorch
    ("64-32", 5000, 784, 32, 1.8),
    ("64-32", 5000, 784, 256, 1.35),
    ("64-32", 20_000, 20, 128, 1.5),
    ("default", 5000, 784, 32, None),
    ("default", 5000, 784, 256, None),
    ("default", 20_000, 20, 128, None),
]
AIM_LOOP = 1.15
REPEATS = 5
EPOCHS = 6


def small_encoder(image_shape, n_components):
    return nn.Sequential(nn.Linear(image_shape[0], 64), nn.LeakyReLU(), nn.Linear(64, n_components))


def small_decoder(n_components, image_shape):
    return nn.Sequential(nn.Linear(n_components, 64), nn.LeakyReLU(), nn.Linear(64, image_shape[0]))


def fitted(network, X, batch_size):
    """An estimator after one epoch, whose network all three train on."""
    small = {"encoder": small_encoder, "decoder": small_decoder, "n_components": 32}
    params = small if network == "64-32" else {"channels": 64}
    return CAE(max_epochs=1, lr=1e-3, batch_size=batch_size, device="cpu", random_state=0, **params).fit(X)


def engine(network, X, batch_size):
    net = fitted(network, X, batch_size).net_
    tensor = resident(X, "cpu")
    done = [1]

    def run():
        done[0] += EPOCHS
        net.finished_.clear()  # as a warm start does
        net.train_stage("train", tensor, epochs=done[0])

    return run


def hand_written(network, X, batch_size):
    module = fitted(network, X, batch_size).net_.module_.train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    X = torch.from_numpy(X)

    def run():
        for _ in range(EPOCHS):
            shuffled = X[torch.randperm(len(X))]
            total = 0.0
            for x in shuffled.split(batch_size):
                optimizer.zero_grad()
                loss = mean_squared_error(module(x)[0], x)
                loss.backward()
                optimizer.step()
                total = total + loss.detach() * len(x)
            (total / len(X)).item()

    return run


class StockLoss(nn.Module):
    def forward(self, outputs, x):
        return mean_squared_error(outputs[0], x)


class StockNet(NeuralNet):
    """skorch as it comes; only the target is the input."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(y_pred, X)


def stock_skorch(network, X, batch_size):
    net = StockNet(
        fitted(network, X, batch_size).net_.module_,
        StockLoss(),
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch_size,
        train_split=None,
        verbose=0,
    ).initialize()
    y = np.zeros(len(X), dtype=np.float32)
    return lambda: net.partial_fit(X, y, epochs=EPOCHS)


def seconds(run):
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) / EPOCHS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    load = os.getloadavg()[0]
    if load > 0.3 and not parser.parse_args().busy:
        sys.exit(f"The load is {load:.2f}, expected at most 0.3; wait, or pass --busy for figures not to be reported.")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, one thread, load {load:.2f}")
    print("| network | rows x features, batch | engine (s) | loop (s) | skorch (s) | engine / loop | skorch / engine |")
    print("|---|---|---|---|---|---|---|")
    for network, n_rows, n_features, batch_size, aim in SETTINGS:
        X = np.random.default_rng(0).normal(size=(n_rows, n_features)).astype(np.float32)
        runs = {f.__name__: f(network, X, batch_size) for f in (engine, hand_written, stock_skorch)}
        times = {name: [] for name in runs}
        for repeat in range(REPEATS + 1):
            for name, run in runs.items():
                taken = seconds(run)
                if repeat:  # the first warms up
                    times[name].append(taken)
        ours, loop, skorch = (statistics.median(times[name]) for name in runs)
        print(
            f"| {network} | {n_rows} x {n_features}, {batch_size} | {ours:.3f} | {loop:.3f} | {skorch:.3f} "
            f"| {ours / loop:.2f} (aim <= {AIM_LOOP}) | {skorch / ours:.2f}{f' (aim >= {aim})' if aim else ''} |"
        )


if __name__ == "__main__":
    main()
