"""SampleGalleryDisplay: samples in the order of their scores."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions, validate_params

from ..metrics._labelled_scores import finite_scores
from ._axes import axes_grid, require_matplotlib, with_defaults
from ._classes import classes_in
from ._images import as_picture, read_images, show, value_range

_ORDERS = {"most_normal": ("most normal",), "most_anomalous": ("most anomalous",)}
_ORDERS["both"] = (*_ORDERS["most_normal"], *_ORDERS["most_anomalous"])


def ranked_rows(scores, *, n_samples, order="both"):
    """Rows with the highest and the lowest scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Higher = more like the majority.
    n_samples : int
        At most so many of either.
    order : {"most_normal", "most_anomalous", "both"}, default="both"
        Which of them.

    Returns
    -------
    rows : dict of str to ndarray of int
        "most normal": highest score first, "most anomalous": lowest first. Of equal scores the earlier row counts as
        the higher.
    """
    ranked = np.argsort(-scores, kind="stable")
    found = {"most normal": ranked[:n_samples], "most anomalous": ranked[::-1][:n_samples]}
    return {name: found[name] for name in _ORDERS[order]}


class SampleGalleryDisplay:
    """A grid of images with their scores, framed by class.

    `from_estimator` and `from_predictions` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    images : list of ndarray, or ndarray of shape (n, H, W) or (n, C, H, W)
        All images; black and white are 0 and 1 where these hold all values (uint8 is read as value / 255), else the
        extremes of all images. Three channels are red, green and blue; of any other number the first is shown.
        Values are finite.
    scores : ndarray of shape (n,)
        Higher = more like the majority.
    rows : dict of str to ndarray of int
        Which images are shown, in blocks with a title, each on new lines of the grid.
    y_true : array-like of shape (n,), default=None
        1 majority, -1 minority; None draws no frames.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
        The grid, lines by columns; what is left over is switched off.
    images_ : list of matplotlib AxesImage
        The pictures, in the order of `rows`.
    figure_ : matplotlib Figure
        Where it was drawn.

    See Also
    --------
    ScoreHistogramDisplay : Histograms of the scores.
    ReconstructionDisplay : Images and what is made of them.

    Examples
    --------
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import SampleGalleryDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = PCAReconstruction(random_state=0).fit(digits.X_train)
    >>> display = SampleGalleryDisplay.from_estimator(occ, digits.X_test, digits.y_test, n_samples=6, order="both")
    >>> {title: len(rows) for title, rows in display.rows.items()}
    {'most normal': 6, 'most anomalous': 6}
    """

    def __init__(self, *, images, scores, rows, y_true=None):
        self.images = images
        self.scores = scores
        self.rows = rows
        self.y_true = y_true

    @classmethod
    @validate_params({"estimator": [HasMethods("score_samples")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, n_samples=8, order="most_anomalous", ax=None, **plot_kw):
        """Score `X` and draw.

        Parameters
        ----------
        estimator : fitted estimator with `score_samples`
            One that takes images; with another, pass its scores to `from_predictions`.
        X : array-like of shape (n, H, W) or (n, C, H, W), or list of images
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        n_samples : int, default=8
            As in `from_predictions`.
        order : {"most_anomalous", "most_normal", "both"}, default="most_anomalous"
            As in `from_predictions`.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : SampleGalleryDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        read_images(X)
        return cls.from_predictions(
            X, estimator.score_samples(X), y, n_samples=n_samples, order=order, ax=ax, **plot_kw
        )

    @classmethod
    @validate_params(
        {"n_samples": [Interval(Integral, 1, None, closed="left")], "order": [StrOptions(set(_ORDERS))]},
        prefer_skip_nested_validation=False,
    )
    def from_predictions(cls, X, scores, y_true=None, *, n_samples=8, order="most_anomalous", ax=None, **plot_kw):
        """Draw samples whose scores are there.

        Parameters
        ----------
        X : array-like of shape (n, H, W) or (n, C, H, W), or list of images
            The images, whatever the scores were computed from; those of a list may differ in size.
        scores : array-like of shape (n,)
            Finite scores, higher = more like the majority.
        y_true : array-like of shape (n,), default=None
            1 majority, -1 minority.
        n_samples : int, default=8
            At most so many are shown, of "both" so many of either.
        order : {"most_anomalous", "most_normal", "both"}, default="most_anomalous"
            Lowest scores first, highest first, or first the highest and then the lowest.
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : SampleGalleryDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        images, scores = read_images(X), finite_scores(scores, "scores")
        if len(images) != len(scores):
            raise ValueError(f"There are {len(scores)} scores, but {len(images)} images: give one score for each.")
        rows = ranked_rows(scores, n_samples=n_samples, order=order)
        return cls(images=images, scores=scores, rows=rows, y_true=y_true).plot(ax, **plot_kw)

    def pictures(self):
        """What is drawn, without matplotlib.

        Returns
        -------
        pictures : dict of str to dict of int to ndarray of shape (H, W) or (H, W, 3), uint8
            As `rows`: the picture of each row.
        """
        low, high = value_range(self.images)
        return {
            title: {int(row): as_picture(self.images[row], low, high) for row in rows}
            for title, rows in self.rows.items()
        }

    @validate_params(
        {"n_columns": [Interval(Integral, 1, None, closed="left")]},
        prefer_skip_nested_validation=False,
    )
    def plot(self, ax=None, *, n_columns=8, image_kw=None, text_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, SubplotSpec, GridSpec or array-like of Axes, default=None
            An Axes or cell of a grid is divided, an array has one for each place of the grid. None makes a figure.
        n_columns : int, default=8
            At most so many images side by side.
        image_kw : dict, default=None
            Passed to `Axes.imshow`.
        text_kw : dict, default=None
            Properties of the text below an image: score and class.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        look_of = {}
        if self.y_true is not None:
            classes = classes_in(self.y_true, len(self.images))
            look_of = {row: look for look, rows in classes for row in np.flatnonzero(rows)}
        n_columns = min(n_columns, max(map(len, self.rows.values())))
        n_lines = {title: -(-len(rows) // n_columns) for title, rows in self.rows.items()}
        size = (1.15 * n_columns + 0.4, (1.65 if look_of else 1.5) * sum(n_lines.values()))
        self.axes_ = axes_grid(ax, sum(n_lines.values()), n_columns, size=size)
        self.figure_ = self.axes_[0, 0].figure
        for panel in self.axes_.flat:
            panel.set_axis_off()
        self.images_, first = [], 0
        for title, pictures in self.pictures().items():
            block = self.axes_[first : first + n_lines[title]]
            block[0, 0].set_ylabel(title, fontsize=9)
            first += n_lines[title]
            for panel, (row, picture) in zip(block.flat, pictures.items(), strict=False):
                panel.set_axis_on()
                self.images_.append(show(panel, picture, **image_kw or {}))
                self._caption(panel, row, look_of.get(row), text_kw)
        return self

    def _caption(self, panel, row, look, text_kw):
        from matplotlib.text import Text

        text = f"{self.scores[row]:.4g}"
        panel.spines[:].set_visible(look is not None)
        if look is not None:
            text = f"{text}\n{look.name}"
            panel.spines[:].set(color=look.colour, linestyle=look.line, linewidth=2)
        panel.set_xlabel(text, **with_defaults({"fontsize": 9, "labelpad": 4}, text_kw, Text))
