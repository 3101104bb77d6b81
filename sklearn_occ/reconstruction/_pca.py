"""PCAReconstruction: principal components, scored by the error of reconstruction."""

from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.decomposition import PCA
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from .._docstrings import with_shared_docs
from ..base._anomaly_map import anomaly_map as reconstruction_map
from ..base._input import as_array, as_float, float_dtype
from ..base._one_class import BaseOneClass

_BLOCK_VALUES = 2**20  # 8 MB of float64: three arrays of this size at most besides the result
_TRUNCATED = ("arpack", "randomized")  # these have to be told the number of components


@with_shared_docs
class PCAReconstruction(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseOneClass):
    r"""Principal components of the majority; a row is scored by what they leave of it.

    .. math::

        z &= W (x - \bar{x}), \quad x' = \bar{x} + W^T z \\
        \mathrm{score}(x) &= -\frac1m \sum_j (x'_j - x_j)^2

    The score is in squared units of X, at most 0. The k rows of :math:`W` are the orthonormal directions in which the
    majority varies most, :math:`\bar{x}` is its mean, :math:`m` is the number of values of a row (pixels of all
    channels, or features). No autoencoder of linear layers with a code of width k has a smaller squared error on the
    rows trained on. The components are those of scikit-learn's `PCA`. All arithmetic is float64; what is computed from
    new rows is computed in blocks of them, so that besides the result no copy of a memory map is made. Fitting copies
    X.

    Columns are centred, not scaled: a column in larger units counts for more. Images of uint8 are read as
    value / 255; reconstructions are not cut off at 0 and 1.

    Parameters
    ----------
    n_components : int or float in (0, 1), default=0.7
        The k above. A float is a share of the variance: the smallest k that keeps more than it; the default
        was chosen on the validation images of PneumoniaMNIST. 0 keeps the mean alone, so that the score is
        the squared distance from it, divided by m. The n rows trained on differ in at most `min(n - 1, m)`
        directions, and with all of them kept each of these rows would have the error 0: an int has to be
        lower, a float keeps one fewer where it asks for all. Where k is not small beside n, the errors of
        the rows trained on are much too small; let `threshold_data="validation"` set the threshold.
    svd_solver : {"auto", "full", "covariance_eigh", "arpack", "randomized"}, default="auto"
        As in scikit-learn's `PCA`. "auto" is exact for a float, and approximate ("randomized") for an int on
        large data; "full" is always exact. "arpack" and "randomized" need an int of at least 1.
    contamination : float in (0, 0.5] or None, default=0.1
        Share of the calibration rows below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}
        Besides rows to hold out, "arpack" and "randomized" draw.

    Attributes
    ----------
    pca_ : sklearn.decomposition.PCA
        The fitted components: `pca_.components_` (W), `pca_.mean_`, `pca_.explained_variance_ratio_`, on
        flattened rows, float64.
    n_components_ : int
        Width of the code, k.
    {threshold attributes}

    See Also
    --------
    CAE : The same with a network.
    AlignedDetector : Detector that takes it by default.
    sklearn.decomposition.PCA : The components.

    References
    ----------
    Jackson, Mudholkar (1979), Control procedures for residuals associated with principal component
    analysis, Technometrics 21(3), 341-349: the statistic Q, the sum of squares that is divided by m here.
    Their limit for Q assumes normal rows; here the threshold is a quantile of the calibration scores.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_occ import PCAReconstruction
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> scores = PCAReconstruction(n_components=8).fit(digits.X_train).score_samples(digits.X_test)
    >>> print(f"{roc_auc_score(digits.y_test, scores):.3f}")
    1.000
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "n_components": [Interval(Integral, 0, None, closed="left"), Interval(RealNotInt, 0, 1, closed="neither")],
        "svd_solver": [StrOptions({"auto", "full", "covariance_eigh", *_TRUNCATED})],
    }

    def __init__(
        self,
        *,
        n_components=0.7,
        svd_solver="auto",
        contamination=0.1,
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.svd_solver = svd_solver
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state

    @with_shared_docs
    def transform(self, X):
        """Return the codes of the rows, `z = W (x - mean)`.

        {rows as fitted}

        {codes in the precision of X}
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        codes = np.empty((len(rows), self.n_components_), dtype=float_dtype(rows))
        for block in self._blocks(rows):
            codes[block] = self._centred(rows[block]) @ self.pca_.components_.T
        return codes

    @with_shared_docs
    def inverse_transform(self, X):
        """Return rows of codes, `mean + W' z`.

        {codes of transform}

        Returns
        -------
        rows : ndarray of shape (n, ...)
            Tables or images in the layout that was fitted, in the precision of the codes; images fitted as
            uint8 come back in units of [0, 1].
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32], ensure_min_features=0, input_name="codes")
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but codes of this {type(self).__name__} have {self.n_components_}; "
                "pass what transform returned."
            )
        rows = np.empty((len(codes), self.n_features_in_), dtype=codes.dtype)
        for block in self._blocks(codes):
            rows[block] = codes[block] @ self.pca_.components_ + self.pca_.mean_
        return rows.reshape(len(codes), *self._fit_state.row_shape)

    @with_shared_docs
    def reconstruct(self, X):
        """What the components keep of each row, `mean + W' W (x - mean)`, in the layout of X.

        {rows as fitted}

        Returns
        -------
        reconstruction : ndarray of the shape of X
            In the precision of X; float32 in units of [0, 1] for uint8 images.
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        reconstruction = np.empty((len(rows), self.n_features_in_), dtype=float_dtype(rows))
        for block in self._blocks(rows):
            reconstruction[block] = self._reconstructed(rows[block])
        return reconstruction.reshape(as_array(X).shape)

    anomaly_map = reconstruction_map

    def _reconstructed(self, rows):
        return self._projected(self._centred(rows)) + self.pca_.mean_

    def _fit(self, X, X_valid):
        rows = np.array(as_float(X), dtype=np.float64, order="C").reshape(len(X), -1)
        n_components, most = self._components_asked_for(*rows.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            # Some solvers take x'x - n mean'mean; centred before, columns far from 0 lose no digits.
            mean = rows.mean(axis=0)
            rows -= mean
            if not np.isfinite(np.vdot(rows, rows)):
                raise ValueError(
                    f"The variance of X is not finite, expected values below about 1e150; the largest is "
                    f"{np.abs(X).max():g}: scale X."
                )
        pca = PCA(n_components, svd_solver=self.svd_solver, copy=False, random_state=self._fit_state.seed).fit(rows)
        if pca.n_components_ > most:
            pca.set_params(n_components=most).fit(rows)
        pca.mean_ += mean
        self.pca_ = pca
        self.n_components_ = int(pca.n_components_)

    def _components_asked_for(self, n_rows, n_values):
        """`n_components` for PCA, and the largest number that leaves something of the rows trained on."""
        asked, most = self.n_components, min(n_rows - 1, n_values) - 1
        whole = isinstance(asked, Integral)
        if whole and asked > most:
            raise ValueError(
                f"n_components={asked}, but {n_rows} rows with n_features={n_values} differ in at most {most + 1} "
                f"directions, and keeping all of them leaves no error; expected at most {most}, or a share in (0, 1)."
            )
        if self.svd_solver in _TRUNCATED and not (whole and asked):
            raise ValueError(
                f"svd_solver={self.svd_solver!r} needs a whole number of components, at least 1, but n_components="
                f"{asked}; use svd_solver='full' or give a number."
            )
        return asked, most

    def _score_samples(self, X):
        scores = np.empty(len(X))
        with np.errstate(over="ignore", invalid="ignore"):  # the caller names the row
            for block in self._blocks(X):
                centred = self._centred(X[block])
                # Not ||x - mean||^2 - ||z||^2, which loses its digits where little is left.
                error = self._projected(centred)
                error -= centred
                scores[block] = np.einsum("ij,ij->i", error, error) / -self.n_features_in_
        return scores

    def _blocks(self, rows):
        step = max(1, _BLOCK_VALUES // self.n_features_in_)
        return (slice(start, start + step) for start in range(0, len(rows), step))

    def _centred(self, rows):
        """Rows (b, ...) as float64 (b, m), less the mean."""
        return np.subtract(as_float(rows).reshape(len(rows), -1), self.pca_.mean_, order="C")

    def _projected(self, centred):
        return centred @ self.pca_.components_.T @ self.pca_.components_

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
