"""DistanceRingsDisplay: how far from the centre the rows lie."""

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, validate_params
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ._axes import legend_above, one_axes, require_matplotlib, with_defaults
from ._classes import classes_in
from ._fitted import center_of_codes, owner_of, rows_seen_by
from ._points import draw_center, draw_points

_DRAWN = 0.99  # share of the rows within the default limit


class DistanceRingsDisplay:
    """Rows as points around a centre: the distance is that of the row, the angle is random and means nothing.

    ::

        ConOCC      ||z - mu||     of the codes
        DeepSVDD    ||z - c||      of the codes; with a circle of radius `radius_`
        TEND        sqrt(D)        of what the head gives; with a circle of radius sqrt(margin)

    Pass `predict(X)` as `y` to see what is called minority, the known classes to see what is.

    `from_estimator` and `from_distances` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    distances : ndarray of shape (n,)
        At least 0.
    angles : ndarray of shape (n,)
        In radians.
    y : array-like of shape (n,), default=None
        1 majority, -1 minority; None draws all rows alike.
    radius : float, default=None
        Of the circle; None draws none.

    Attributes
    ----------
    points_ : dict of str to matplotlib PathCollection
        The points of "majority", "minority" or "samples".
    radius_ : matplotlib Line2D or None
        The circle.
    center_ : matplotlib PathCollection
        The centre.
    limit_ : float
        The largest distance that is drawn.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    CodeMapDisplay : The codes in the plane.
    ScoreHistogramDisplay : Histograms of the scores.

    References
    ----------
    Guo, Medical image analysis with deep learning under limited supervision (doctoral thesis), figure 4.3, where the
    distances are squared.

    Examples
    --------
    >>> from sklearn_occ import DeepSVDD
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import DistanceRingsDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = DeepSVDD(pretrain_epochs=5, max_epochs=5, channels=4, random_state=0).fit(digits.X_train)
    >>> display = DistanceRingsDisplay.from_estimator(occ, digits.X_test, digits.y_test)
    >>> display.distances.shape, display.radius == occ.radius_
    ((1708,), True)
    """

    def __init__(self, *, distances, angles, y=None, radius=None):
        self.distances = distances
        self.angles = angles
        self.y = y
        self.radius = radius

    @classmethod
    @validate_params({"estimator": [HasMethods("fit")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, random_state=0, ax=None, **plot_kw):
        """Compute the distances of `X` and draw them.

        Parameters
        ----------
        estimator : fitted estimator
            `ConOCC`, `DeepSVDD` or `TEND`, or a pipeline or search that ends in one, or `COCSVM` whose first stage is.
        X : array-like
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        random_state : int, RandomState or None, default=0
            As in `from_distances`.
        ax : matplotlib Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : DistanceRingsDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        distances, radius = _distances(estimator, X)
        return cls.from_distances(distances, y, radius=radius, random_state=random_state, ax=ax, **plot_kw)

    @classmethod
    @validate_params(
        {"radius": [Interval(Real, 0, None, closed="left"), None], "random_state": ["random_state"]},
        prefer_skip_nested_validation=False,
    )
    def from_distances(cls, distances, y=None, *, radius=None, random_state=0, ax=None, **plot_kw):
        """Draw distances that are there.

        Parameters
        ----------
        distances : array-like of shape (n,)
            At least one; finite, at least 0.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        radius : float, default=None
            Of the circle; None draws none.
        random_state : int, RandomState or None, default=0
            Of the angles.
        ax : matplotlib Axes, default=None
            None makes a figure.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : DistanceRingsDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        distances = column_or_1d(distances).astype(np.float64)
        if not len(distances):
            raise ValueError("distances is empty, and there is nothing to draw: give at least one distance.")
        bad = ~(np.isfinite(distances) & (distances >= 0))
        if bad.any():
            raise ValueError(
                f"distances must be finite and at least 0, got {distances[bad][0]} at row {np.argmax(bad)}: a score is "
                "no distance; turn its sign and take the root where it is a squared one."
            )
        angles = check_random_state(random_state).uniform(0, 2 * np.pi, len(distances))
        return cls(distances=distances, angles=angles, y=y, radius=radius).plot(ax, **plot_kw)

    @validate_params({"limit": [Interval(Real, 0, None, closed="neither"), None]}, prefer_skip_nested_validation=False)
    def plot(
        self,
        ax=None,
        *,
        limit=None,
        majority_kw=None,
        minority_kw=None,
        radius_kw=None,
        center_kw=None,
        legend_kw=None,
    ):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        limit : float, default=None
            Rows beyond this distance are left out, and counted below the axis. None: a little more than the 99 %
            quantile of the distances, or than the radius where that is larger. Give compared pictures the same.
        majority_kw, minority_kw : dict, default=None
            Passed to `Axes.scatter`. Without labels `majority_kw` counts.
        radius_kw : dict, default=None
            Passed to `Axes.plot`.
        center_kw : dict, default=None
            Passed to `Axes.scatter`.
        legend_kw : dict, default=None
            Passed to `Axes.legend`.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        from matplotlib.lines import Line2D
        from matplotlib.patches import Circle
        from matplotlib.ticker import MaxNLocator

        classes = classes_in(self.y, len(self.distances), "y")
        self.ax_ = one_axes(ax, size=(6, 6))
        self.figure_ = self.ax_.figure
        self.limit_ = self._default_limit() if limit is None else float(limit)
        within = self.distances <= self.limit_
        ticks = MaxNLocator(4).tick_values(0, self.limit_)
        ticks = ticks[(ticks > 0) & (ticks <= self.limit_)]
        for tick in ticks:
            self.ax_.add_artist(Circle((0, 0), tick, fill=False, edgecolor="0.85", linewidth=0.8, zorder=0.5))
        points = self.distances[:, None] * np.stack([np.cos(self.angles), np.sin(self.angles)], 1)
        points[~within] = np.nan  # is not drawn
        self.points_ = draw_points(self.ax_, points, classes, majority_kw, minority_kw)
        self.radius_ = None
        if self.radius is not None:
            defaults = {
                "color": "black",
                "linewidth": 1.6,
                "linestyle": "--",
                "zorder": 2.5,
                "label": f"radius {self.radius:.3g}",
            }
            turn = np.linspace(0, 2 * np.pi, 361)
            given = with_defaults(defaults, radius_kw, Line2D)
            (self.radius_,) = self.ax_.plot(self.radius * np.cos(turn), self.radius * np.sin(turn), **given)
        self.center_ = draw_center(self.ax_, (0, 0), {"s": 120, "label": None} | (center_kw or {}))
        n_beyond = np.count_nonzero(~within)
        beyond = f"\n{n_beyond} of {len(within)} rows lie beyond" if n_beyond else ""
        self.ax_.set(
            xticks=[*-ticks[::-1], 0, *ticks],
            yticks=[],
            xlabel=f"distance from the centre; the angle is random{beyond}",
        )
        self.ax_.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
        self.ax_.dataLim.update_from_data_xy([[-self.limit_] * 2, [self.limit_] * 2], ignore=True)
        self.ax_.margins(0)
        self.ax_.set_aspect("equal", "datalim")
        legend_above(self.ax_, legend_kw)
        return self

    def _default_limit(self):
        return 1.05 * max(np.quantile(self.distances, _DRAWN), self.radius or 0) or 1.0


def _distances(estimator, X):
    """Distances of the rows from the centre, and the radius of the circle that belongs to them, or None."""
    margin_learner = owner_of(estimator, "margin")
    if margin_learner is not None:
        parts = margin_learner.score_parts(rows_seen_by(margin_learner, estimator, X))
        return np.sqrt(-parts["distance"] * margin_learner.margin), margin_learner.margin**0.5
    center = center_of_codes(estimator)
    if center is None:
        check_is_fitted(estimator)
        raise ValueError(
            f"{type(estimator).__name__} has no centre to measure from, as ConOCC, DeepSVDD and TEND have: pass "
            "distances of another kind to from_distances."
        )
    codes = estimator.transform(X).astype(np.float64)
    sphere = owner_of(estimator, "radius_")
    return np.linalg.norm(codes - center, axis=1), None if sphere is None else sphere.radius_
