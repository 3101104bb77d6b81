"""BaseCodes: detectors with a code for each row, the way to it and back."""

from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted

from ..._docstrings import with_shared_docs
from ...base._input import float_dtype
from ._rows import BaseRowMaker, has_way_back


class BaseCodes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseRowMaker):
    """Detector with codes of `n_components_` numbers, and a network that makes rows of them.

    A subclass sets `n_components_` in `_make_module()`. It names its `_encoder` and `_decoder`, modules from rows to
    codes and back, unless these are `encoder` and `decoder` of its module; it writes `_codes(rows)`, float64 codes of
    rows that were validated, if they come in another way.
    """

    _parameter_constraints: dict = {
        **BaseRowMaker._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, *, n_components, **rows_and_engine):
        super().__init__(**rows_and_engine)
        self.n_components = n_components

    @with_shared_docs
    def transform(self, X):
        """Return the codes of the rows, `z = E(x)`; the mean where the encoder gives a distribution.

        {rows as fitted}

        {codes in the precision of X}
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        return self._codes(X).astype(float_dtype(X), copy=False)

    @available_if(has_way_back)
    @with_shared_docs
    def inverse_transform(self, X):
        """Return rows of codes, `D(z)`.

        {codes of transform}

        Returns
        -------
        rows : ndarray of shape (n, ...)
            Tables or images in the layout that was fitted, in the precision of the codes; images fitted as
            uint8 come back in [0, 1].
        """
        check_is_fitted(self)
        codes = check_array(X, dtype=[np.float64, np.float32], input_name="codes")
        if codes.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {codes.shape[1]} columns, but codes of this {type(self).__name__} have {self.n_components_}; "
                "pass what transform returned."
            )
        rows = self._evaluate(codes, lambda outputs, z: outputs, module=self._decoder)
        return rows.reshape(len(codes), *self._fit_state.row_shape).astype(codes.dtype, copy=False)

    @property
    def _encoder(self):
        return self.net_.module_.encoder

    @property
    def _decoder(self):
        return self.net_.module_.decoder

    def _codes(self, rows):
        return self._evaluate(rows, lambda code, x: code, module=self._encoder)

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
