"""The evaluations of Guo's thesis: outliers of three kinds, one class against the rest and the rest against one.

    python benchmarks/outliers.py --jobs 2
    python benchmarks/outliers.py --table-only

Intra-class outliers are other digits, as in its section on TEND (tables 4.3 and 4.4), inter-class ones images of
another data set, as in that on CVAD (table 4.8): here 500 chest X-rays of PneumoniaMNIST, shrunk to 8 x 8. "changed"
is the share of in-distribution images that are called outliers after a cut, a crop, noise or a blur, mean of the four
(tables 4.5 and 4.6, where training images are changed too; here those of the test set alone). 8 x 8 digits, 80 % of the
in-distribution images train. FPR, TPR and DIFF are those at the G-mean threshold of the intra-class test set, labels
included, as in the thesis: figures of an evaluation.

BinaryClassifier is a reference that has labels: the default encoder and a linear layer, trained by cross-entropy on
the training images and all images of the next two digits. No method is tested on these. It has no row where the rest is
in-distribution: known outliers would have to come out of the majority of every method.

Networks of 16 channels, batches of each method's default size, and as many epochs as give about `--batches` batches in
either stage; players of adversarial methods make a step or more a batch.
"""

import argparse
import sys
import time
from itertools import product
from pathlib import Path

import _cells
import _methods
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from skorch import NeuralNetBinaryClassifier

from sklearn_occ.datasets import fetch_pneumoniamnist, inter_class_test_set
from sklearn_occ.metrics import g_mean_threshold, unseen_transformation_rates
from sklearn_occ.model_selection import one_vs_rest_split, rest_vs_one_split
from sklearn_occ.nn._autoencoder import build_encoder

SPLITS = {"one-vs-rest": one_vs_rest_split, "rest-vs-one": rest_vs_one_split}
LABELLED = "BinaryClassifier"
METHODS = {  # those of table 4.3 and CVAD: by name ours and its parameters
    "AutoEncoder": ("CAE", {}),
    "AE GMM": ("AEGMM", {}),
    "VAE": ("VAE", {}),
    "MarginLearner": ("TEND", {"margin": 150, "classifier": False}),
    "DeepSVDD": ("D-SVDD", {}),
    "GANomaly": ("GANomaly", {}),
    "f-AnoGAN": ("FAnoGAN", {}),
    "CVAD": ("CVAD", {}),
    "TEND 150": ("TEND", {"margin": 150}),
    "TEND 250": ("TEND", {"margin": 250}),
    "TEND 500": ("TEND", {"margin": 500}),
    LABELLED: (None, {}),
}
FIGURES = ("fpr", "tpr", "difference", "auc", "auc_inter_class", "changed")
HEADER = ("FPR", "TPR", "DIFF", "AUC", "inter-class AUC", "changed")
SHAPE = (1, 8, 8)
BATCH = 128


class BinaryClassifier(NeuralNetBinaryClassifier):
    """Images of the majority (0) against known outliers (1)."""

    def __init__(self, channels, epochs, device):
        encoder, width = build_encoder(None, SHAPE, None, channels, name="encoder")
        network = torch.nn.Sequential(encoder, torch.nn.LeakyReLU(0.2), torch.nn.Linear(width, 1))
        super().__init__(
            network,
            optimizer=torch.optim.Adam,
            lr=1e-3,
            max_epochs=epochs,
            batch_size=BATCH,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            device=device,
        )

    def score_samples(self, X):
        """Minus the logit of "outlier"."""
        return -self.forward(as_input(X)).numpy().astype(float)


def as_input(X):
    return torch.from_numpy(np.asarray(X, dtype=np.float32)).reshape(-1, *SHAPE)


def known_outliers(cell):
    """The two digits whose images BinaryClassifier learns from."""
    return [(cell["class"] + 1) % 10, (cell["class"] + 2) % 10] if cell["split"] == "one-vs-rest" else []


