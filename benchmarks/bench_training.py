"""What training ConOCC at the paper's size costs: by default, compiled, in bfloat16, and with stock skorch.

    python benchmarks/bench_training.py --device cuda           # 1000 epochs, minutes
    python benchmarks/bench_training.py --epochs 3              # on a CPU, one thread

1000 images of 32 x 32 pixels, batches of 128, the default network (--channels 64). Stock skorch is `NeuralNet(...)`
with its defaults and the same network, loss and learning rate. Seconds are those of the median epoch times 1000;
`set-up` is what the whole took longer, compilation for the most part. AUC is that of a synthetic task (bright
squares), only to see that bfloat16 learns the same. On CUDA steps are replayed as graphs; "no graph" runs each of them.
"""

import argparse
import os
import statistics

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from skorch import NeuralNet
from torch import nn

from sklearn_occ import ConOCC

WAYS = {
    "default": {},
    "bfloat16": {"precision": "bfloat16"},
    "no graph": {"capture": False},
    "compile": {"compile": True},
    "compile, bfloat16": {"compile": True, "precision": "bfloat16"},
}


def images(n, seed, square):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:32, :32]
    centres = rng.uniform(10, 22, size=(n, 2, 1, 1))
    distance = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2
    pictures = 160 * np.exp(-distance / 40) + rng.normal(scale=12, size=(n, 32, 32)) + 40
    if square:
        for picture, (top, left) in zip(pictures, rng.integers(0, 28, size=(n, 2)), strict=True):
            picture[top : top + 4, left : left + 4] += 60
    return np.clip(pictures, 0, 255).astype(np.uint8)


class Stock(NeuralNet):
    """skorch as it comes; only the target is the input."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        return self.criterion_(y_pred, X.to(self.device))


class TwoArguments(nn.Module):
    """The criterion, built, as the class that skorch wants."""

    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion

    def forward(self, outputs, x):
        return self.criterion(outputs, x)


def seconds_of_epochs(history):
    durations = history[:, "dur"]
    steady = statistics.median(durations)
    return steady, sum(durations) - len(durations) * steady


def epochs_of_stock(net, X, n_epochs, device):
    """Seconds of an epoch of stock skorch, with network and loss of a fitted net, and those that it took besides."""
    stock = Stock(
        net.module_,
        TwoArguments(net.criterion_),
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=128,
        max_epochs=n_epochs,
        train_split=None,
        device=device,
        verbose=0,
    )
    stock.fit(X.astype(np.float32)[:, None] / 255, np.zeros(len(X), dtype=np.float32))
    return seconds_of_epochs(stock.history)


def line(way, epoch, setup, ratio, auc):
    print(f"| {way} | {1000 * epoch:.1f} | {max(setup, 0):.1f} | {ratio:.2f} | {auc} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--channels", type=int, default=64)
    options = parser.parse_args()
    X = images(1000, 0, False)
    evaluated, labels = np.concatenate([images(300, 1, False), images(300, 2, True)]), np.repeat([1, 0], 300)
    if options.device == "cpu":
        torch.set_num_threads(1)
    machine = torch.cuda.get_device_name() if options.device == "cuda" else f"{os.cpu_count()} cores, one thread"
    print(f"torch {torch.__version__}, {machine}, load {os.getloadavg()[0]:.2f}, {options.epochs} epochs")
    print("| way | 1000 epochs (s) | set-up (s) | stock skorch / it | AUC |")
    print("|---|---|---|---|---|")
    settings = {"setting": "joint", "channels": options.channels, "gamma": 0.1, "device": options.device}
    untrained = ConOCC.from_paper(**settings, max_epochs=1, random_state=0).fit(X).net_
    few = max(4, options.epochs // 20)
    stock_epoch, setup = epochs_of_stock(untrained, X, few, options.device)
    line(f"stock skorch, by {few} epochs", stock_epoch, setup, 1.0, "-")
    for way, params in WAYS.items():
        occ = ConOCC.from_paper(**settings, **params, max_epochs=options.epochs, random_state=0)
        occ.fit(X)
        epoch, setup = seconds_of_epochs(occ.history_)
        auc = roc_auc_score(labels, occ.score_samples(evaluated))
        line(way, epoch, setup, stock_epoch / epoch, f"{auc:.3f}")


if __name__ == "__main__":
    main()
