"""Pictures of the report: plots as inline SVG that follow the page's colours, samples as PNG."""

import base64
import io
from html import escape

import numpy as np
from sklearn.metrics import roc_curve

from ._methods import METHODS

_THUMBNAIL = 128  # pixels; larger samples are reduced
_LINES = ("-", "--", "-.", ":", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)))

# Colours that stand for the variables of the page's style sheet until the SVG is written: matplotlib knows no
# variables, and a page has two colour schemes.
_INK, _MAJORITY, _MINORITY = "#010101", "#010102", "#010103"
_COLOURS = [f"#0102{number:02d}" for number in range(5)]
_LOOK = {  # nine methods, five colours and five lines: no two methods share both
    name: (_COLOURS[number % 5], _LINES[(number + number // 5) % 5]) for number, name in enumerate(METHODS)
}
_VARIABLES = {
    _INK: "var(--ink)",
    _MAJORITY: "var(--majority)",
    _MINORITY: "var(--minority)",
    **{colour: f"var(--method-{number})" for number, colour in enumerate(_COLOURS)},
}


def roc_plot(fits, y_test):
    """ROC curves of several fits, one line style and colour for each method.

    Parameters
    ----------
    fits : list of Fit
        At most one of each method.
    y_test : ndarray of shape (n_test,)
        1 majority, -1 minority.

    Returns
    -------
    svg : str
    """
    figure, axes = _new_figure(5.4, 5.0)
    for fit in fits:
        name = fit.settings["method"]
        false_positive, true_positive, _ = roc_curve(y_test == 1, fit.scores)
        axes.plot(
            false_positive,
            true_positive,
            color=_LOOK[name][0],
            linestyle=_LOOK[name][1],
            linewidth=1.8,
            label=f"{name}, AUC {fit.figures(y_test)['auc']:.3f}",
        )
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=(0, (1, 2)), label="chance")
    axes.set(
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
        xlabel="minority taken for majority (false positive rate)",
        ylabel="majority recognised (true positive rate)",
    )
    axes.legend(loc="lower right", frameon=False, labelcolor=_INK, fontsize=9, handlelength=3.5)
    return _svg(figure, "ROC curves: " + ", ".join(fit.label for fit in fits))


def histogram_plot(fit, y_test):
    """Histograms of the scores of both classes, as shares of each class; returns SVG.

    The lowest half percent of the scores goes into the first bin, or a few far rows would leave one bin for
    all others.
    """
    figure, axes = _new_figure(3.8, 3.0)
    low, high = np.quantile(fit.scores, [0.005, 1])
    bins = np.linspace(low, high, 31) if high > low else np.array([low - 0.5, low + 0.5])
    looks = (
        (1, "majority", _MAJORITY, "-", None),
        (-1, "minority", _MINORITY, "--", "////"),
    )
    for label, name, colour, line, hatch in looks:
        scores = np.clip(fit.scores[y_test == label], bins[0], bins[-1])
        weights = np.full(len(scores), 100 / len(scores))
        common = {"bins": bins, "weights": weights, "histtype": "stepfilled"}
        axes.hist(scores, **common, facecolor=colour, alpha=0.25, linewidth=0)
        axes.hist(
            scores,
            **common,
            facecolor="none",
            edgecolor=colour,
            linestyle=line,
            linewidth=1.4,
            hatch=hatch,
            label=name,
        )
    axes.set(xlabel="score (higher = more like the majority)", ylabel="% of the class")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(frameon=False, labelcolor=_INK, fontsize=9, loc="best")
    return _svg(figure, f"Histogram of the scores of both classes, {fit.label}")


def value_range(X):
    """Return the values shown as black and as white: 0 and 1 (255) where they fit, else those of `X`."""
    if X.dtype == np.uint8:
        return 0, 255
    low, high = float(X.min()), float(X.max())
    return (0, 1) if low >= 0 and high <= 1 else (low, high)


def picture(image, low, high):
    """PNG of one sample as a data address.

    Parameters
    ----------
    image : ndarray of shape (H, W) or (C, H, W)
        Three channels are red, green and blue; of any other number the first is shown.
    low, high : float
        Values shown as black and as white.

    Returns
    -------
    address : str
    """
    from PIL import Image  # matplotlib brings it

    if image.ndim == 3:
        image = np.moveaxis(image, 0, -1) if len(image) == 3 else image[0]
    grey = 255 * (image.astype(np.float64) - low) / max(high - low, np.finfo(float).tiny)
    drawn = Image.fromarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8))
    drawn.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _new_figure(width, height):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_INK)
    axes.tick_params(colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    return figure, axes


def _svg(figure, description):
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]  # without the XML declaration and its address
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