def load(cell):
    """Training images, known outliers, test images and their labels."""
    digits = load_digits()
    images, is_known = (digits.images / 16).astype(np.float32), np.isin(digits.target, known_outliers(cell))
    split, rest = SPLITS[cell["split"]], ~is_known
    X_train, X_test, y_test = split(images[rest], digits.target[rest], cell["class"], random_state=cell["seed"])
    return X_train, images[is_known], X_test, y_test


def epochs_of(cell, n_rows, batch_size):
    return max(1, round(cell["batches"] / np.ceil(n_rows / batch_size)))


def fitted(cell, X_train, known):
    """The detector and the seconds of its fit."""
    name, params = METHODS[cell["method"]]
    if name:
        settings = {key: cell[key] for key in ("seed", "channels", "device")} | params
        defaults = _methods.make(name, kind="images", epochs=1, n_features=None, **settings).get_params()
        epochs = epochs_of(cell, len(X_train), defaults.get("batch_size") or defaults["autoencoder__batch_size"])
        settings |= {"epochs": epochs} | _methods.params_on(cell["device"], name, epochs)
        detector, _, about = _methods.fit_and_score(name, X_train, X_train[:1], kind="images", **settings)
        return detector, about["fit_seconds"]
    epochs = epochs_of(cell, len(X_train) + len(known), BATCH)
    torch.manual_seed(cell["seed"])
    classifier = BinaryClassifier(cell["channels"], epochs, cell["device"])
    X, y = np.concatenate([X_train, known]), np.repeat([0, 1], [len(X_train), len(known)])
    started = time.perf_counter()
    classifier.fit(as_input(X), y.astype(np.float32))
    if len(classifier.history) < epochs:  # skorch keeps Ctrl-C to itself
        raise KeyboardInterrupt
    return classifier, time.perf_counter() - started


def compute(cell, checkpoint):
    X_train, known, X_test, y_test = load(cell)
    detector, seconds = fitted(cell, X_train, known)
    scores, majority = detector.score_samples(X_test), X_test[y_test == 1]
    point = g_mean_threshold(y_test, scores)
    X_rays, y_rays = inter_class_test_set(majority, fetch_pneumoniamnist().X_train[:500])
    rates = unseen_transformation_rates(detector, majority, point.threshold)
    changed = [rate for kind, rate in rates.items() if kind != "none"]
    figures = {"fpr": point.fpr, "tpr": point.tpr, "difference": point.difference, "changed": np.mean(changed)}
    figures["auc"] = roc_auc_score(y_test == 1, scores)
    figures["auc_inter_class"] = roc_auc_score(y_rays == 1, detector.score_samples(X_rays))
    return {"figures": {name: float(figures[name]) for name in FIGURES}, "fit_seconds": seconds}


def cells_of(args, split, method):
    if split == "rest-vs-one" and method == LABELLED:
        return []
    settings = {key: getattr(args, key) for key in ("batches", "channels", "device")}
    return [
        {"experiment": "outliers", "split": split, "method": method, "class": digit, "seed": seed, **settings}
        for seed in range(args.seeds)
        for digit in range(10)
    ]


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=list(SPLITS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--batches", type=int, default=600, help="of a stage")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--channels", type=int, default=16, help="of the first layer")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/outliers"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    rows = {split: {method: cells_of(args, split, method) for method in args.methods} for split in args.splits}
    cells = [cell for split, method in product(args.splits, args.methods) for cell in rows[split][method]]
    n_errors = 0
    if not args.table_only:
        fetch_pneumoniamnist()  # downloaded before processes ask for it
        n_errors = _cells.run(cells, compute, args.output, args.jobs)
    for split, of_split in rows.items():
        print(
            f"\n{split}, per cent, mean over ten digits ± standard deviation over {args.seeds} seeds; {args.batches} "
            f"batches in either stage, {args.channels} channels"
        )
        table = [
            [method, *(_cells.mean_over_classes(of_method, args.output, figure, args.seeds) for figure in FIGURES)]
            for method, of_method in of_split.items()
            if of_method
        ]
        _cells.print_table(["method", *HEADER], table)
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
