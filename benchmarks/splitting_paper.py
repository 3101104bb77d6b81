"""Table 1 and figure 4 of the paper on intra-class splitting: each of ten classes in turn against the nine others.

    python benchmarks/splitting_paper.py --data mnist --jobs 2
    python benchmarks/splitting_paper.py --data fashion_mnist cifar10 --device cuda
    python benchmarks/splitting_paper.py --data mnist --table-only

A cell of networks is a class and a seed. It trains one autoencoder on all training images of the class, scores the
test set by its structural similarity ("SSIM"), and hands it to every classifier of the cell, which splits by it: ICS,
the estimator's default; "ICS, signed", whose distance takes the difference with its sign, as the paper prints it;
NNwDS, without the constraints on distances; with the seeds below --rho-seeds also both ICS at the other shares of
figure 4. NaiveNN has no split. Official split, whole test set. Baselines have a cell each, those without random numbers
with one seed; "fine HOG + OCSVM" and "HOG + PCA" are this package's, not the paper's.

From the paper: rho = 10 %, batches of 64, L2 1e-6. Ours: images scaled to [-1, 1]. At 0 to 1 the constants of SSIM are
small beside a background that an autoencoder leaves at a hundredth instead of 0, so that the split follows the amount
of ink; the paper does not tell its scale. The code of the autoencoder has 32 numbers (--code), as in the D-SVDD that
the paper compares with; networks, learning rate and epochs are the package's and those below. No label chose an epoch.
"""

import argparse
import sys
import time
from pathlib import Path

import _cells
import numpy as np
import torch
from _splitting_table import TABLE_1
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_occ import CAE, OCSVM, IntraClassSplitting, PCAReconstruction
from sklearn_occ.datasets import fetch_cifar10, fetch_fashion_mnist, fetch_mnist
from sklearn_occ.pipelines import make_fine_hog_ocsvm, make_hog_ocsvm, make_isolation_forest
from sklearn_occ.preprocessing import HOG, ImageFlattener

DATA = {"mnist": fetch_mnist, "fashion_mnist": fetch_fashion_mnist, "cifar10": fetch_cifar10}
RHOS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # figure 4
PAPERS_RHO = 0.1
BASELINES = {  # by name: from a seed
    "OCSVM": lambda seed: make_pipeline(ImageFlattener(), OCSVM.from_paper("splitting")),
    "HOG + OCSVM": lambda seed: make_hog_ocsvm(),
    "HOG (L1) + OCSVM": lambda seed: make_hog_ocsvm().set_params(hog__block_norm="L1"),
    "fine HOG + OCSVM": lambda seed: make_fine_hog_ocsvm(),
    "HOG + PCA": lambda seed: make_pipeline(HOG(pixels_per_cell=4), PCAReconstruction()),
    "isolation forest": lambda seed: make_isolation_forest(random_state=seed),
}
SEEDED = ("isolation forest",)
HEADS = {"ICS": True, "ICS, signed": False}  # by name: whether the distance is symmetric
NETWORKS = ("SSIM", "NaiveNN", "NNwDS", *HEADS)
METHODS = (*BASELINES, "networks")


def of_rho(head, rho):
    """Name of the figure of a head of `HEADS` at this share of atypical rows."""
    return head if rho == PAPERS_RHO else f"{head} at {rho:.0%}"


def networks(cell, autoencoder):
    """The classifiers by name, which share a fitted autoencoder."""
    common = {key: cell[key] for key in ("channels", "device")} | {"random_state": cell["seed"]}
    common["max_epochs"] = cell["epochs"]
    shared = {"encoder": autoencoder.encoder_, "decoder": autoencoder.decoder_}
    splitting = common | shared | {"pretrain_epochs": 0, "similarity": "ssim"}
    return {
        "NaiveNN": IntraClassSplitting.from_paper("NaiveNN", **common),
        "NNwDS": IntraClassSplitting.from_paper("NNwDS", **splitting),
        **{
            of_rho(head, rho): IntraClassSplitting.from_paper("ICS", rho=rho, symmetric=HEADS[head], **splitting)
            for rho in cell["rhos"]
            for head in cell["heads"]
        },
    }


def compute(cell, checkpoint):
    data = DATA[cell["data"]](cell["class"])
    name = cell["method"]
    if name in BASELINES:
        found = {name: measured(BASELINES[name](cell["seed"]), data.X_train, data.X_test, data.y_test)}
    else:
        X_train, X_test = (np.float32(X) / np.float32(127.5) - 1 for X in (data.X_train, data.X_test))
        autoencoder = CAE(
            n_components=cell["code"],
            channels=cell["channels"],
            max_epochs=cell["autoencoder_epochs"],
            lr=1e-3,
            batch_size=64,
            weight_decay=1e-6,
            score_function="ssim",
            random_state=cell["seed"],
            device=cell["device"],
            checkpoint=checkpoint,
        )
        found = {"SSIM": measured(autoencoder, X_train, X_test, data.y_test)}
        for name, detector in networks(cell, autoencoder).items():
            found[name] = measured(detector, X_train, X_test, data.y_test)
    return {
        "figures": {name: auc for name, (auc, _) in found.items()},
        "fit_seconds": {name: seconds for name, (_, seconds) in found.items()},
    }


