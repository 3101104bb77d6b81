"""The ConOCC paper's tables 2 and 3 and figures 5 and 6, as far as its data are public.

    python benchmarks/conocc_paper.py all --jobs 2
    python benchmarks/conocc_paper.py table2 --size 100 --epochs 1000 --channels 64 --device cuda
    python benchmarks/conocc_paper.py all --quick             a smoke check: its figures mean nothing
    python benchmarks/conocc_paper.py all --table-only        prints what is there, "-" for the rest

table2   ChestX, 1341 normal images to train on, 624 to test; seeds.
table3   ChestX, its 1575 normal images pooled and shuffled; four folds of 1185 to train on, and 390 of them and
         the 390 pneumonia images to test.
surface  Figure 5: ConOCC's AUC over learning rate, gamma and T. The paper's MRI set is not public; PneumoniaMNIST
         (28 x 28, 1214 normal images to train on) stands in, with the AUC of its validation images.
remedies What was tried where a method stays below the paper's table 2.
codes    Figure 6: t-SNE of the training codes of CAE and ConOCC. The paper's FFDM set is not public; 200 normal
         images of ChestX, as many as FFDM has to train on, stand in.

Every method has its defaults but for what is printed above a table. The last epoch counts, nothing is chosen on test
labels. The defaults of size, epochs and channels are the paper's with CUDA, smaller without; `surface` has 200 epochs
and 28 pixels everywhere, and by default the joint schedule, in which gamma matters. A fit that was killed goes on from
its checkpoint.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import _cells
import _methods
import numpy as np
import torch

from sklearn_occ.datasets import fetch_chest_xray_pneumonia, fetch_pneumoniamnist
from sklearn_occ.model_selection import OneClassKFold
from sklearn_occ.plotting import CodeMapDisplay

PAPER = {  # ChestX in %: AUC, AUPR-maj, AUPR-min of table 2, and of table 3
    "OCSVM": ("54.8, 44.9, 75.6", "58.0 ± 3.7, 52.2 ± 6.3, 61.3 ± 2.0"),
    "C-OCSVM": ("58.7, 41.3, 67.4", "61.3 ± 5.8, 58.2 ± 6.4, 60.5 ± 6.3"),
    "DAGMM": ("56.4, 42.3, 69.4", "54.2 ± 5.2, 50.1 ± 17.8, 61.7 ± 9.2"),
    "D-SVDD": ("57.9, 42.2, 68.4", "56.2 ± 6.5, 46.1 ± 6.9, 67.1 ± 5.7"),
    "AnoGAN": ("59.4, 44.6, 70.2", "60.8 ± 4.9, 41.0 ± 2.1, 46.5 ± 3.5"),
    "SAE": ("60.3, 43.5, 74.8", "58.8 ± 5.0, 55.1 ± 7.4, 60.7 ± 4.3"),
    "CAE": ("57.6, 39.4, 67.5", "59.9 ± 4.9, 55.2 ± 6.1, 63.8 ± 2.3"),
    "ConOCC": ("62.4, 51.9, 73.9", "61.6 ± 1.5, 59.7 ± 0.2, 61.9 ± 2.1"),
}
REMEDIES = {  # for methods of table 2 below the paper's figures
    "CAE, learning rate 1e-3 (ConOCC's)": ("CAE", {"lr": 1e-3}),
    "ConOCC, joint schedule": ("ConOCC", {"schedule": "joint"}),
    "ConOCC, distance score": ("ConOCC", {"score_function": "distance"}),
}
CODES = {
    "CAE": ("CAE", {}),
    "ConOCC, alternating": ("ConOCC", {"schedule": "alternating"}),
    "ConOCC, joint": ("ConOCC", {"schedule": "joint"}),
}
RATES = (1e-3, 1e-4)
GAMMAS = (1e-2, 1e-1, 1.0, 10.0)
INTERVALS = (20, 40, 60, 80, 100)
QUICK = {"AnoGAN": {"search_steps": 20, "n_restarts": 1}, "D-SVDD": {"pretrain_epochs": 10}}  # of the tables
N_FOLDS = 4
N_CODES = 200  # the paper's training images of FFDM
CAE_LINE = "#d55e00"


def load(cell):
    """Training rows, test rows and test labels of a cell."""
    if cell["experiment"] == "surface":
        data = fetch_pneumoniamnist()
        return data.X_train, data.X_val, data.y_val
    data = fetch_chest_xray_pneumonia(image_size=cell["size"])
    if cell["experiment"] == "table3":
        X, y = np.concatenate([data.X_train, data.X_test]), np.concatenate([np.ones(len(data.X_train)), data.y_test])
        train, test = list(OneClassKFold(N_FOLDS, test_size=390, shuffle=True, random_state=0).split(X, y))[
            cell["fold"]
        ]
        return X[train], X[test], y[test]
    if cell["experiment"] == "codes":
        chosen = np.random.default_rng(0).choice(len(data.X_train), N_CODES, replace=False)
        return data.X_train[chosen], data.X_test, data.y_test
    return data.X_train, data.X_test, data.y_test


def compute(cell, checkpoint):
    X_train, X_test, y_test = load(cell)
    detector, scores, result = _methods.fit_and_score(
        cell["method"],
        X_train,
        X_test,
        kind="images",
        checkpoint=checkpoint,
        **{key: cell[key] for key in ("seed", "epochs", "channels", "device")},
        **cell["params"],
    )
    if cell["experiment"] == "codes":
        arrays = {"codes": detector.transform(X_train)}
        if cell["method"] == "ConOCC":
            arrays["mu"] = detector.center_
        spread = float(arrays["codes"].astype(np.float64).var(axis=0).sum())
        return {**result, "figures": {"spread": spread}, "arrays": arrays}
    arrays = {"scores": scores, "y_test": y_test}
    return {**result, "figures": _methods.figures_of(y_test, scores), "arrays": arrays}


def cell_of(args, experiment, method, *, seed=0, params=None, **more):
    network = _methods.has_network(method)
    return {
        "experiment": experiment,
        "data": "pneumoniamnist" if experiment == "surface" else "chestx",
        "method": method,
        "seed": seed,
        "size": 28 if experiment == "surface" else args.size,
        "epochs": epochs_of(args, experiment) if network else None,
        "channels": args.channels if network else None,
        "device": args.device if network else "cpu",
        "params": params or {},
        **more,
    }


def epochs_of(args, experiment):
    if args.epochs is not None:
        return args.epochs
    return 1000 if args.device == "cuda" and experiment != "surface" else 200


def settings_line(args, experiment):
    size, epochs = 28 if experiment == "surface" else args.size, epochs_of(args, experiment)
    quick = ", AnoGAN's search and D-SVDD's pre-training cut short" if args.quick and experiment.startswith("t") else ""
    return f"{size} x {size} pixels, {epochs} epochs, {args.channels} channels, device {args.device}{quick}"


def cells_of_method(args, experiment, method):
    params = QUICK.get(method) if args.quick else _methods.params_on(args.device, method, epochs_of(args, experiment))
    if experiment == "table2":
        return [cell_of(args, experiment, method, seed=seed, params=params) for seed in range(args.seeds)]
    return [cell_of(args, experiment, method, fold=fold, params=params) for fold in range(N_FOLDS)]


def cells_of_table(args, experiment):
    return [cell for method in args.methods for cell in cells_of_method(args, experiment, method)]


def show_table(args, experiment):
    over = f"{args.seeds} seeds" if experiment == "table2" else f"{N_FOLDS} folds"
    print(f"\n{experiment}, ChestX, {settings_line(args, experiment)}; mean ± standard deviation over {over}, %")
    if not args.quick:
        print(_methods.other_settings(args.methods, args.device, epochs_of(args, experiment)))
    rows = []
    for method in args.methods:
        cells = cells_of_method(args, experiment, method)
        found = {name: _cells.figures(cells, args.output, name) for name in (*_methods.FIGURES, "fit_seconds")}
        ours = [
            _cells.mean_std(values, len(cells), scale=1 if name == "fit_seconds" else 100)
            for name, values in found.items()
        ]
        paper = [f"*{text}*" for text in PAPER[method][experiment == "table3"].split(", ")]
        rows.append([method, *ours[:3], *paper, ours[3]])
    header = ["method", "AUC", "AUPR-maj", "AUPR-min", "*paper: AUC*", "*AUPR-maj*", "*AUPR-min*", "seconds a fit"]
    _cells.print_table(header, rows)


def number(value):
    return "-" if np.isnan(value) else f"{value:.1f}"


def cell_of_surface(args, lr, gamma=None, interval=None):
    if gamma is None:
        return cell_of(args, "surface", "CAE", params={"lr": lr})
    params = {"lr": lr, "gamma": gamma, "update_interval": interval, "schedule": args.schedule}
    return cell_of(args, "surface", "ConOCC", params=params)


def cells_of_surface(args, experiment):
    planes = [cell_of_surface(args, lr) for lr in RATES]
    return planes + [cell_of_surface(args, *point) for point in product(RATES, GAMMAS, INTERVALS)]


def show_surface(args, experiment):
    def auc(*point):
        found = _cells.figures([cell_of_surface(args, *point)], args.output, "auc")
        return 100 * found[0] if found else np.nan

    about = f"PneumoniaMNIST validation images, schedule {args.schedule!r}, {settings_line(args, 'surface')}"
    print(f"\nsurface, AUC (%) of ConOCC on {about}, seed 0")
    if max(INTERVALS) > epochs_of(args, "surface") // 2:
        print(f"T above {epochs_of(args, 'surface') // 2} acts as that, half of the epochs.")
    planes = {lr: auc(lr) for lr in RATES}
    surfaces = {lr: np.array([[auc(lr, gamma, t) for t in INTERVALS] for gamma in GAMMAS]) for lr in RATES}
    rows = []
    for lr in RATES:
        rows.append([f"{lr:g}", "CAE", *[number(planes[lr])] * len(INTERVALS)])
        rows += [[f"{lr:g}", f"{g:g}", *map(number, row)] for g, row in zip(GAMMAS, surfaces[lr], strict=True)]
    _cells.print_table(["learning rate", "gamma", *(f"T = {t}" for t in INTERVALS)], rows)
    if not all(np.isnan(surface).all() for surface in surfaces.values()):
        draw_surface(args, planes, surfaces, about)


def draw_surface(args, planes, surfaces, about):
    from matplotlib.figure import Figure

    known = np.concatenate([*(surface.ravel() for surface in surfaces.values()), list(planes.values())])
    low, high = np.nanmin(known), np.nanmax(known)
    figure = Figure(figsize=(12, 4.8), layout="constrained", dpi=150)
    axes = figure.subplots(1, len(RATES))
    for ax, lr in zip(axes, RATES, strict=True):
        image = ax.imshow(surfaces[lr], cmap="cividis", vmin=low, vmax=max(high, low + 1e-6), aspect="auto")
        for (row, column), value in np.ndenumerate(surfaces[lr]):
            text = f"{number(value)}{' ▲' if value > planes[lr] else ''}"
            colour = "white" if value < (low + high) / 2 else "black"
            ax.text(column, row, text, ha="center", va="center", fontsize=13, color=colour)
        ax.set_title(f"learning rate {lr:g}, CAE {number(planes[lr])}", fontsize=13)
        ax.set_xticks(range(len(INTERVALS)), INTERVALS, fontsize=12)
        ax.set_yticks(range(len(GAMMAS)), [f"{gamma:g}" for gamma in GAMMAS], fontsize=12)
        ax.set_xlabel("T, epochs between two updates of mu", fontsize=12)
    axes[0].set_ylabel("gamma", fontsize=12)
    bar = figure.colorbar(image, ax=axes)
    bar.set_label("AUC (%); lines: CAE", fontsize=12)
    for lr, style in zip(RATES, ("-", "--"), strict=True):
        bar.ax.axhline(planes[lr], color=CAE_LINE, linestyle=style, linewidth=2)
    figure.suptitle(f"ConOCC, AUC (%), ▲ above CAE at the same learning rate\n{about}", fontsize=13)
    _save(figure, args.output / f"surface-{args.schedule}.png")


def cells_of_codes(args, experiment):
    return [cell_of(args, experiment, method, params=params) for method, params in CODES.values()]


def show_codes(args, experiment):
    cells = cells_of_codes(args, experiment)
    spread = [_cells.figures([cell], args.output, "spread") for cell in cells]
    about = f"{N_CODES} normal images of ChestX, {settings_line(args, 'codes')}"
    print(f"\ncodes, {about}: mean squared distance of the training codes from their mean, and relative to CAE's")
    rows = []
    for name, found in zip(CODES, spread, strict=True):
        relative = f"{found[0] / spread[0][0]:.4g}" if found and spread[0] else "-"
        rows.append([name, f"{found[0]:.4g}" if found else "-", relative])
    _cells.print_table(["method", "mean squared distance", "relative to CAE"], rows)
    if all(spread):
        draw_codes(args, cells, about)


def draw_codes(args, cells, about):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5.8), layout="constrained", dpi=120)
    for ax, name, cell in zip(figure.subplots(1, len(CODES)), CODES, cells, strict=True):
        arrays = _cells.read_arrays(cell, args.output)
        display = CodeMapDisplay.from_codes(
            arrays["codes"],
            center=arrays.get("mu"),
            method="tsne",
            random_state=0,
            ax=ax,
            majority_kw={"label": "training image"},
            center_kw={"label": "centre mu"},
            legend_kw={"fontsize": 12},
        )
        display.ax_.set_title(name, fontsize=14, pad=28)
    figure.suptitle(f"t-SNE of the training codes (its axes have no unit)\n{about}", fontsize=13)
    _save(figure, args.output / "codes.png")


def _save(figure, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    print(f"\nDrawn: {path}")


def cells_of_remedy(args, method, params):
    return [cell_of(args, "remedies", method, seed=seed, params=params) for seed in range(args.seeds)]


def cells_of_remedies(args, experiment):
    return [cell for remedy in REMEDIES.values() for cell in cells_of_remedy(args, *remedy)]


def show_remedies(args, experiment):
    print(f"\nremedies, ChestX, {settings_line(args, experiment)}; {args.seeds} seeds, %")
    rows = []
    for name, remedy in REMEDIES.items():
        cells = cells_of_remedy(args, *remedy)
        stored = [_cells.mean_std(_cells.figures(cells, args.output, key), len(cells)) for key in _methods.FIGURES]
        rows.append([name, *stored])
    _cells.print_table(["what was changed", "AUC", "AUPR-maj", "AUPR-min"], rows)


EXPERIMENTS = {
    "table2": (cells_of_table, show_table),
    "table3": (cells_of_table, show_table),
    "surface": (cells_of_surface, show_surface),
    "codes": (cells_of_codes, show_codes),
    "remedies": (cells_of_remedies, show_remedies),
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=[*EXPERIMENTS, "all"])
    parser.add_argument("--size", type=int, help="pixels of a side, ChestX (CUDA: 100, else 32)")
    parser.add_argument("--epochs", type=int, help="(CUDA: 1000, else 200; surface: 200)")
    parser.add_argument("--channels", type=int, help="channels of the first layer (CUDA: 64, else 16)")
    parser.add_argument("--seeds", type=int, help="of table2 (3; --quick: 2)")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=("cpu", "cuda")[torch.cuda.is_available()])
    parser.add_argument("--methods", nargs="+", choices=_methods.PAPER, default=_methods.PAPER, help="of the tables")
    parser.add_argument("--schedule", choices=["joint", "alternating"], default="joint", help="of surface")
    parser.add_argument("--output", type=Path, default=Path("results/conocc_paper"))
    parser.add_argument("--quick", action="store_true", help="16 pixels, 10 epochs, 4 channels unless given")
    parser.add_argument("--table-only", action="store_true", help="compute nothing")
    args = parser.parse_args()
    size, channels = (16, 4) if args.quick else (100, 64) if args.device == "cuda" else (32, 16)
    args.size, args.channels = args.size or size, args.channels or channels
    args.epochs = args.epochs or (10 if args.quick else None)
    args.seeds = args.seeds or (2 if args.quick else 3)
    return args


def main():
    args = parse()
    n_errors = 0
    for experiment in EXPERIMENTS if args.experiment == "all" else (args.experiment,):
        cells_of, show = EXPERIMENTS[experiment]
        cells = cells_of(args, experiment)
        if not args.table_only:
            n_errors += _cells.run(_methods.without_absent(cells), compute, args.output, args.jobs)
        show(args, experiment)
        _cells.missing(cells, args.output)
        print(f"\nComputed with: {_cells.machines(cells, args.output)}", flush=True)
    sys.exit(bool(n_errors))


if __name__ == "__main__":
    main()
