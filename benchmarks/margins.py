"""TEND's margin: areas under the ROC curve at the thesis' three, on digits and PneumoniaMNIST's validation images.

    python benchmarks/margins.py --jobs 2
    python benchmarks/margins.py --table-only

digits is one-vs-rest, each class in turn, split by the seed. pneumoniamnist trains on the 1214 normal training images
and reports the AUC of the validation images; its test images are not used. "probability" and "distance" are the two
parts of TEND's score alone; the thesis' MarginLearner is trained without the classifier. Settings are the
thesis' but for channels and epochs, which are those of either stage.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import _cells
import torch
from sklearn.metrics import roc_auc_score

from sklearn_occ import TEND
from sklearn_occ.datasets import fetch_pneumoniamnist, load_one_class_digits

DATA = {"digits": tuple(range(10)), "pneumoniamnist": (None,)}
MARGINS = (150, 250, 500)  # R, on the scale of squared distances
METHODS = ("TEND", "MarginLearner")
FIGURES = ("score", "probability", "distance")


def load(cell):
    """Training rows, rows to judge and their labels."""
    if cell["data"] == "digits":
        data = load_one_class_digits(cell["class"], random_state=cell["seed"])
        return data.X_train, data.X_test, data.y_test
    data = fetch_pneumoniamnist()
    return data.X_train, data.X_val, data.y_val


def compute(cell, checkpoint):
    X_train, X, y = load(cell)
    occ = TEND.from_paper(
        margin=cell["margin"],
        classifier=cell["method"] == "TEND",
        pretrain_epochs=cell["epochs"],
        max_epochs=cell["epochs"],
        channels=cell["channels"],
        random_state=cell["seed"],
        device=cell["device"],
        checkpoint=checkpoint,
    )
    started = time.perf_counter()
    occ.fit(X_train)
    seconds = time.perf_counter() - started
    if occ.net_.interrupted_:
        raise KeyboardInterrupt
    scores = {"score": occ.score_samples(X), **occ.score_parts(X)}
    return {
        "figures": {name: float(roc_auc_score(y == 1, found)) for name, found in scores.items()},
        "fit_seconds": seconds,
    }


def cells_of(args, data, method, margin):
    return [
        {
            "experiment": "margins",
            "data": data,
            **({} if majority is None else {"class": majority}),
            "method": method,
            "margin": margin,
            "seed": seed,
            "epochs": args.epochs,
            "channels": args.channels,
            "device": args.device,
        }
        for seed in range(args.seeds)
        for majority in DATA[data]
    ]


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=16, help="of the first layer")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/margins"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    rows = list(product(args.data, METHODS, MARGINS))
    cells = [cell for row in rows for cell in cells_of(args, *row)]
    n_errors = 0 if args.table_only else _cells.run(cells, compute, args.output, args.jobs)
    print(
        f"\nAUC (%), mean over classes ± standard deviation over {args.seeds} seeds; {args.epochs} epochs in either "
        f"stage, {args.channels} channels"
    )
    table = []
    for data, method, margin in rows:
        figures = FIGURES if method == "TEND" else FIGURES[:1]
        of_row = cells_of(args, data, method, margin)
        numbers = (_cells.mean_over_classes(of_row, args.output, figure, args.seeds) for figure in figures)
        table.append([data, method, margin, *numbers])
        table[-1] += ["-"] * (len(FIGURES) - len(figures))
    _cells.print_table(["data", "method", "margin", *FIGURES], table)
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
