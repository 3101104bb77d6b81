"""BaseGenerative: what detectors with a generator of rows from random codes have in common."""

from functools import partial

from torch import nn

from .._engine import AdversarialNet, BaseCodes, DecodingMixin, RandomStream
from ..nn import build_decoder, default_code_width, default_table_generator
from ._made_variance import LOOKED_AT, MadeVarianceMixin, made_in_training

_WIDEST_CODE = 100  # the papers'


def paper_code_width(shape, widest=_WIDEST_CODE):
    """Width of the code: that of other networks' codes, but at most the paper's."""
    return min(default_code_width(shape), widest)


class BaseGenerative(MadeVarianceMixin, DecodingMixin, BaseCodes):
    """Detector whose module has a `generator` of rows from codes, trained against a `discriminator`.

    A subclass writes `_make_module()`, in which it sets `n_components_` and calls `_make_generator()` and
    `_make_output_activation()`; its criterion has `random_codes(n, generator)`.
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

    def _made_rows(self, net, X):
        with RandomStream(net.seed).generator() as generator:
            codes = net.criterion_.random_codes(LOOKED_AT, generator).to(net.device)
        return made_in_training(net, partial(net.module_.made, keeps_statistics=True), codes)

    def _make_generator(self):
        is_default_of_table = self.generator is None and self.image_shape_ is None
        return build_decoder(
            default_table_generator if is_default_of_table else self.generator,
            self.n_components_,
            self._shape_of_rows,
            self.channels,
            name="generator",
        )
