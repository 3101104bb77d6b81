"""What an epoch costs beside a hand-written loop and stock skorch, for the same network.

    python benchmarks/bench_engine_overhead.py

One thread, five interleaved repeats, medians. The hand-written loop is what one would write for speed: the data as one
tensor, shuffled at once, batches sliced from it, fused Adam, the loss read once an epoch. Stock skorch is
`NeuralNet(...)` with its defaults and the same network, loss and learning rate. Run on a quiet machine: a load of more
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

from sklearn_occ import CAE
from sklearn_occ.engine._batches import resident
from sklearn_occ.nn import squared_error

SETTINGS = [  # rows, features, batch size, at most this times the loop, at least this times faster than skorch
    (5000, 784, 32, 1.25, 1.8),
    (5000, 784, 256, 1.25, 1.35),
    (20_000, 20, 128, 1.25, 1.5),
]
REPEATS = 5
EPOCHS = 3


def fitted(X, batch_size):
    """An estimator after one epoch, whose network all three train on."""
    return CAE(max_epochs=1, lr=1e-3, batch_size=batch_size, device="cpu", random_state=0).fit(X)


def engine(X, batch_size):
    net = fitted(X, batch_size).net_
    tensor = resident(X, "cpu")
    done = [1]

    def run():
        done[0] += EPOCHS
        net.train_stage("train", tensor, epochs=done[0])

    return run


def hand_written(X, batch_size):
    module = fitted(X, batch_size).net_.module_.train()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    X = torch.from_numpy(X)

    def run():
        for _ in range(EPOCHS):
            shuffled = X[torch.randperm(len(X))]
            total = 0.0
            for x in shuffled.split(batch_size):
                optimizer.zero_grad()
                loss = squared_error(module(x)[0], x).mean()
                loss.backward()
                optimizer.step()
                total = total + loss.detach() * len(x)
            (total / len(X)).item()

    return run


class StockLoss(torch.nn.Module):
    def forward(self, outputs, x):
        return squared_error(outputs[0], x).mean()


class StockNet(NeuralNet):
    """skorch as it comes; only the target is the input."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(y_pred, X)


def stock_skorch(X, batch_size):
    net = StockNet(
        fitted(X, batch_size).net_.module_,
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
    print(
        f"{'rows x features, batch':24}{'engine':>10}{'loop':>10}{'skorch':>10}{'engine/loop':>22}{'skorch/engine':>24}"
    )
    for n_rows, n_features, batch_size, at_most, at_least in SETTINGS:
        X = np.random.default_rng(0).normal(size=(n_rows, n_features)).astype(np.float32)
        runs = {f.__name__: f(X, batch_size) for f in (engine, hand_written, stock_skorch)}
        times = {name: [] for name in runs}
        for repeat in range(REPEATS + 1):
            for name, run in runs.items():
                taken = seconds(run)
                if repeat:  # the first warms up
                    times[name].append(taken)
        ours, loop, skorch = (statistics.median(times[name]) for name in runs)
        print(
            f"{f'{n_rows} x {n_features}, {batch_size}':24}{ours:9.3f}s{loop:9.3f}s{skorch:9.3f}s"
            f"{ours / loop:10.2f} (aim <= {at_most})  {skorch / ours:8.2f} (aim >= {at_least})"
        )


if __name__ == "__main__":
    main()
