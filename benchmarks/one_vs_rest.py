"""AUC of all methods, and of other libraries' detectors, on images and tables, side by side.

    python benchmarks/one_vs_rest.py --data digits tables --epochs 200 --seeds 3 --jobs 2
    python benchmarks/one_vs_rest.py --data mnist --train-rows 1000 --test-rows 2000 --epochs 50
    python benchmarks/one_vs_rest.py --data fashion_mnist cifar10 --seeds 5
    python benchmarks/one_vs_rest.py --table-only

Columns: digits (8 x 8; each class in turn, half of it trains, the other half and all other classes test), mnist,
fashion_mnist and cifar10 (each class in turn, the official split; the last two have to be asked for), pneumoniamnist
and chestx (32 x 32 pixels, or --size), and the tables of the folder `tabular` of SKLEARN_OCC_DATA (half of the normal
rows train, the other half and all anomalies test). The seed sets the model, the split of digits and tables, and which
rows --train-rows and --test-rows keep.

Settings are the methods' defaults but for epochs, channels and device, and AnoGAN's search on the CPU (100 steps from
one start, not 500 from two). D-SVDD and FAnoGAN are pre-trained for as many epochs as they are trained, PyOD's networks
get the same number of epochs. Tables are standardised by the training rows for every method. PyOD is optional:
pip install ".[bench]".
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

import _cells
import _methods
import numpy as np
import torch

from sklearn_occ.datasets import (
    fetch_chest_xray_pneumonia,
    fetch_cifar10,
    fetch_fashion_mnist,
    fetch_mnist,
    fetch_pneumoniamnist,
    load_one_class_digits,
)
from sklearn_occ.model_selection import one_vs_rest_split

DIGITS = tuple(range(10))
TEN_CLASSES = {"mnist": fetch_mnist, "fashion_mnist": fetch_fashion_mnist, "cifar10": fetch_cifar10}
IMAGES = {"digits": DIGITS, **dict.fromkeys(TEN_CLASSES, DIGITS), "pneumoniamnist": (None,), "chestx": (None,)}
TABLES = ("annthyroid", "breastw", "cardio", "mammography", "optdigits", "pima", "satellite", "thyroid", "wdbc")
DATA = (*IMAGES, *TABLES)
ON_REQUEST = ("fashion_mnist", "cifar10")
PUBLISHED = {  # rows of figures measured elsewhere: {row: {column: AUC in %}}
    "ICS paper, OCSVM": {"mnist": 90.9, "fashion_mnist": 87.1, "cifar10": 55.8},
    "ICS paper, HOG + OCSVM": {"mnist": 83.7, "fashion_mnist": 89.1, "cifar10": 60.4},
    "ICS paper, isolation forest": {"mnist": 85.1, "fashion_mnist": 90.4, "cifar10": 59.4},
    "ICS paper, SSIM error of an autoencoder": {"mnist": 89.3, "fashion_mnist": 88.4, "cifar10": 56.4},
    "ICS paper, D-SVDD": {"mnist": 94.8, "fashion_mnist": 84.8, "cifar10": 64.8},
    "ICS paper, ICS": {"mnist": 94.2, "fashion_mnist": 91.1, "cifar10": 69.3},
    "scikit-learn 1.9.1, OneClassSVM": {"digits": 98.4},
    "scikit-learn 1.9.1, LocalOutlierFactor": {"digits": 99.6},
    "scikit-learn 1.9.1, IsolationForest": {"digits": 97.7},
    "PyOD 3.6.7, AutoEncoder": {"digits": 97.7},
    "PyOD 3.6.7, DeepSVDD": {"digits": 97.3},
}


def load(cell):
    """Training rows, test rows and test labels of a cell, before the caps."""
    name, seed = cell["data"], cell["seed"]
    if name == "digits":
        data = load_one_class_digits(cell["class"], random_state=seed)
    elif name in TEN_CLASSES:
        data = TEN_CLASSES[name](cell["class"])
    elif name == "pneumoniamnist":
        data = fetch_pneumoniamnist()
    elif name == "chestx":
        data = fetch_chest_xray_pneumonia(image_size=cell["size"])
    else:
        with np.load(tabular(name)) as file:
            X, is_anomaly = file["X"].astype(np.float64), file["y"] == 1
        return one_vs_rest_split(X, is_anomaly, False, test_size=0.5, random_state=seed)
    return data.X_train, data.X_test, data.y_test


def tabular(name):
    return Path(os.environ.get("SKLEARN_OCC_DATA", "")) / "tabular" / f"{name}.npz"


def why_absent(name):
    """Why the data cannot be had here, "" when they can; what has to be downloaded is, before processes ask for it."""
    if name in TABLES and not tabular(name).is_file():
        return "SKLEARN_OCC_DATA has no folder tabular with it."
    try:
        if name in TEN_CLASSES:
            TEN_CLASSES[name]()
    except OSError as error:
        return str(error)
    return ""


def capped(n_rows, cap, seed):
    """Numbers of at most `cap` rows, drawn with the seed, ascending."""
    if cap is None or n_rows <= cap:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).choice(n_rows, cap, replace=False))


def compute(cell, checkpoint):
    X_train, X_test, y_test = load(cell)
    X_train = X_train[capped(len(X_train), cell["train_rows"], cell["seed"])]
    chosen = capped(len(X_test), cell["test_rows"], 0)  # the same rows for every method and seed
    X_test, y_test = X_test[chosen], y_test[chosen]
    _, scores, result = _methods.fit_and_score(
        cell["method"],
        X_train,
        X_test,
        kind=kind_of(cell["data"]),
        **{key: cell[key] for key in ("seed", "epochs", "channels", "device")},
        **cell["params"],
    )
    result["n_train"], result["n_test"] = len(X_train), len(X_test)
    return {**result, "figures": _methods.figures_of(y_test, scores)}


def kind_of(data):
    return "images" if data in IMAGES else "table"


def cell_of(args, data, majority, method, seed):
    network = _methods.has_network(method)
    return {
        "experiment": "one_vs_rest",
        "data": data,
        **({} if majority is None else {"class": majority}),
        "method": method,
        "seed": seed,
        "size": args.size if data == "chestx" else None,
        "epochs": args.epochs if network else None,
        "channels": args.channels if _methods.has_channels(method, kind_of(data)) else None,
        "device": args.device if network else "cpu",
        "train_rows": args.train_rows if data in TEN_CLASSES else None,
        "test_rows": args.test_rows,
        "params": _methods.params_on(args.device, method, args.epochs),
    }


def cells_of(args, data, method):
    return [
        cell_of(args, data, majority, method, seed)
        for seed in range(args.seeds)
        for majority in IMAGES.get(data, (None,))
    ]


def all_cells(args):
    return [cell for data in args.data for method in args.methods for cell in cells_of(args, data, method)]


def summary(args, data, method):
    """Mean over classes of the AUC, ± over seeds; "-" unless every cell is there, and the median time of a fit."""
    cells = cells_of(args, data, method)
    auc = _cells.figures(cells, args.output, "auc")
    if len(auc) < len(cells):
        return "-", "-"
    per_seed = np.reshape(auc, (args.seeds, -1)).mean(axis=1).tolist()
    seconds = statistics.median(_cells.figures(cells, args.output, "fit_seconds"))
    return _cells.mean_std(per_seed, args.seeds), f"{seconds:.2f}"


def show(args):
    channels = f"{args.channels} channels (images), device {args.device}"
    print(
        f"\nAUC (%), mean over classes ± standard deviation over {args.seeds} seeds; {args.epochs} epochs, {channels}"
    )
    print(_methods.other_settings(args.methods, args.device, args.epochs))
    summaries = {(data, method): summary(args, data, method) for data in args.data for method in args.methods}
    rows = [[method, *(summaries[data, method][0] for data in args.data)] for method in args.methods]
    for name, found in PUBLISHED.items():
        if any(data in found for data in args.data):
            rows.append([f"*{name}*", *(f"*{found[data]}*" if data in found else "-" for data in args.data)])
    _cells.print_table(["method", *args.data], rows)
    print(
        "\nIn italics: not measured here. The ICS paper is Schlachter, Liao, Yang, Deep one-class classification using "
        "intra-class splitting, table 1, means over ten classes; the others were measured with a like protocol."
    )
    capped_data = [name for name in args.data if name in TEN_CLASSES]
    if capped_data and args.train_rows:
        print(f"{', '.join(capped_data)}: at most {args.train_rows} training rows of a class.")
    if args.test_rows:
        print(f"At most {args.test_rows} test rows, drawn at random, the same for all.")
    if "PyOD AnoGAN" in args.methods:
        print("PyOD AnoGAN's fit searches a latent code for one training row after the other, hence its time.")
    print("\nSeconds a fit, median over classes and seeds")
    _cells.print_table(
        ["method", *args.data],
        [[method, *(summaries[data, method][1] for data in args.data)] for method in args.methods],
    )
    cells = all_cells(args)
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    methods = (*_methods.OURS, *_methods.PEERS)
    default = [name for name in DATA if name not in ON_REQUEST]
    parser.add_argument("--data", nargs="+", choices=[*DATA, "tables"], default=default, help="tables: all of them")
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=16, help="of the first layer, images (the estimators': 64)")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side, chestx")
    parser.add_argument("--train-rows", type=int, help="at most so many of each class of mnist, fashion_mnist, cifar10")
    parser.add_argument("--test-rows", type=int, help="at most so many (default: all)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/one_vs_rest"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    args = parser.parse_args()
    args.data = list(dict.fromkeys(name for item in args.data for name in (TABLES if item == "tables" else (item,))))
    return args


def main():
    args = parse()
    n_errors = 0
    if not args.table_only:
        absent = {name: reason for name in args.data if (reason := why_absent(name))}
        for name, reason in absent.items():
            print(f"{name} is left out: {reason}")
        cells = [cell for cell in _methods.without_absent(all_cells(args)) if cell["data"] not in absent]
        n_errors = _cells.run(cells, compute, args.output, args.jobs)
    show(args)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