def measured(detector, X_train, X_test, y_test):
    """AUC and seconds of the fit; Ctrl-C is raised also where skorch kept it to itself."""
    started = time.perf_counter()
    detector.fit(X_train)
    seconds = time.perf_counter() - started
    if getattr(getattr(detector, "net_", None), "interrupted_", False):
        raise KeyboardInterrupt
    return float(roc_auc_score(y_test == 1, detector.score_samples(X_test))), seconds


def cells_of(args, data, method):
    """One for each class and seed."""
    settings = {}
    if method == "networks":
        settings = {key: getattr(args, key) for key in ("autoencoder_epochs", "epochs", "channels", "code", "device")}
        settings["heads"] = list(HEADS)  # a cell without the signed one is another
    cells = []
    for seed in range(args.seeds if method in ("networks", *SEEDED) else 1):
        if method == "networks":
            settings["rhos"] = list(RHOS) if seed < args.rho_seeds else [PAPERS_RHO]
        cells += [
            {"experiment": "splitting", "data": data, "class": k, "method": method, "seed": seed, **settings}
            for k in range(10)
        ]
    return cells


def show(args, data):
    """Print table 1, figure 4 and the times."""
    header = ["method", *map(str, range(10)), "mean"]
    rows, seconds, all_cells = [], [], [cell for method in METHODS for cell in cells_of(args, data, method)]
    for name in TABLE_1[data] | BASELINES | dict.fromkeys(NETWORKS):
        cells = cells_of(args, data, name if name in BASELINES else "networks")
        if name != "D-SVDD":
            rows.append(row_of(args, name, cells))
            times = values(args, name, cells, "fit_seconds")
            seconds.append([name, f"{np.median(times):.1f}" if times else "-"])
        if name in TABLE_1[data]:
            published = (*TABLE_1[data][name], np.mean(TABLE_1[data][name]))
            rows.append([f"*{name}, paper*", *(f"*{auc:.1f}*" for auc in published)])
    print(f"\n{data}: AUC (%), mean ± standard deviation over {args.seeds} seeds; in italics the paper's table 1")
    _cells.print_table(header, rows)
    for head in HEADS:
        show_shares(args, head, [cell for cell in cells_of(args, data, "networks") if cell["seed"] < args.rho_seeds])
    print("\nSeconds a fit, median; those that split without the autoencoder's, which is the SSIM row's")
    _cells.print_table(["method", "seconds"], seconds)
    _cells.missing(all_cells, args.output)
    print(f"\nComputed with: {_cells.machines(all_cells, args.output)}")


def show_shares(args, head, cells):
    """Print figure 4 of a head."""
    print(f"\n{head} by the share of atypical rows, {args.rho_seeds} seeds (figure 4)")
    rows = [row_of(args, of_rho(head, rho), cells, f"{rho:.0%}") for rho in RHOS]
    _cells.print_table(["rho", *map(str, range(10)), "mean"], rows)
    means = [np.mean(found) for rho in RHOS if (found := values(args, of_rho(head, rho), cells))]
    if len(means) == len(RHOS):
        print(f"\nStandard deviation of the mean AUC over rho: {100 * np.std(means, ddof=1):.2f} points")


def values(args, name, cells, kind="figures"):
    """AUCs of the method, or seconds of its fits, over the cells that have it."""
    stored = [_cells.read(cell, args.output) for cell in cells]
    return [item[kind][name] for item in stored if item and name in item["figures"]]


def row_of(args, name, cells, label=None):
    """A row of AUCs by class, and their mean over the seeds for which all classes are there."""
    by_class = [values(args, name, [cell for cell in cells if cell["class"] == k]) for k in range(10)]
    n_seeds = len(cells) // 10
    is_whole = len({len(found) for found in by_class}) == 1 and by_class[0]
    means = np.mean(by_class, axis=0).tolist() if is_whole else []
    return [label or name, *(_cells.mean_std(found, n_seeds) for found in (*by_class, means))]


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=["mnist"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rho-seeds", type=int, default=1, help="so many of them also at the other shares of figure 4")
    parser.add_argument("--autoencoder-epochs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=5, help="of the classifiers")
    parser.add_argument("--channels", type=int, default=16, help="of the first layer (the estimators': 64)")
    parser.add_argument("--code", type=int, default=32, help="numbers in the autoencoder's code")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/splitting_paper"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    n_errors = 0
    if not args.table_only:
        for data in args.data:
            DATA[data]()  # downloaded before processes ask for it
        cells = [cell for data in args.data for method in args.methods for cell in cells_of(args, data, method)]
        n_errors = _cells.run(cells, compute, args.output, args.jobs)
    for data in args.data:
        show(args, data)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
