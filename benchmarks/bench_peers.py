"""What an epoch costs beside PyOD's AutoEncoder and DeepSVDD, for the same layers, batches and epochs.

    pip install ".[bench]"
    python benchmarks/bench_peers.py

One thread. The networks have PyOD's default widths, d-64-32-64-d and d-64-32, ReLU, without dropout and batch
normalisation on both sides; batches of 32, PyOD's learning rates and weight decay; no pre-training of DeepSVDD, as
PyOD has none. Digits one-vs-rest (mean of ten classes) and tables of SKLEARN_OCC_DATA, half of the normal rows train,
standardised on both sides. Seconds are those of the whole fit; AUC is the mean over seeds. Run it on a quiet machine:
a load of more than 0.3 is refused.
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
SEEDS = 3


def encoder(bias):
    def make(shape, n_components):
        return nn.Sequential(
            nn.Linear(shape[0], 64, bias=bias), nn.ReLU(), nn.Linear(64, n_components, bias=bias), nn.ReLU()
        )

    return make


def decoder(n_components, shape):
    return nn.Sequential(nn.Linear(n_components, 64), nn.ReLU(), nn.Linear(64, shape[0]))


def detectors(n_features, epochs, seed):
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.deep_svdd import DeepSVDD as PyodDeepSVDD

    ours = {"n_components": 32, "max_epochs": epochs, "batch_size": 32, "device": "cpu", "random_state": seed}
    theirs = {"batch_size": 32, "random_state": seed, "verbose": 0, "preprocessing": False}
    yield (
        "AutoEncoder",
        CAE(encoder=encoder(True), decoder=decoder, lr=1e-3, weight_decay=1e-5, output_activation="linear", **ours),
        AutoEncoder(epoch_num=epochs, device="cpu", batch_norm=False, dropout_rate=0, **theirs),
    )
    yield (
        "DeepSVDD",
        DeepSVDD(encoder=encoder(False), pretrain_epochs=0, lr=1e-4, weight_decay=5e-7, **ours),
        PyodDeepSVDD(n_features, epochs=epochs, **theirs),
    )


def splits(data, seed):
    """Training rows, test rows and labels (1 normal) of each problem of a data set, standardised."""
    for majority in range(10) if data == "digits" else (None,):
        X_train, X_test, y_test = load({"data": data, "class": majority, "seed": seed})
        scaler = StandardScaler().fit(X_train.reshape(len(X_train), -1))
        yield *(scaler.transform(X.reshape(len(X), -1)).astype(np.float32) for X in (X_train, X_test)), y_test


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    options = parser.parse_args()
    load_now = os.getloadavg()[0]
    if load_now > 0.3 and not options.busy:
        sys.exit(f"The load is {load_now:.2f}, expected at most 0.3; wait, or pass --busy.")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, load {load_now:.2f}, {options.epochs} epochs, {SEEDS} seeds")
    print("| network, data | ours (s) | PyOD (s) | PyOD / ours | ours AUC | PyOD AUC |")
    print("|---|---|---|---|---|---|")
    for data in DATA:
        found = {}
        for seed in range(SEEDS):
            for X_train, X_test, y_test in splits(data, seed):
                for network, ours, theirs in detectors(X_train.shape[1], options.epochs, seed):
                    for side, detector, sign in (("ours", ours, 1), ("PyOD", theirs, -1)):
                        started = time.perf_counter()
                        detector.fit(X_train)
                        taken = time.perf_counter() - started
                        auc = 100 * roc_auc_score(y_test == 1, sign * detector.decision_function(X_test))
                        found.setdefault((network, side), []).append((taken, auc))
        for network in ("AutoEncoder", "DeepSVDD"):
            means = {side: np.mean(found[network, side], axis=0) for side in ("ours", "PyOD")}
            (our_time, our_auc), (their_time, their_auc) = means["ours"], means["PyOD"]
            print(
                f"| {network}, {data} | {our_time:.2f} | {their_time:.2f} | {their_time / our_time:.2f} (aim >= {AIM}) "
                f"| {our_auc:.1f} | {their_auc:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=UserWarning)
    main()
