"""CodeMapDisplay: codes in two dimensions."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.utils import check_array
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params

from ._axes import legend_above, one_axes, require_matplotlib
from ._classes import classes_in
from ._fitted import center_of_codes
from ._points import draw_center, draw_points


class CodeMapDisplay:
    """Codes of the rows as points in the plane, with the centre that a method pulls them to.

    ::

        "pca"    the first two principal components of the codes; the centre is projected by the same PCA, in which it
                 has no part
        "tsne"   t-SNE, which keeps neighbours, not distances; the centre is embedded together with the codes, as one
                 more row, and lies where its neighbours are

    `from_estimator` and `from_codes` make one and draw it; the parameters are kept as attributes.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Where the codes lie.
    y : array-like of shape (n,), default=None
        1 majority, -1 minority; None draws all rows alike.
    center : ndarray of shape (2,), default=None
        Where the centre lies; None draws none.
    shares : ndarray of shape (2,), default=None
        Shares of the codes' variance along the axes, of PCA. None stands for axes without a unit, of t-SNE, which are
        drawn without numbers.

    Attributes
    ----------
    points_ : dict of str to matplotlib PathCollection
        The points of "majority", "minority" or "samples".
    center_ : matplotlib PathCollection or None
        The centre.
    ax_, figure_ : matplotlib Axes and Figure
        Where it was drawn.

    See Also
    --------
    DistanceRingsDisplay : Distances from the centre in all dimensions.
    ScoreHistogramDisplay : Histograms of the scores.

    References
    ----------
    Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images, figure 6 (t-SNE).

    Examples
    --------
    >>> from sklearn_occ import ConOCC
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> from sklearn_occ.plotting import CodeMapDisplay
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = ConOCC(max_epochs=5, channels=4, random_state=0).fit(digits.X_train)
    >>> display = CodeMapDisplay.from_estimator(occ, digits.X_test, digits.y_test)
    >>> display.points.shape, display.center.shape
    ((1708, 2), (2,))
    """

    def __init__(self, *, points, y=None, center=None, shares=None):
        self.points = points
        self.y = y
        self.center = center
        self.shares = shares

    @classmethod
    @validate_params({"estimator": [HasMethods("transform")]}, prefer_skip_nested_validation=False)
    def from_estimator(cls, estimator, X, y=None, *, method="pca", random_state=None, ax=None, **plot_kw):
        """Compute the codes of `X` and draw them.

        Parameters
        ----------
        estimator : fitted estimator with `transform`
            The centre is its `center_` (`ConOCC`, `DeepSVDD`), in a pipeline or search that of the last step
            or best estimator, in `COCSVM` that of the first stage; others have none.
        X : array-like
            What the estimator takes.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        method : {"pca", "tsne"}, default="pca"
            As in `from_codes`.
        random_state : int, RandomState or None, default=None
            As in `from_codes`.
        ax : matplotlib Axes, default=None
            As in `plot`.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : CodeMapDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        return cls.from_codes(
            estimator.transform(X),
            y,
            center=center_of_codes(estimator),
            method=method,
            random_state=random_state,
            ax=ax,
            **plot_kw,
        )

    @classmethod
    @validate_params(
        {"method": [StrOptions({"pca", "tsne"})], "random_state": ["random_state"]}, prefer_skip_nested_validation=False
    )
    def from_codes(cls, codes, y=None, *, center=None, method="pca", random_state=None, ax=None, **plot_kw):
        """Draw codes that are there.

        Parameters
        ----------
        codes : array-like of shape (n, n_components)
            At least 3 rows of at least 2 numbers.
        y : array-like of shape (n,), default=None
            1 majority, -1 minority.
        center : array-like of shape (n_components,), default=None
            Drawn among the codes.
        method : {"pca", "tsne"}, default="pca"
            See the class. t-SNE has scikit-learn's defaults, with a perplexity of at most a third of the rows.
        random_state : int, RandomState or None, default=None
            Of t-SNE; PCA draws nothing.
        ax : matplotlib Axes, default=None
            None makes a figure.
        **plot_kw : dict
            As in `plot`.

        Returns
        -------
        display : CodeMapDisplay
            With what was drawn in its attributes.
        """
        require_matplotlib(cls)
        codes = check_array(codes, dtype=np.float64, input_name="codes")
        if len(codes) < 3 or codes.shape[1] < 2:
            raise ValueError(
                f"codes has shape {codes.shape}, but a map needs at least 3 rows of 2 numbers; pass more rows, or "
                "codes of more components."
            )
        if center is not None:
            center = np.asarray(center, dtype=np.float64)
            if center.shape != codes.shape[1:]:
                raise ValueError(
                    f"center has shape {center.shape}, but codes have {codes.shape[1]} components; pass one number for "
                    "each."
                )
        points, center, shares = _by_pca(codes, center) if method == "pca" else _by_tsne(codes, center, random_state)
        return cls(points=points, y=y, center=center, shares=shares).plot(ax, **plot_kw)

    def plot(self, ax=None, *, majority_kw=None, minority_kw=None, center_kw=None, legend_kw=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        majority_kw, minority_kw, center_kw : dict, default=None
            Passed to `Axes.scatter`. Without labels `majority_kw` counts.
        legend_kw : dict, default=None
            Passed to `Axes.legend`.

        Returns
        -------
        self
            With what was drawn in its attributes.
        """
        require_matplotlib(type(self))
        classes = classes_in(self.y, len(self.points), "y")
        self.ax_ = one_axes(ax, size=(6, 5.4))
        self.figure_ = self.ax_.figure
        self.points_ = draw_points(self.ax_, self.points, classes, majority_kw, minority_kw)
        self.center_ = None if self.center is None else draw_center(self.ax_, self.center, center_kw)
        if self.shares is None:
            self.ax_.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
        else:
            names = [f"component {k} ({100 * share:.0f} % of the variance)" for k, share in enumerate(self.shares, 1)]
            self.ax_.set(xlabel=names[0], ylabel=names[1])
        self.ax_.set_aspect("equal", "datalim")
        legend_above(self.ax_, legend_kw)
        return self


def _by_pca(codes, center):
    with np.errstate(invalid="ignore"):  # collapsed codes have no variance to share
        pca = PCA(2, svd_solver="full").fit(codes)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return pca.transform(codes), None if center is None else pca.transform(center[None])[0], shares


def _by_tsne(codes, center, random_state):
    if not np.ptp(codes, axis=0).any():
        raise ValueError(
            f"All {len(codes)} codes are identical, so that t-SNE has no neighbours to keep; look at the "
            "warnings of the fit."
        )
    rows = codes if center is None else np.concatenate([codes, center[None]])
    points = TSNE(perplexity=min(30, (len(rows) - 1) / 3), random_state=random_state).fit_transform(rows)
    return points[: len(codes)], None if center is None else points[-1], None
