"""COCSVM (C-OCSVM): a one-class support vector machine on the codes of an autoencoder."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._contract import BaseOneClass
from .._docstrings import with_shared_docs
from .._input import as_array, as_taken_by
from .._seeds import seed_unset
from ..reconstruction import CAE
from ._ocsvm import OCSVM


@with_shared_docs
class COCSVM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseOneClass):
    """C-OCSVM: first an autoencoder on the majority, then a one-class SVM on its codes.

    ::

        score(x) = sum_i alpha_i K(E(x), E(x_i))

    The same as `Pipeline([("autoencoder", CAE()), ("svm", OCSVM())])` with one `random_state`, plus labels
    that are kept out of both stages and rows held out of both.

    Parameters
    ----------
    autoencoder : estimator with `transform`, default=None
        First stage; None is `CAE()`. Its `random_state`, if it is None, is set from this estimator's.
        Detectors of this package get images as they are, other estimators (`PCA()`) get them flattened,
        uint8 divided by 255.
    svm : estimator with `score_samples`, default=None
        Second stage; None is `OCSVM()`.
    contamination : "auto", float in (0, 0.5] or None, default="auto"
        "auto": the threshold is that of the second stage, `svm_.offset_`. A float: that share of the
        calibration rows lies below the threshold. None: the lowest of them is the threshold.
    {threshold parameters}

    Attributes
    ----------
    autoencoder_, svm_ : estimators
        The fitted stages.
    n_components_ : int
        Width of the code.
    {threshold attributes}

    Raises
    ------
    KeyboardInterrupt
        When Ctrl-C ends the first stage, since the second would start on a half-trained one.

    References
    ----------
    Gao et al., Constrained deep one-class feature learning for classifying imbalanced medical images,
    section 3.1, where C-OCSVM is a baseline.

    Examples
    --------
    >>> from sklearn_occ import CAE, COCSVM
    >>> from sklearn_occ.datasets import load_one_class_digits
    >>> digits = load_one_class_digits(majority=0)
    >>> occ = COCSVM(autoencoder=CAE(max_epochs=5, channels=8), random_state=0).fit(digits.X_train)
    >>> occ.transform(digits.X_test).shape
    (1708, 16)
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "svm": [HasMethods(["fit", "score_samples"]), None],
        "contamination": [StrOptions({"auto"}), *BaseOneClass._parameter_constraints["contamination"]],
    }

    def __init__(
        self,
        *,
        autoencoder=None,
        svm=None,
        contamination="auto",
        threshold_data="train",
        validation_fraction=None,
        image_shape=None,
        random_state=None,
    ):
        self.autoencoder = autoencoder
        self.svm = svm
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state

    def transform(self, X):
        """Codes of the rows, as the first stage gives them: (n, n_components_)."""
        check_is_fitted(self)
        return self._codes(self._read_X(X, reset=False))

    def inverse_transform(self, X):
        """Rows from codes, as the first stage gives them, in the layout that was fitted."""
        check_is_fitted(self)
        rows = np.asarray(self.autoencoder_.inverse_transform(X))
        return rows.reshape(len(rows), *self._row_shape)

    def reconstruct(self, X):
        """What the first stage makes of each row, `D(E(x))`, in the layout of `X`."""
        return self.inverse_transform(self.transform(X)).reshape(as_array(X).shape)

    def _image_shape_asked_for(self):
        return self.image_shape or getattr(self.autoencoder, "image_shape", None)

    def _fit(self, X, X_valid):
        self.autoencoder_ = self._stage(self.autoencoder, CAE)
        self.autoencoder_.fit(as_taken_by(self.autoencoder_, X))
        net = getattr(self.autoencoder_, "net_", None)
        if net is not None and net.interrupted_:
            raise KeyboardInterrupt("the first stage was interrupted; the second needs it whole.")
        codes = self._codes(X)
        self.n_components_ = codes.shape[1]
        self.svm_ = self._stage(self.svm, OCSVM).fit(codes)

    def _stage(self, estimator, default):
        return seed_unset(default() if estimator is None else clone(estimator), lambda: self._seed)

    def _codes(self, X):
        return np.asarray(self.autoencoder_.transform(as_taken_by(self.autoencoder_, X)))

    def _score_samples(self, X):
        codes = self._codes(X)
        finite = np.isfinite(codes).all(axis=1)
        scores = np.full(len(codes), np.nan)  # which the caller names by row
        if finite.any():
            scores[finite] = self.svm_.score_samples(codes[finite])
        return scores

    def _own_offset(self):
        if not hasattr(self.svm_, "offset_"):
            raise ValueError(
                f"contamination='auto' takes the threshold of the second stage, but {type(self.svm_).__name__} has no "
                "offset_; set contamination, for example to 0.1."
            )
        return float(np.ravel(self.svm_.offset_)[0])

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
