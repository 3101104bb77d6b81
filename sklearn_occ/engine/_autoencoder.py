"""BaseAutoencoder, BaseReconstruction: parameters, network and codes of the detectors with an encoder and a decoder."""

from numbers import Integral

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted
from torch import nn

from .._input import as_array
from ..nn import Autoencoder, build_decoder, build_encoder, default_code_width
from ._deep import BaseDeepOneClass


class BaseAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseDeepOneClass):
    """Detector with an encoder, whose codes `transform` gives, and a decoder to train it with.

    A subclass writes `_make_criterion()`; `_default_code_width(shape)` and `_bias` where its default network
    differs from the autoencoder of ConOCC.
    """

    _parameter_constraints: dict = {
        **BaseDeepOneClass._parameter_constraints,
        "encoder": [callable, None],
        "decoder": [callable, None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "channels": [Interval(Integral, 1, None, closed="left")],
        "output_activation": [StrOptions({"auto", "sigmoid", "linear"})],
    }
    _code_activation = None
    _bias = True
    _default_code_width = staticmethod(default_code_width)

    def __init__(self, *, encoder, decoder, n_components, channels, output_activation, **engine):
        super().__init__(**engine)
        self.encoder = encoder
        self.decoder = decoder
        self.n_components = n_components
        self.channels = channels
        self.output_activation = output_activation

    def transform(self, X):
        """Codes of the rows, `z = E(x)`.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted.

        Returns
        -------
        codes : ndarray of shape (n, n_components_)
            In the precision of X; float32 for uint8 images.
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        codes = self._evaluate(X, lambda code, x: code, module=self.net_.module_.encoder)
        return codes.astype(_float_dtype(X), copy=False)

    def _prepare(self, X):
        if self.output_activation != "auto":
            self.output_activation_ = self.output_activation
        elif self.image_shape_ is None:
            self.output_activation_ = "linear"
        else:
            bounded = X.dtype == np.uint8 or (X.min() >= 0 and X.max() <= 1)
            self.output_activation_ = "sigmoid" if bounded else "linear"

    def _make_module(self):
        shape = self.image_shape_ or (self.n_features_in_,)
        encoder, self.n_components_ = build_encoder(
            self.encoder,
            shape,
            self.n_components,
            self.channels,
            default_width=self._default_code_width(shape),
            bias=self._bias,
        )
        decoder = build_decoder(self.decoder, self.n_components_, shape, self.channels)
        return Autoencoder(
            encoder,
            decoder,
            code_activation=self._code_activation() if self._code_activation else None,
            output_activation=nn.Sigmoid() if self.output_activation_ == "sigmoid" else None,
        )

    @property
    def _n_features_out(self):
        return self.n_components_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class BaseReconstruction(BaseAutoencoder):
    """Detector whose decoder belongs to its encoder to the end, so that codes and rows can be turned into rows."""

    def inverse_transform(self, X):
        """Rows from codes, `D(z)`.

        Parameters
        ----------
        X : array-like of shape (n, n_components_)
            Codes, as `transform` returns them.

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
        rows = self._evaluate(codes, lambda outputs, z: outputs, module=self.net_.module_.decoder)
        return rows.reshape(len(codes), *self._row_shape).astype(codes.dtype, copy=False)

    def reconstruct(self, X):
        """What the autoencoder makes of each row, `D(E(x))`, in the layout of X.

        Parameters
        ----------
        X : array-like of shape (n, d), (n, H, W) or (n, C, H, W)
            Rows of the shape that was fitted.

        Returns
        -------
        reconstruction : ndarray of the shape of X
            In the precision of X; float32 in [0, 1] for uint8 images.
        """
        check_is_fitted(self)
        rows = self._read_X(X, reset=False)
        reconstruction = self._evaluate(rows, lambda outputs, x: outputs[0])
        return reconstruction.astype(_float_dtype(rows), copy=False).reshape(as_array(X).shape)


def _float_dtype(X):
    return np.float32 if X.dtype == np.uint8 else X.dtype
