"""Accuracy against the number of optimizer steps and the width of the network: what the defaults were chosen by.

    python benchmarks/budget.py
    python benchmarks/budget.py --data digits table --methods ConOCC CAE
    python benchmarks/budget.py --cost                         # seconds of a fit at the defaults
    python benchmarks/budget.py --search                       # AUC of AnoGAN by what its search may spend
    python benchmarks/budget.py --table-only

pneumoniamnist (28 x 28) trains on the 1214 normal training images and reports the AUC of the validation images; its
test images are not used. digits is one-vs-rest for each of --classes, 8 x 8, split by the class; table is the same as
64 standardised features. A method of one stage is fitted once and goes on from budget to budget (`warm_start`); the
others are fitted for each budget, with as many steps in the stage before as `STAGES` says. Rows of a step, learning
rate and the width are those of the cell; everything that counts in epochs follows from its steps.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import _cells
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

import sklearn_occ
from sklearn_occ._detectors import all_detectors
from sklearn_occ._engine import BaseDeepOneClass
from sklearn_occ._engine.estimators._budget import epochs_by_parameter, set_epochs
from sklearn_occ.datasets import fetch_pneumoniamnist, load_one_class_digits

DATA = ("pneumoniamnist", "digits", "table")
STEPS = (100, 300, 1000, 3000)
STAGES = {  # of two: the share of the steps that the stage before the last one has
    "DeepSVDD": ("pretrain_epochs", 0.5),
    "TEND": ("pretrain_epochs", 1.0),
    "FAnoGAN": ("pretrain_epochs", 1.0),
    "CVAD": ("pretrain_epochs", 4.0),
    "IntraClassSplitting": ("pretrain_epochs", 1.0),
}
METHODS = {  # by name: class, learning rate, batch size, widths, parameters
    "ConOCC": ("ConOCC", 1e-3, 128, (16, 8), {}),
    "ConOCC, T a quarter": ("ConOCC", 1e-3, 128, (16,), {"periods": 4}),
    "ConOCC, T a half": ("ConOCC", 1e-3, 128, (16,), {"periods": 2}),
    "CAE": ("CAE", 1e-3, 128, (16, 8, 32), {}),
    "CAE, lr 1e-4": ("CAE", 1e-4, 128, (16,), {}),
    "SAE": ("SAE", 1e-3, 128, (16, 8), {}),
    "VAE": ("VAE", 1e-3, 64, (16, 8), {}),
    "DenoisingAutoencoder": ("DenoisingAutoencoder", 2e-3, 32, (8,), {}),
    "PatchAutoencoder": ("PatchAutoencoder", 1e-3, 200, (8, 2), {}),
    "DeepSVDD": ("DeepSVDD", 1e-4, 128, (16, 8), {}),
    "DeepSVDD, lr 1e-3": ("DeepSVDD", 1e-3, 128, (16,), {}),
    "DAGMM": ("DAGMM", 1e-3, 128, (16, 8), {}),
    "TEND": ("TEND", 1e-3, 32, (16, 8), {}),
    "GANomaly": ("GANomaly", 2e-4, 64, (16, 8), {}),
    "GANomaly, lr 1e-3": ("GANomaly", 1e-3, 64, (16,), {}),
    "FAnoGAN": ("FAnoGAN", 1e-3, 64, (16, 8), {}),
    "CVAD": ("CVAD", 1e-3, 64, (16, 8), {}),
    "CascadeVAE": ("CascadeVAE", 1e-3, 64, (16, 8), {}),
    "IntraClassSplitting": ("IntraClassSplitting", 1e-3, 64, (16, 8), {}),
    "AnoGAN": ("AnoGAN", 1e-3, 128, (16, 8), {"n_restarts": 1, "search_steps": 20}),
}
SEARCHES = ((1, 25), (1, 50), (2, 50), (1, 100), (1, 250), (2, 125), (1, 500))  # starts and steps of AnoGAN's
SEARCHED = 128  # rows of a block of its search on the CPU
PERIODS = 16  # of ConOCC in a fit, as 1000 epochs with updates every 60 have
WARM_UP = 0.1  # of TEND's epochs, as 10 of 100


def load(cell):
    """Training rows, rows to judge and their labels."""
    if cell["data"] == "pneumoniamnist":
        data = fetch_pneumoniamnist()
        return data.X_train, data.X_val, data.y_val
    data = load_one_class_digits(cell["class"], random_state=cell["class"])
    if cell["data"] == "digits":
        return data.X_train, data.X_test, data.y_test
    scaler = StandardScaler().fit(data.X_train.reshape(len(data.X_train), -1))
    return *(scaler.transform(X.reshape(len(X), -1)) for X in (data.X_train, data.X_test)), data.y_test


def epochs_of(steps, n_rows, batch_size):
    return max(1, round(steps / -(-n_rows // batch_size)))


def estimator_of(cell, n_rows, steps):
    """The unfitted detector for so many steps of its last stage."""
    name, lr, batch_size, _, params = METHODS[cell["method"]]
    params = dict(params)
    epochs = epochs_of(steps, n_rows, batch_size)
    periods = params.pop("periods", PERIODS)
    if name == "ConOCC":
        params["update_interval"] = max(1, epochs // periods)
    if name in STAGES:
        parameter, share = STAGES[name]
        params[parameter] = epochs_of(share * steps, n_rows, batch_size)
    if name == "TEND":
        params["warm_up_epochs"] = max(1, round(WARM_UP * epochs))
    return getattr(sklearn_occ, name)(
        **params,
        lr=lr,
        batch_size=batch_size,
        max_epochs=epochs,
        channels=cell["channels"] or 16,
        random_state=cell["seed"],
        device="cpu",
        verbose=0,
    )


def compute(cell, checkpoint):
    X_train, X, y = load(cell)
    aucs, seconds, trained, done = {}, {}, 0.0, None
    goes_on = METHODS[cell["method"]][0] not in (*STAGES, "ConOCC")
    for steps in cell["steps"]:
        occ = estimator_of(cell, len(X_train), steps)
        if goes_on:
            epochs = occ.max_epochs
            occ = occ.set_params(warm_start=True) if done is None else done
            occ.set_params(max_epochs=epochs - (0 if done is None else len(occ.history_)))
            done = occ
        started = time.perf_counter()
        occ.fit(X_train)
        trained = time.perf_counter() - started + (trained if goes_on else 0)
        if occ.net_.interrupted_:
            raise KeyboardInterrupt
        aucs[str(steps)], seconds[str(steps)] = float(roc_auc_score(y == 1, occ.score_samples(X))), trained
    return {"figures": aucs, "fit_seconds": seconds, "load": os.getloadavg()[0]}


def cells_of(args, data, method, channels):
    """One for each seed and class; a table has no width."""
    seeds = range(args.seeds) if data == "pneumoniamnist" else (0,)
    return [
        {
            "experiment": "budget",
            "data": data,
            **({} if majority is None else {"class": majority}),
            "method": method,
            "channels": channels,
            "seed": seed,
            "steps": args.steps,
        }
        for seed in seeds
        for majority in ((None,) if data == "pneumoniamnist" else args.classes)
    ]


def widths_of(data, method, only=None, **_):
    return (None,) if data == "table" else [width for width in METHODS[method][3] if only is None or width in only]


def all_cells(args):
    """First seeds and widths first, so that a run that is stopped has rows of many methods."""
    cells = [
        cell
        for method in args.methods
        for data in args.data
        for channels in widths_of(data, method, args.channels)
        for cell in cells_of(args, data, method, channels)
    ]
    return sorted(cells, key=lambda cell: (cell["seed"], widths_of(**cell).index(cell["channels"])))


def show(args):
    for data in args.data:
        over = f"{args.seeds} seeds" if data == "pneumoniamnist" else f"the digits {', '.join(map(str, args.classes))}"
        print(f"\n{data}: AUC (%) after so many steps, mean over {over}")
        rows = []
        for method in args.methods:
            for channels in widths_of(data, method, args.channels):
                cells = cells_of(args, data, method, channels)
                found = [_cells.read(cell, args.output) for cell in cells]
                found = [item for item in found if item and not item["failure"]]
                if not found:
                    continue
                means = [
                    f"{100 * np.mean([item['figures'][str(steps)] for item in found]):.1f}" for steps in args.steps
                ]
                last = max(map(int, found[0]["fit_seconds"]))
                cost = np.mean([item["fit_seconds"][str(last)] / last for item in found])
                rows.append([method, channels or "-", *means, f"{1000 * cost:.1f}"])
        _cells.print_table(["method", "channels", *args.steps, "ms a step"], rows)
    cells = all_cells(args)
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")


def show_cost(args):
    """Seconds of a fit at the defaults: 1341 images of 64 x 64 pixels, and a table of 5000 x 20, from a few epochs."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1341, 8, 8)).repeat(8, 1).repeat(8, 2)
    images = (128 + 40 * images).clip(0, 255).astype(np.uint8)
    table = rng.normal(size=(5000, 20)).astype(np.float32)
    rows = []
    for name, detector in all_detectors().items():
        if issubclass(detector, BaseDeepOneClass):
            rows.append([name, *(f"{seconds_of_default(detector, X):.0f}" for X in (images, table))])
            print(rows[-1], flush=True)
    print(f"\nload {os.getloadavg()[0]:.2f}, {torch.get_num_threads()} threads")
    _cells.print_table(["method", "images: s", "table: s"], rows)


