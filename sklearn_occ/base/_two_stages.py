"""BaseTwoStages: an autoencoder, then a detector on its codes. NumPy only."""

from abc import abstractmethod

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from ._inner import hand_verbose, seed_unset, was_interrupted
from ._input import as_array, as_taken_by, image_shape_within
from ._one_class import BaseOneClass


def _has_way_back(self):
    first = getattr(self, "autoencoder_", self.autoencoder)
    return hasattr(self._default_autoencoder if first is None else first, "inverse_transform")


class BaseTwoStages(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseOneClass):
    """Detector whose score is that of a second stage, which sees the codes of the first alone.

    A subclass names its `_default_autoencoder`, and writes `_fit_codes(codes)`, which keeps the fitted second stage,
    and `_score_codes(codes)`.
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "autoencoder": [HasMethods(["fit", "transform"]), None],
        "verbose": ["verbose", StrOptions({"auto"})],
    }

    def __init__(
        self, *, autoencoder, contamination, threshold_data, validation_fraction, image_shape, random_state, verbose
    ):
        self.autoencoder = autoencoder
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.image_shape = image_shape
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _fit_codes(self, codes): ...

    @abstractmethod
    def _score_codes(self, codes): ...

    @with_shared_docs
    def transform(self, X):
        """Return the codes of the rows, as the first stage gives them.

        {rows as fitted}

        Returns
        -------
        codes : ndarray of shape (n, n_components_)
            In the precision that the first stage has.
        """
        check_is_fitted(self)
        return self._codes(self._read_X(X, reset=False))

    @available_if(_has_way_back)
    @with_shared_docs
    def inverse_transform(self, X):
        """Return rows of codes, as the first stage gives them, in the layout that was fitted.

        Available where the first stage has `inverse_transform`.

        {codes of transform}

        Returns
        -------
        rows : ndarray of shape (n, ...)
            Tables or images.
        """
        check_is_fitted(self)
        rows = np.asarray(self.autoencoder_.inverse_transform(X))
        return rows.reshape(len(rows), *self._fit_state.row_shape)

    @available_if(_has_way_back)
    @with_shared_docs
    def reconstruct(self, X):
        """Return what the first stage makes of each row, `D(E(x))`, in the layout of `X`.

        Available where the first stage has `inverse_transform`.

        {rows as fitted}

        Returns
        -------
        reconstruction : ndarray of the shape of X
            In the precision that the first stage has.
        """
        return self.inverse_transform(self.transform(X)).reshape(as_array(X).shape)

    def _image_shape_asked_for(self):
        return self.image_shape or image_shape_within(self.autoencoder)

    def _fit(self, X, X_valid):
        self.autoencoder_ = self._stage(self.autoencoder, self._default_autoencoder)
        self.autoencoder_.fit(as_taken_by(self.autoencoder_, X), None)  # a frozen one wants a y
        if was_interrupted(self.autoencoder_):
            raise KeyboardInterrupt("the first stage was interrupted; the second needs it whole.")
        codes = self._codes(X)
        self.n_components_ = codes.shape[1]
        self._fit_codes(codes)

    def _stage(self, estimator, default):
        stage = hand_verbose(default() if estimator is None else clone(estimator), self.verbose)
        return seed_unset(stage, lambda: self._fit_state.seed)

    def _codes(self, X):
        return np.asarray(self.autoencoder_.transform(as_taken_by(self.autoencoder_, X)))

    def _score_samples(self, X):
        codes = self._codes(X)
        finite = np.isfinite(codes).all(axis=1)
        scores = np.full(len(codes), np.nan)  # which the caller names by row
        if finite.any():
            scores[finite] = self._score_codes(codes[finite])
        return scores

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
