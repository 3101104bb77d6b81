"""ScoreHistogramDisplay: the scores of both classes, and the threshold."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, validate_params

from ..metrics._labelled_scores import finite_scores
from ._axes import legend_above, one_axes, require_matplotlib, with_defaults
from ._classes import MINORITY, classes_in
from ._fitted import owner_of


class ScoreHistogramDisplay:
    """Histograms of scores, one for each class, as shares of the class, with the threshold as a line.

    `from_estimator` and `from_predictions` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores, higher = more like the majority.
    y_true : array-like of shape (n,), default=None
        1 majority, -1 minority, one of them may be absent; None draws all scores as one histogram.
    threshold : float, default=None
        Scores below it are called minority; None draws no line.

    Attributes
    ----------
    patches_ : dict of str to matplotlib StepPatch
        The outline and hatching of "majority", "minority" or "samples"; `get_data()` has shares and edges.
    threshold_ : matplotlib Line2D or None
        The line of the threshold.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    SampleGalleryDisplay : Images with the highest and the lowest scores.
    TrainingCurveDisplay : Losses of the training.

    Examples
    --------
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import ScoreHistogramDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = PCAReconstruction(random_state=0).fit(digits.X_train)
    >>> display = ScoreHistogramDisplay.from_estimator(occ, digits.X_test, digits.y_test)
    >>> list(display.patches_), display.threshold == occ.offset_
    (['majority', 'minority'], True)
    """

    def __init__(self, *, scores, y_true=None, threshold=None):
        self.scores = scores
        self.y_true = y_true
        self.threshold = threshold

    @classmethod
    @validate_params({"estimator": [HasMethods("score_samples")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **plot_kw):
        """Score `X` and draw; the threshold is the estimator's `offset_`.

        Parameters
        ----------
        estimator : fitted estimator with `score_samples`
            Any outlier detector. In a pipeline or search the last step's, or best, `offset_` counts; one that has
            none is drawn without a threshold.
        X : array-like
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        ax : matplotlib Axes, default=None
            None makes a figure.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        owner = owner_of(estimator, "offset_")
        threshold = None if owner is None else float(np.ravel(owner.offset_)[0])
        return cls.from_predictions(y, estimator.score_samples(X), threshold=threshold, ax=ax, **plot_kw)

    @classmethod
    @validate_params({"threshold": [Real, None]}, prefer_skip_nested_validation=False)
    def from_predictions(cls, y_true, scores, *, threshold=None, ax=None, **plot_kw):
        """Draw scores that are there.

        Parameters
        ----------
        y_true : array-like of shape (n,) or None
            1 majority, -1 minority.
        scores : array-like of shape (n,)
            Finite scores, higher = more like the majority.
        threshold : float, default=None
            See the class.
        ax : matplotlib Axes, default=None
            None makes a figure.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : ScoreHistogramDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        return cls(scores=finite_scores(scores, "scores"), y_true=y_true, threshold=threshold).plot(ax, **plot_kw)

    @validate_params(
        {"bins": [Interval(Integral, 1, None, closed="left")], "tail": [Interval(Real, 0, 0.5, closed="left")]},
        prefer_skip_nested_validation=False,
    )
    def plot(
        self,
        ax=None,
        *,
        bins=30,
        tail=0.005,
        majority_kw=None,
        minority_kw=None,
        threshold_kw=None,
        legend_kw=None,
    ):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        bins : int, default=30
            Bins of equal width, from the `tail` quantile of the scores, or the threshold where that is lower, to the
            highest score, or the threshold where that is higher.
        tail : float in [0, 0.5), default=0.005
            This share of the scores, the lowest, is counted in the first bin, and the axis says so; else a few far rows
            leave one bin for all others.
        majority_kw, minority_kw : dict, default=None
            Passed to `Axes.stairs`; `color` sets edge and face. Without labels `majority_kw` counts.
        threshold_kw : dict, default=None
            Passed to `Axes.axvline`.
        legend_kw : dict, default=None
            Passed to `Axes.legend`.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        from matplotlib.lines import Line2D
        from matplotlib.patches import Patch

        classes = classes_in(self.y_true, len(self.scores))
        self.ax_ = one_axes(ax, size=(6, 4))
        self.figure_ = self.ax_.figure
        edges = self._edges(bins, tail)
        self.patches_ = {}
        for look, rows in classes:
            counts, _ = np.histogram(np.clip(self.scores[rows], edges[0], None), edges)
            given = dict((minority_kw if look is MINORITY else majority_kw) or {})
            colour = given.pop("color", look.colour)
            defaults = {
                "facecolor": (colour, 0.25),
                "edgecolor": colour,
                "linestyle": look.line,
                "linewidth": 1.4,
                "hatch": look.hatch,
                "label": look.name,
            }
            given = with_defaults(defaults, given, Patch)
            shares = 100 * counts / rows.sum()
            # two patches, since in an SVG a hatching is as transparent as the face of its patch
            fill, of_face = given.pop("fill", True), {"facecolor": given.pop("facecolor")}
            of_face |= {name: given[name] for name in ("alpha", "zorder") if name in given}
            if fill:
                self.ax_.stairs(shares, edges, fill=True, **of_face)
            self.patches_[look.name] = self.ax_.stairs(shares, edges, fill=fill, facecolor="none", **given)
        self.threshold_ = None
        if self.threshold is not None:
            defaults = {
                "color": "black",
                "linewidth": 1.4,
                "linestyle": ":",
                "label": f"threshold {self.threshold:.4g}",
            }
            self.threshold_ = self.ax_.axvline(self.threshold, **with_defaults(defaults, threshold_kw, Line2D))
        below = self.scores < edges[0]
        lowest = f"first bin also holds {below.sum()} lower scores, down to {self.scores.min():.3g}"
        self.ax_.set(
            xlabel="score (higher = more like the majority)" + (f"\n{lowest}" if below.any() else ""),
            ylabel="% of the samples" if self.y_true is None else "% of the class",
        )
        self.ax_.locator_params(axis="x", nbins=5)
        legend_above(self.ax_, legend_kw)
        return self

    def _edges(self, bins, tail):
        low, high = np.quantile(self.scores, tail), self.scores.max()
        if self.threshold is not None:
            low, high = min(low, self.threshold), max(high, self.threshold)
        return np.linspace(low, high, bins + 1) if high > low else np.array([low - 0.5, low + 0.5])
