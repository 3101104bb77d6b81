"""What an epoch costs beside PyOD's AutoEncoder and DeepSVDD, for the same networks, batches and epochs.

    pip install ".[bench]"
    python benchmarks/bench_peers.py

One thread, seconds of the processor. Both sides train the layers of PyOD from the same initial weights: its default
widths, d-64-32-64-d and d-64-32, ReLU, without dropout and batch normalisation, the hidden layers of AutoEncoder
initialised as by He et al.; batches of 32, PyOD's learning rates and weight decay; no pre-training of DeepSVDD, as PyOD
has none. Rows beyond a multiple of 32 are left out, as PyOD's AutoEncoder would leave out the batch that they make.
Digits one-vs-rest (mean of ten classes) and tables of SKLEARN_OCC_DATA, half of the normal rows train, standardised on
both sides. An epoch's milliseconds are the difference between a fit and one of a single epoch, medians; AUC is the mean
over seeds, with its standard error. Run it on a quiet machine: a load of more than 0.3 is refused.
"""

import argparse
import os
import sys
import time
import warnings

import numpy as np
import torch
from one_vs_rest import load
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_occ import CAE, DeepSVDD

AIM = 1.5
DATA = ("digits", "cardio", "optdigits", "mammography")
BATCH = 32
NETWORKS = "AutoEncoder", "DeepSVDD"


def initialised(seed, make):
    """What `make()` builds where PyOD would: after seeding torch's generator, which is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def layers(network):
    """Its layers without PyOD's containers."""
    return nn.Sequential(*(layer for layer in network.modules() if not list(layer.children())))


def detectors(n_features, epochs, seed):
    """Name, ours, PyOD's; each for one fit, before the next are made, since PyOD seeds torch when it is made."""
    from pyod.models import auto_encoder, deep_svdd

    autoencoder = initialised(seed, lambda: auto_encoder.AutoEncoderModel(n_features, batch_norm=False, dropout_rate=0))
    encoder, decoder = layers(autoencoder.encoder), layers(autoencoder.decoder)
    hypersphere = layers(  # two of them, between which nothing is dropped
        initialised(seed, lambda: deep_svdd.InnerDeepSVDD(n_features, False, None, "relu", "sigmoid", 0.2, 0.0))
    )
    ours = {"n_components": 32, "max_epochs": epochs, "batch_size": BATCH, "device": "cpu", "random_state": seed}
    theirs = {"batch_size": BATCH, "random_state": seed, "verbose": 0, "preprocessing": False}
    yield (
        NETWORKS[0],
        CAE(
            encoder=lambda *_: encoder,
            decoder=lambda *_: decoder,
            lr=1e-3,
            weight_decay=1e-5,
            output_activation="linear",
            **ours,
        ),
        auto_encoder.AutoEncoder(epoch_num=epochs, device="cpu", batch_norm=False, dropout_rate=0, **theirs),
    )
    yield (
        NETWORKS[1],
        DeepSVDD(encoder=lambda *_: hypersphere, pretrain_epochs=0, lr=1e-4, weight_decay=5e-7, **ours),
        deep_svdd.DeepSVDD(n_features, epochs=epochs, **theirs),
    )


def splits(data, seed):
    """Training rows, test rows and labels (1 normal) of each problem of a data set, standardised."""
    for majority in range(10) if data == "digits" else (None,):
        X_train, X_test, y_test = load({"data": data, "class": majority, "seed": seed})
        X_train = X_train[: len(X_train) // BATCH * BATCH]
        scaler = StandardScaler().fit(X_train.reshape(len(X_train), -1))
        yield *(scaler.transform(X.reshape(len(X), -1)).astype(np.float32) for X in (X_train, X_test)), y_test


def seconds_of_fit(detector, X):
    started = time.process_time()
    detector.fit(X)
    return time.process_time() - started


def measured(X_train, X_test, y_test, epochs, seed):
    """Yield network, side, seconds of a fit, milliseconds of an epoch and AUC."""
    single = detectors(X_train.shape[1], 1, seed)
    for network, *pair in detectors(X_train.shape[1], epochs, seed):
        found = []
        for detector, sign in zip(pair, (1, -1), strict=True):
            taken = seconds_of_fit(detector, X_train)
            auc = 100 * roc_auc_score(y_test == 1, sign * detector.decision_function(X_test))
            found.append((taken, auc))
        _, *singles = next(single)
        for side, detector, (taken, auc) in zip(("ours", "PyOD"), singles, found, strict=True):
            yield network, side, taken, 1000 * (taken - seconds_of_fit(detector, X_train)) / (epochs - 1), auc


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    options = parser.parse_args()
    load_now = os.getloadavg()[0]
    if load_now > 0.3 and not options.busy:
        sys.exit(f"The load is {load_now:.2f}, expected at most 0.3; wait, or pass --busy.")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, load {load_now:.2f}, {options.epochs} epochs, {options.seeds} seeds")
    print(
        "| network, data | ours, fit (s) | PyOD | epoch (ms) | PyOD | PyOD / ours, fit | epoch | ours AUC | PyOD AUC |"
    )
    print("|" + "---|" * 9)
    for data in options.data:
        found = {}
        for seed in range(options.seeds):
            for split in splits(data, seed):
                for network, side, *figures in measured(*split, options.epochs, seed):
                    found.setdefault((network, side), []).append(figures)
        for network in NETWORKS:
            line(f"{network}, {data}", found[network, "ours"], found[network, "PyOD"], options.seeds)


def line(name, ours, theirs, n_seeds):
    ours, theirs = np.array(ours), np.array(theirs)
    (fit, epoch, _), (their_fit, their_epoch, _) = np.median(ours, axis=0), np.median(theirs, axis=0)
    aucs = [mean_and_error(side[:, 2].reshape(n_seeds, -1).mean(1)) for side in (ours, theirs)]
    times = f"{fit:.2f} | {their_fit:.2f} | {epoch:.2f} | {their_epoch:.2f}"
    ratios = f"{their_fit / fit:.2f} | {their_epoch / epoch:.2f} (aim >= {AIM})"
    print(f"| {name} | {times} | {ratios} | {aucs[0]} | {aucs[1]} |", flush=True)


def mean_and_error(values):
    error = f" ± {values.std(ddof=1) / len(values) ** 0.5:.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{error}"


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main()
