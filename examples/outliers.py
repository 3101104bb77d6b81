"""Outliers of three kinds: other digits, pieces of a photograph, and digits that were cut, enlarged or made noisy.

    python examples/outliers.py roc.png

The threshold of TPR, FPR and DIFF is chosen with the labels of the test set, so that these are figures of an
evaluation; no detector is set by it. The file gets the ROC curves.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits, load_sample_image
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.metrics import RocCurveDisplay, roc_auc_score

from sklearn_occ import CAE, OCSVM, TEND, PCAReconstruction
from sklearn_occ.datasets import inter_class_test_set
from sklearn_occ.metrics import g_mean_threshold, unseen_transformation_rates
from sklearn_occ.model_selection import one_vs_rest_split, rest_vs_one_split

DIGIT = 3
DETECTORS = {
    "PCA": PCAReconstruction(random_state=0),
    "OCSVM": OCSVM(),
    "CAE": CAE(channels=8, lr=1e-3, max_epochs=50, random_state=0),
    "TEND": TEND(channels=8, pretrain_epochs=20, max_epochs=20, random_state=0),
}
LINES = ("-", "--", ":", "-.")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def data_of(split):
    """Rows to train on, and a test set with outliers of each kind: other digits, and pieces of a photograph."""
    digits = load_digits()
    X_train, *intra_class = split((digits.images / 16).astype(np.float32), digits.target, DIGIT, random_state=0)
    X_majority = intra_class[0][intra_class[1] == 1]
    pieces = extract_patches_2d(load_sample_image("flower.jpg"), (32, 32), max_patches=200, random_state=0)
    photographs = np.moveaxis(pieces, -1, 1)  # (200, 3, 32, 32), uint8
    return X_train, {"intra-class": intra_class, "inter-class": inter_class_test_set(X_majority, photographs)}


def main(picture=None):
    curves = {}
    for title, split in (
        (f"{DIGIT} against the rest", one_vs_rest_split),
        (f"the rest against {DIGIT}", rest_vs_one_split),
    ):
        X_train, tests = data_of(split)
        print(f"{title}: {len(X_train)} digits to train on")
        for name, detector in DETECTORS.items():
            occ = detector.fit(X_train)
            for kind, (X_test, y_test) in tests.items():
                scores = occ.score_samples(X_test)
                curves[title, kind, name] = y_test, scores
                point = g_mean_threshold(y_test, scores)
                print(
                    f"  {name:6} {kind} AUC {roc_auc_score(y_test, scores):.3f}  TPR {point.tpr:.3f}  "
                    f"FPR {point.fpr:.3f}  DIFF {point.difference:.3f}"
                )
            X_test, y_test = tests["intra-class"]
            threshold = g_mean_threshold(*curves[title, "intra-class", name]).threshold
            rates = unseen_transformation_rates(occ, X_test[y_test == 1], threshold)
            print(f"  {name:6} called outliers: {', '.join(f'{kind} {rate:.2f}' for kind, rate in rates.items())}")
    if picture:
        draw(curves, picture)


def draw(curves, picture):
    from matplotlib import pyplot

    panels = dict.fromkeys(f"{title},\n{kind}" for title, kind, _ in curves)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 4.4), layout="constrained")
    places = dict(zip(panels, axes, strict=True))
    for (title, kind, name), (y_test, scores) in curves.items():
        number, ax = list(DETECTORS).index(name), places[f"{title},\n{kind}"]
        look = {"linestyle": LINES[number], "color": COLOURS[number]}
        # the outliers are the positive class, and their scores are low
        RocCurveDisplay.from_predictions(y_test == -1, -scores, name=name, ax=ax, curve_kwargs=look)
        ax.set(title=f"{title},\n{kind}", xlabel="FPR", ylabel="TPR")
        ax.legend(loc="lower right", fontsize=9)
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", help="file to draw into")
    main(**vars(parser.parse_args()))
