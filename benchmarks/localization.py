"""Where planted lesions are found: patch scorers beside trivial maps of the same images.

    python benchmarks/localization.py                      # settings are chosen on these: training images held out
    python benchmarks/localization.py --split test         # and reported on these
    python benchmarks/localization.py --table-only

Normal chest X-rays of 100 x 100 pixels. `--train-images` of the training images train; `plant_lesions` puts lesions at
its default contrast, which a human just sees, into the first half of `--test-images` others, from the training images
("dev") or the normal test images. A seed sets the model, the images and the lesions. All maps, trivial ones too, are
blurred by `--smoothing` pixels; the trivial ones have no training, their image score is minus the map's maximum.
`AlignedDetector` then standardises each map, blurred by `--aligned-smoothing` pixels, at its place by the maps of the
training images left over; in the tail where the lesions are expected (upper: spots and blobs; lower: missing texture)
or in both. Spots and blobs, which are bright, are also sought in the maps of what is brighter than the reconstruction
(or than the blurred image) alone, as they are and aligned, where a method has these; their image score is minus the
map's maximum too, unless they are aligned.

Figures: area under the ROC curve over all pixels of all images (pixel AUROC), the same of precision and recall (AUPR),
mean overlap of the regions up to 30 % false positives (AUPRO), best Dice, and the AUC of the image scores, images with
against without lesions.
"""

import argparse
import sys
import time
from pathlib import Path

import _cells
import numpy as np
import torch
from _methods import OWN
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_occ import (
    CAE,
    OCSVM,
    AlignedDetector,
    DenoisingAutoencoder,
    PatchAutoencoder,
    PatchDetector,
    PCAReconstruction,
)
from sklearn_occ.datasets import fetch_chest_xray_pneumonia, plant_lesions
from sklearn_occ.metrics import aupro_score, best_dice_score, pixel_aupr_score, pixel_roc_auc_score
from sklearn_occ.preprocessing import HOG

SOUGHT = {"microcalcifications": "upper", "blurred": "upper", "texture": "lower"}  # the tail that each is in
FIGURES = {"pixel AUROC": "pixel_auroc", "AUPR": "aupr", "AUPRO": "aupro", "Dice": "dice", "image AUC": "image_auc"}


class TrivialMap(BaseEstimator):
    """Grey values, or their distance from those of an image blurred by `blur` pixels; scores of maps so smoothed.

    With `kind="brighter"` a distance is 0 where the blurred image is brighter.
    """

    def __init__(self, blur=None, smoothing=0.0):
        self.blur = blur
        self.smoothing = smoothing

    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def anomaly_map(self, X, smoothing=0.0, kind=None):
        images = X[:, 0] / 255.0
        if self.blur is not None:
            images = images - gaussian_filter(images, (0, self.blur, self.blur))
            images = np.abs(images) if kind is None else np.maximum(images, 0)
        return gaussian_filter(images, (0, smoothing, smoothing))

    def score_samples(self, X):
        return -self.anomaly_map(X, self.smoothing).max(axis=(1, 2))


DENOISING = OWN["DenoisingAutoencoder"]
PATCH_SCORERS = {
    "PatchAutoencoder": lambda epochs, device: PatchAutoencoder.from_paper(max_epochs=epochs, device=device),
    "PatchAutoencoder, 16 channels": lambda epochs, device: PatchAutoencoder.from_paper(
        max_epochs=epochs, channels=16, device=device
    ),
    "CAE, 16 channels": lambda epochs, device: CAE.from_paper(max_epochs=epochs, channels=16, lr=1e-3, device=device),
    "DenoisingAutoencoder": lambda epochs, device: DenoisingAutoencoder(max_epochs=epochs, device=device, **DENOISING),
    "PCAReconstruction, 150 components": lambda epochs, device: PCAReconstruction(n_components=150),
    "HOG + OCSVM": lambda epochs, device: make_pipeline(HOG(), OCSVM(device=device)),
    "untrained PatchAutoencoder": lambda epochs, device: PatchAutoencoder.from_paper(
        max_epochs=1, lr=1e-12, device=device
    ),
}
WHOLE = {
    "DenoisingAutoencoder of whole images": DenoisingAutoencoder(**DENOISING),
    "PCAReconstruction of whole images, 500 components": PCAReconstruction(n_components=500),
    "grey value": TrivialMap(),
    "residual of a Gaussian blur (1 px)": TrivialMap(blur=1),
    "residual of a Gaussian blur (2 px)": TrivialMap(blur=2),
}
ONE_SIDED = ("HOG + OCSVM", "grey value")  # whose maps have no brighter half

METHODS = (*PATCH_SCORERS, *WHOLE)


def images_of(cell):
    """Images to train on, others that tell what maps are usual, and images to plant lesions into."""
    data = fetch_chest_xray_pneumonia(image_size=100)
    order = np.random.default_rng(cell["seed"]).permutation(len(data.X_train))
    n_train, n_test = cell["train_images"], cell["test_images"]
    train, rest = data.X_train[order[:n_train]], data.X_train[order[n_train:]]
    if cell["split"] == "dev":
        return train, rest[:-n_test], rest[-n_test:]
    normal = data.X_test[data.y_test == 1]
    return train, rest, normal[np.random.default_rng(cell["seed"]).permutation(len(normal))[:n_test]]


def detector_of(cell):
    """The unfitted detector of a cell."""
    if cell["method"] in WHOLE:
        detector = clone(WHOLE[cell["method"]])
        if isinstance(detector, TrivialMap):
            return detector.set_params(smoothing=cell["smoothing"])
        if isinstance(detector, DenoisingAutoencoder):
            return detector.set_params(max_epochs=cell["epochs"], device=cell["device"], random_state=cell["seed"])
        return detector
    return PatchDetector(
        PATCH_SCORERS[cell["method"]](cell["epochs"], cell["device"]),
        patch_size=cell["patch_size"],
        stride=cell["stride"],
        n_patches=cell["n_patches"],
        random_state=cell["seed"],
    )


