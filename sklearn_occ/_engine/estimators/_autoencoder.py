"""BaseAutoencoder, BaseReconstruction: parameters, network and codes of the detectors with an encoder and a decoder."""

from ...nn._autoencoder import Autoencoder, build_decoder, build_encoder, default_code_width
from ._codes import BaseCodes


class BaseAutoencoder(BaseCodes):
    """Detector with an encoder, whose codes `transform` gives, and a decoder that only helps to train it.

    A subclass writes `_make_criterion()`; `_default_code_width(shape)`, `_default_networks(shape)` and `_bias` where
    its default network differs from the autoencoder of ConOCC.
    """

    _parameter_constraints: dict = {
        **BaseCodes._parameter_constraints,
        "encoder": [callable, None],
        "decoder": [callable, None],
    }
    _has_way_back = False
    _code_activation = None
    _bias = True
    _default_code_width = staticmethod(default_code_width)

    def __init__(self, *, encoder, decoder, **codes_and_engine):
        super().__init__(**codes_and_engine)
        self.encoder = encoder
        self.decoder = decoder

    def _default_networks(self, shape):
        """Encoder and decoder where the parameters are None, as factories; None for those of ConOCC."""
        return None, None

    def _make_module(self):
        shape = self._shape_of_rows
        networks = zip((self.encoder, self.decoder), self._default_networks(shape), strict=True)
        given_encoder, given_decoder = (default if given is None else given for given, default in networks)
        encoder, self.n_components_ = build_encoder(
            given_encoder,
            shape,
            self.n_components,
            self.channels,
            default_width=self._default_code_width(shape),
            bias=self._bias,
        )
        decoder = build_decoder(given_decoder, self.n_components_, shape, self.channels)
        return Autoencoder(
            encoder,
            decoder,
            code_activation=self._code_activation() if self._code_activation else None,
            output_activation=self._make_output_activation(),
        )


class BaseReconstruction(BaseAutoencoder):
    """Detector whose decoder belongs to its encoder to the end, so that codes and rows can be turned into rows."""

    _has_way_back = True

    @property
    def encoder_(self):
        """The trained encoder, without an activation that the method puts behind it."""
        encoder = self.net_.module_.encoder
        return encoder[0] if self._code_activation else encoder

    @property
    def decoder_(self):
        """The trained decoder, without the output's activation."""
        return self._decoder if self.output_activation_ == "linear" else self._decoder[0]
