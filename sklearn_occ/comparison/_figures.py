"""Pictures of the report: plots as inline SVG that follow the page's colours, samples as PNG."""

import base64
import io
from html import escape

from sklearn.metrics import roc_curve

from ..plotting import ScoreHistogramDisplay
from ._methods import METHODS

_THUMBNAIL = 128  # pixels; larger samples are reduced
_LINES = ("-", "--", "-.", ":", (0, (7, 1.5, 1.5, 1.5, 1.5, 1.5)))

# Colours that stand for the variables of the page's style sheet until the SVG is written: matplotlib knows no
# variables, and a page has two colour schemes.
_INK, _MAJORITY, _MINORITY = "#010101", "#010102", "#010103"
_COLOURS = [f"#0102{number:02d}" for number in range(5)]
_LOOK = {  # up to 25 methods, five colours and five lines: no two share both
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
    """Histograms of the scores of both classes, as shares of each class; returns SVG."""
    figure, axes = _new_figure(3.8, 3.0)
    ScoreHistogramDisplay(scores=fit.scores, y_true=y_test).plot(
        axes,
        majority_kw={"edgecolor": _MAJORITY, "facecolor": (_MAJORITY, 0.25)},
        minority_kw={"edgecolor": _MINORITY, "facecolor": (_MINORITY, 0.25)},
        legend_kw={"labelcolor": _INK},
    )
    return _svg(figure, f"Histogram of the scores of both classes, {fit.label}")


def png(picture):
    """PNG of the bytes of one sample as a data address, reduced to a thumbnail where it is large."""
    from PIL import Image  # matplotlib brings it

    drawn = Image.fromarray(picture)
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