def compute(cell, checkpoint):
    train, usual, others = (images[:, np.newaxis] for images in images_of(cell))
    began = time.perf_counter()
    detector = detector_of(cell).fit(train)
    fitted = time.perf_counter()
    aligned = {
        tail: AlignedDetector(FrozenEstimator(detector), smoothing=cell["aligned_smoothing"], tail=tail).fit(usual)
        for tail in ("upper", "lower", "both")
    }
    has_brighter = cell["method"] not in ONE_SIDED
    if has_brighter:
        aligned["brighter"] = AlignedDetector(
            FrozenEstimator(detector), kind="brighter", smoothing=cell["aligned_smoothing"]
        ).fit(usual)
    half = len(others) // 2
    has_lesion = np.arange(len(others)) < half
    figures, scoring = {}, 0.0
    for kind, tail in SOUGHT.items():
        planted = plant_lesions(others[:half, 0], kind=kind, random_state=cell["seed"])
        images = np.concatenate([planted.images[:, np.newaxis], others[half:]])
        masks = np.concatenate([planted.masks, np.zeros(others[half:, 0].shape, dtype=bool)])
        started = time.perf_counter()
        results = {"": (detector.anomaly_map(images, smoothing=cell["smoothing"]), detector.score_samples(images))}
        scoring += time.perf_counter() - started
        for name, occ in (("aligned ", aligned[tail]), ("both tails ", aligned["both"])):
            results[name] = occ.anomaly_map(images), occ.score_samples(images)
        if has_brighter and tail == "upper":
            brighter, occ = (
                detector.anomaly_map(images, kind="brighter", smoothing=cell["smoothing"]),
                aligned["brighter"],
            )
            results["brighter "] = brighter, -np.max(brighter, axis=(1, 2))
            results["brighter aligned "] = occ.anomaly_map(images), occ.score_samples(images)
        for name, (maps, scores) in results.items():
            found = {
                "pixel_auroc": pixel_roc_auc_score(masks, maps),
                "aupr": pixel_aupr_score(masks, maps),
                "aupro": aupro_score(masks, maps),
                "dice": best_dice_score(masks, maps).dice,
                "image_auc": roc_auc_score(has_lesion, -scores),
            }
            figures |= {f"{kind} {name}{figure}": float(value) for figure, value in found.items()}
    params = {key: repr(value) for key, value in detector.get_params(deep=False).items()}
    seconds = {"fit_seconds": fitted - began, "score_seconds": scoring}
    return {"figures": figures, "arrays": {}, **seconds, "params": params}


def cells_of(args, method):
    has_patches = method in PATCH_SCORERS
    trains = method.startswith(("PatchAutoencoder", "CAE", "DenoisingAutoencoder"))
    return [
        {
            "experiment": "localization",
            "data": "chestx",
            "split": args.split,
            "method": method,
            "seed": seed,
            "epochs": args.epochs if trains else None,
            "device": args.device if has_patches or trains else "cpu",
            **{key: getattr(args, key) if has_patches else None for key in ("patch_size", "stride", "n_patches")},
            **{key: getattr(args, key) for key in ("train_images", "test_images", "smoothing", "aligned_smoothing")},
        }
        for seed in range(args.seeds)
    ]


def show(args):
    print(
        f"\nMeans over {args.seeds} seeds ± standard deviation, in per cent; patches of {args.patch_size} pixels, "
        f"stride {args.stride}, {args.n_patches} new ones an epoch from {args.train_images} images, "
        f"{args.epochs} epochs; {args.test_images} {args.split} images, maps blurred by {args.smoothing:g} pixels, "
        f"aligned ones by {args.aligned_smoothing:g}"
    )
    for kind, tail in SOUGHT.items():
        for name, title in (
            ("", ""),
            ("aligned ", f", aligned, {tail} tail"),
            ("both tails ", ", aligned, both tails"),
            ("brighter ", ", brighter alone"),
            ("brighter aligned ", ", brighter alone, aligned"),
        ):
            if "brighter" in name and tail != "upper":
                continue
            print(f"\n{kind}{title}")
            rows = []
            for method in args.methods:
                if "brighter" in name and method in ONE_SIDED:
                    continue
                cells = cells_of(args, method)
                figures = [_cells.figures(cells, args.output, f"{kind} {name}{figure}") for figure in FIGURES.values()]
                rows.append([method, *(_cells.mean_std(values, args.seeds) for values in figures)])
            _cells.print_table(["map", *FIGURES], rows)
    cells = [cell for method in args.methods for cell in cells_of(args, method)]
    _cells.missing(cells, args.output)
    print(f"\nComputed with: {_cells.machines(cells, args.output)}")


def parse():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--patch-size", type=int, default=32)
    parser.add_argument("--stride", type=int, default=8)
    parser.add_argument("--n-patches", type=int, default=4000)
    parser.add_argument("--train-images", type=int, default=1000)
    parser.add_argument("--test-images", type=int, default=200)
    parser.add_argument("--smoothing", type=float, default=1.0, help="pixels, of every map")
    parser.add_argument("--aligned-smoothing", type=float, default=2.0, help="pixels, of a map before it is aligned")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--output", type=Path, default=Path("results/localization"))
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    return parser.parse_args()


def main():
    args = parse()
    n_errors = 0
    if not args.table_only:
        cells = [cell for method in args.methods for cell in cells_of(args, method)]
        n_errors = _cells.run(cells, compute, args.output, args.jobs)
    show(args)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
