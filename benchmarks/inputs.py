"""How much the input matters: every method on pixels, on contrast-normalised pixels, and on histograms of gradients.

    python benchmarks/inputs.py --data digits pneumoniamnist      to choose by
    python benchmarks/inputs.py --data chestx                     what the choice comes to, looked at once
    python benchmarks/inputs.py --table-only

digits is one-vs-rest, each class in turn, split by the seed. pneumoniamnist trains on the 1214 normal training images
and reports the AUC of the validation images; its test images are not used. chestx trains on 1341 images and tests on
624, at --size pixels; without a network also at 100, whatever --size is.

Inputs: pixels as they are; ImageScaler("zscore") and ImageScaler("equalize"), image by image; HOG with cells of a
seventh of the side (4 pixels at 28 and 32, 14 at 100; 1 at 8) in blocks of 3 x 3, features not standardised, which
networks take as a table. The epochs are those of every network; other settings are the methods' defaults, but for
what is printed above a table.
"""

import argparse
import sys
from pathlib import Path

import _cells
import _methods
import numpy as np
import torch

from sklearn_occ.datasets import fetch_chest_xray_pneumonia, fetch_pneumoniamnist, load_one_class_digits
from sklearn_occ.preprocessing import HOG, ImageScaler

DATA = {"digits": tuple(range(10)), "pneumoniamnist": (None,), "chestx": (None,), "chestx at 100": (None,)}
SHORT_SEARCH = {"search_steps": 20}  # AnoGAN's on the CPU, a fifth of that of the other tables
INPUTS = {
    "pixels": None,
    "zscore": lambda side: ImageScaler("zscore"),
    "equalize": lambda side: ImageScaler("equalize"),
    "HOG": lambda side: HOG(pixels_per_cell=max(1, side // 7)),
}


def load(cell):
    """Training rows, test rows and test labels of a cell."""
    if cell["data"] == "digits":
        data = load_one_class_digits(cell["class"], random_state=cell["seed"])
    elif cell["data"] == "pneumoniamnist":
        data = fetch_pneumoniamnist()
        return data.X_train, data.X_val, data.y_val
    else:
        data = fetch_chest_xray_pneumonia(image_size=cell["size"])
    return data.X_train, data.X_test, data.y_test


def compute(cell, checkpoint):
    X_train, X_test, y_test = load(cell)
    kind = "images"
    if INPUTS[cell["input"]] is not None:
        transformer = INPUTS[cell["input"]](X_train.shape[-1]).fit(X_train)
        X_train, X_test = transformer.transform(X_train), transformer.transform(X_test)
        kind = "features" if X_train.ndim == 2 else "images"
    _, scores, result = _methods.fit_and_score(
        cell["method"],
        X_train,
        X_test,
        kind=kind,
        checkpoint=checkpoint,
        **{key: cell[key] for key in ("seed", "epochs", "channels", "device")},
        **cell["params"],
    )
    return {**result, "figures": _methods.figures_of(y_test, scores)}


def params_of(args, method):
    params = _methods.params_on(args.device, method, args.epochs)
    return params | SHORT_SEARCH if method == "AnoGAN" and args.device == "cpu" else params


def cells_of(args, data, method, name):
    """Cells of one number of a table: classes and seeds; none where a network would be trained at 100 pixels."""
    network = _methods.has_network(method)
    if network and data == "chestx at 100":
        return []
    kind = "features" if name == "HOG" else "images"
    return [
        {
            "experiment": "inputs",
            "data": data,
            **({} if majority is None else {"class": majority}),
            "method": method,
            "input": name,
            "seed": seed,
            "size": {"chestx": args.size, "chestx at 100": 100}.get(data),
            "epochs": args.epochs if network else None,
            "channels": args.channels if _methods.has_channels(method, kind) else None,
            "device": args.device if network else "cpu",
            "params": params_of(args, method),
        }
        for seed in range(args.seeds)
        for majority in DATA[data]
    ]


def all_cells(args):
    return [
        cell
        for data in args.data
        for method in args.methods
        for name in INPUTS
        for cell in cells_of(args, data, method, name)
    ]


def number(args, data, method, name):
    """Mean over classes, ± over seeds; "-" unless every cell is there."""
    cells = cells_of(args, data, method, name)
    auc = _cells.figures(cells, args.output, "auc")
    if not cells or len(auc) < len(cells):
        return "-"
    return _cells.mean_std(np.reshape(auc, (args.seeds, -1)).mean(axis=1).tolist(), args.seeds)


def show(args):
    for data in args.data:
        rows = [[method, *(number(args, data, method, name) for name in INPUTS)] for method in args.methods]
        rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
        size = f" at {args.size}" if data == "chestx" else ""
        print(
            f"\n{data}{size}: AUC (%), mean over classes ± standard deviation over {args.seeds} seeds; "
            f"{args.epochs} epochs, {args.channels} channels, device {args.device}"
        )
        print("; ".join(f"{method}: {params}" for method in args.methods if (params := params_of(args, method))))
        _cells.print_table(["method", *INPUTS], rows)
    cells = all_cells(args)
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=_methods.OURS, default=_methods.OURS)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=16, help="of the first layer, images (the estimators': 64)")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side, chestx")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/inputs"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    n_errors = 0
    if not args.table_only:
        n_errors = _cells.run(_methods.without_absent(all_cells(args)), compute, args.output, args.jobs)
    show(args)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
