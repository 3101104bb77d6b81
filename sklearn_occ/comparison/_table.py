"""The table of a comparison, as text and as results.csv."""

import csv
import os

import numpy as np

HEADER = ("method", "AUC", "AUPR-maj", "AUPR-min", "fit s", "samples/s", "seeds")
_CSV_COLUMNS = (
    *("method", "seed", "auc", "aupr_majority", "aupr_minority"),
    *("fit_seconds", "score_seconds", "samples_per_second"),
    *("epochs", "channels", "device", "data", "image_size", "n_features", "n_train", "n_test"),
    *("sklearn_occ", "torch", "failure"),
)


def table_rows(comparison):
    """Return one tuple of text for each method, with the columns of `HEADER`.

    Metrics are mean ± standard deviation (n - 1) over the seeds, times means.
    """
    return [(method, *_cells(comparison, method)) for method in comparison.methods]


def _cells(comparison, method):
    figures = [fit.figures(comparison.data.y_test) for fit in comparison.fits_of(method)]
    n_failed = sum(fit.settings["method"] == method for fit in comparison.failures)
    count = f"{len(figures)} ({n_failed} failed)" if n_failed else str(len(figures))
    if not figures:
        return ("failed" if n_failed else "not run", "-", "-", "-", "-", count)
    columns = {key: np.array([row[key] for row in figures]) for key in figures[0]}
    return (
        *(_mean_and_spread(columns[key]) for key in ("auc", "aupr_majority", "aupr_minority")),
        f"{columns['fit_seconds'].mean():.2f}",
        f"{columns['samples_per_second'].mean():.0f}",
        count,
    )


def _mean_and_spread(values):
    spread = f" ± {values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{spread}"


def sentences(comparison):
    """Return what happened in single fits: failures, then warnings."""
    return [f"{fit.label} failed: {fit.failure}" for fit in comparison.failures] + [
        f"{fit.label}: {note}" for fit in comparison.fits for note in fit.notes
    ]


def headline(comparison):
    """Return the data set and its numbers of samples, one sentence."""
    data = comparison.data
    n_majority = int((data.y_test == 1).sum())
    return (
        f"{data.name}: {len(data.X_train)} majority samples to train on, {len(data.X_test)} to test on "
        f"({n_majority} majority, {len(data.X_test) - n_majority} minority)."
    )


def text_table(comparison):
    """Write a comparison as text: what was compared, the aligned table, failures and warnings.

    Parameters
    ----------
    comparison : Comparison
        As `compare` returns it.

    Returns
    -------
    text : str
        Several lines.

    See Also
    --------
    compare : Fit methods and compare them.
    """
    rows = [HEADER, *table_rows(comparison)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([headline(comparison), "", *lines, "", *sentences(comparison)])


def write_csv(path, comparison):
    """Write one row for each fit: its figures, its settings, and the failure where there is one."""
    rows = [fit.settings | fit.figures(comparison.data.y_test) | {"failure": fit.failure} for fit in comparison.fits]
    unfinished = path.with_suffix(".csv.tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _CSV_COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(unfinished, path)
