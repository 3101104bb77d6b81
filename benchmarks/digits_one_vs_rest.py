"""Mean AUC on scikit-learn's 8 x 8 digits, each digit in turn as the majority, for all methods and scikit-learn's.

    python benchmarks/digits_one_vs_rest.py --epochs 1000 --seeds 3 --jobs 2

Half of the majority digit trains, the other half and all other digits test; the seed sets the split and the model.
Settings are the estimators' defaults; only `max_epochs` is set by --epochs. Each fit is kept in a folder
(--output), so that a run that was stopped goes on; the table is printed at the end.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from sklearn_occ import CAE, COCSVM, OCSVM, SAE, ConOCC
from sklearn_occ.datasets import load_one_class_digits


def methods(epochs, seed):
    deep = {"max_epochs": epochs, "random_state": seed}
    return {
        "OCSVM": OCSVM(),
        "C-OCSVM": COCSVM(autoencoder=CAE(**deep)),
        "CAE": CAE(**deep),
        "SAE": SAE(**deep),
        "ConOCC": ConOCC(**deep),
        "scikit-learn OneClassSVM": OneClassSVM(),
        "scikit-learn IsolationForest": IsolationForest(random_state=seed),
        "scikit-learn LocalOutlierFactor": LocalOutlierFactor(novelty=True),
    }


def measure(name, digit, seed, epochs, folder):
    kept = folder / f"{name} {digit} {seed} {epochs}.json"
    if not kept.exists():
        digits = load_one_class_digits(majority=digit, random_state=seed)
        flatten = name.startswith("scikit-learn")
        train, test = (X.reshape(len(X), -1) if flatten else X for X in (digits.X_train, digits.X_test))
        start = time.perf_counter()
        estimator = methods(epochs, seed)[name].fit(train)
        seconds = time.perf_counter() - start
        auc = roc_auc_score(digits.y_test, estimator.score_samples(test))
        kept.write_text(json.dumps({"auc": auc, "seconds": seconds}))
    return json.loads(kept.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--epochs", type=int, default=1000, help="epochs of the deep methods (the paper's 1000)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--output", type=Path, default=Path("results/digits_one_vs_rest"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    runs = [(name, digit, seed) for name in methods(1, 0) for seed in range(args.seeds) for digit in range(10)]
    found = Parallel(n_jobs=args.jobs, verbose=1)(delayed(measure)(*run, args.epochs, args.output) for run in runs)
    print(f"\n| method | mean AUC of ten digits (%), {args.seeds} seeds | lowest digit | seconds a fit |")
    print("|---|---|---|---|")
    for name in methods(1, 0):
        figures = [figure for run, figure in zip(runs, found, strict=True) if run[0] == name]
        auc = 100 * np.array([figure["auc"] for figure in figures]).reshape(args.seeds, 10)
        seconds = np.median([figure["seconds"] for figure in figures])
        mean = f"{auc.mean():.2f} ± {auc.mean(1).std():.2f}"
        print(f"| {name} | {mean} | {auc.mean(0).min():.1f} (digit {auc.mean(0).argmin()}) | {seconds:.2f} |")


if __name__ == "__main__":
    main()