def seconds_of_default(detector, X):
    """Seconds of a fit: each stage's epochs by the faster of two, and the rest, of which the search is not a part."""
    occ = detector(random_state=0, device="cpu", verbose=0)
    few = dict.fromkeys(occ._budgets, 2)
    search = {"search_steps": 0} if hasattr(occ, "search_steps") else {}
    started = time.perf_counter()
    occ.set_params(**few, **search).fit(X)
    seconds, durations = time.perf_counter() - started, occ.history_[:, "dur"]
    seconds -= sum(durations)
    occ.set_params(**dict.fromkeys(few, "auto"))
    set_epochs(occ, len(X))
    for stage, epochs in enumerate(epochs_by_parameter(occ).values()):
        seconds += epochs * min(durations[2 * stage : 2 * stage + 2])
    if search:  # a block of rows, and as many blocks as there are
        default = detector()
        occ.set_params(search_steps=default.search_steps, n_restarts=default.n_restarts)
        started = time.perf_counter()
        occ.score_samples(X[:SEARCHED])
        seconds += (time.perf_counter() - started) * -(-len(X) // SEARCHED)
    return seconds


def show_search(args):
    """AUC of AnoGAN and milliseconds a row, by what its search may spend: starts and steps."""
    rows = []
    for data, majority in (("pneumoniamnist", None), *(("digits", majority) for majority in args.classes)):
        cell = {"data": data, "class": majority, "method": "AnoGAN", "channels": 16, "seed": 0}
        X_train, X, y = load(cell)
        occ = estimator_of(cell, len(X_train), 1000).set_params(search_steps=0).fit(X_train)
        for restarts, steps in SEARCHES:
            occ.set_params(n_restarts=restarts, search_steps=steps)
            started = time.perf_counter()
            auc = roc_auc_score(y == 1, occ.score_samples(X))
            seconds = time.perf_counter() - started
            name = data if majority is None else f"digit {majority}"
            rows.append([name, restarts, steps, f"{100 * auc:.1f}", f"{1000 * seconds / len(X):.0f}"])
            print(rows[-1], flush=True)
    _cells.print_table(["data", "starts", "steps", "AUC (%)", "ms a row"], rows)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--steps", nargs="+", type=int, default=list(STEPS))
    parser.add_argument("--channels", nargs="+", type=int, help="widths to leave the others out")
    parser.add_argument("--seeds", type=int, default=1, help="of pneumoniamnist")
    parser.add_argument("--classes", nargs="+", type=int, default=[3, 8], help="of digits and table")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("results/budget"))
    parser.add_argument("--cost", action="store_true", help="seconds of a fit at the defaults instead")
    parser.add_argument("--search", action="store_true", help="compare budgets of AnoGAN's search instead")
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    if args.cost:
        show_cost(args)
        return
    if args.search:
        show_search(args)
        return
    n_errors = 0 if args.table_only else _cells.run(all_cells(args), compute, args.output, args.jobs)
    show(args)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
