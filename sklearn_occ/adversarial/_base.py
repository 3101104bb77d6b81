"""BaseGenerative: what detectors with a generator of rows from random codes have in common."""

from torch import nn

from ..engine import AdversarialNet, BaseCodes, DecodingMixin
from ..nn import build_decoder, default_table_generator


class BaseGenerative(DecodingMixin, BaseCodes):
    """Detector whose module has a `generator` of rows from codes, trained against a `discriminator`.

    A subclass writes `_make_module()`, in which it sets `n_components_` and calls `_make_generator()` and
    `_make_output_activation()`.
    """

    _parameter_constraints: dict = {
        **BaseCodes._parameter_constraints,
        "generator": [callable, None],
        "discriminator": [callable, None],
    }
    _net_class = AdversarialNet

    def __init__(self, *, generator, discriminator, **codes_and_engine):
        super().__init__(**codes_and_engine)
        self.generator = generator
        self.discriminator = discriminator

    @property
    def _decoder(self):
        module = self.net_.module_
        return nn.Sequential(module.generator, module.output_activation)

    def _make_generator(self):
        is_default_of_table = self.generator is None and self.image_shape_ is None
        return build_decoder(
            default_table_generator if is_default_of_table else self.generator,
            self.n_components_,
            self._shape_of_rows,
            self.channels,
            name="generator",
        )
