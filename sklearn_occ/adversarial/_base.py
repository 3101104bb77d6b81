"""What detectors with a generator of rows have in common: from random codes, and whether what it makes varies.

Made rows vary too little when the generator has collapsed, too much when it has diverged.
"""

from functools import partial

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from .._engine import AdversarialNet, BaseCodes, RandomStream, total_variance
from .._warning import warn
from ..nn._adversarial import default_table_generator
from ..nn._autoencoder import build_decoder, default_code_width

LEAST_RECONSTRUCTED, LEAST_GENERATED, _MOST = 0.01, 0.05, 10.0  # in units of the variance of the training rows
FEW_STEPS = 100  # of training, after which what is made should vary
LOOKED_AT = 256  # rows whose variance is taken
_WIDEST_CODE = 100  # the papers'


def paper_code_width(shape, widest=_WIDEST_CODE):
    """Width of the code: that of other networks' codes, but at most the paper's."""
    return min(default_code_width(shape), widest)


class BaseGenerative(BaseCodes):
    """Detector whose module has a `generator` of rows from codes, trained against a `discriminator`.

    A subclass writes `_make_module()`, in which it sets `n_components_` and calls `_make_generator()` and
    `_make_output_activation()`, and `_remedy()`, a sentence; its criterion is a `FirstVariance` that has
    `random_codes(n, generator)`. A `_train` of its own begins with `note_untrained`.
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

    def _train(self, net, X, X_valid):
        note_untrained(net, self._made_rows(net))
        super()._train(net, X, X_valid)

    def _check_trained(self, net, X):
        warn_of_variance(net, X, lambda of_rows: self._complaint(net, X, of_rows))

    def _complaint(self, net, X, of_rows):
        """What there is to warn of, or None; `of_rows` is the variance of the training rows."""
        return complaint_of_generator(self, net, self._made_rows(net), of_rows)

    def _made_rows(self, net):
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


class FirstVariance(nn.Module):
    """Criterion that keeps how much made rows varied before training.

    Attributes
    ----------
    first_variance : tensor, a scalar
        Total variance of what the generator made; a buffer.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("first_variance", torch.tensor(0.0))


def note_untrained(net, made):
    """Keep how much the rows vary that a generator makes before it is trained; `made` yields batches of them."""
    if not net.epochs_:
        net.criterion_.first_variance.fill_(total_variance(made))


def warn_of_variance(net, X, complaint_of):
    """Warn of what `complaint_of(variance of the training rows)` has to say, if anything; of equal rows it has not."""
    of_rows = total_variance(x for x, _ in net.get_iterator(X))
    complaint = complaint_of(of_rows) if of_rows else None
    if complaint:
        warn(complaint, ConvergenceWarning)


def complaint_of_generator(estimator, net, made, of_rows, *, are="the rows that it makes", least_share=LEAST_GENERATED):
    """What there is to warn of made rows that vary far less or far more than the training rows, or None.

    Far less is below `least_share` of their variance, after 100 steps or if it is less than half of what it was before
    training; far more is above 10 times their variance, and more than twice what it was.

    Parameters
    ----------
    estimator : detector with `_remedy()`
        Whose generator it is.
    net : OneClassNet
        Trained; its criterion is a `FirstVariance`.
    made : iterable of tensors
        Batches of what the generator makes in train mode.
    of_rows : float
        Variance of the training rows.
    are : str
        What the warning calls the made rows.
    least_share : float
        See above.
    """
    variance, before = total_variance(made), float(net.criterion_.first_variance)
    share, n_steps, shrunk = variance / of_rows, steps_of(net, "generator"), variance < before / 2
    if share < least_share and (shrunk or n_steps >= FEW_STEPS):
        found = "has collapsed" if shrunk else f"has collapsed or learned little in {n_steps} steps"
        found += f": {are} have {share:.1g} of the variance of the training rows, below {least_share:g}"
    elif share > _MOST and variance > 2 * before:
        found = f"has diverged: {are} have {share:.2g} times the variance of the training rows, above {_MOST:g}"
    else:
        return None
    return f"The generator of {type(estimator).__name__} {found}. {estimator._remedy()}"


@torch.no_grad()
def made_in_training(net, make, rows):
    """Yield `make(rows)` in train mode, in parts of `batch_size` rows or somewhat more, so that none is a single row.

    In eval mode the running variances of batch normalisation, which begin at 1 whatever the rows, would decide how much
    it varies before training and after few epochs. `make` is to leave them as they are.
    """
    stream = RandomStream(net.seed)
    net.module_.train()
    for part in rows.tensor_split(max(1, len(rows) // net.batch_size)):
        with net.private_random(stream):
            made = make(part)
        yield made


def steps_of(net, player):
    """Steps that a player has made, one for each batch."""
    return sum(row["train_batch_count"] for row in net.history if f"train_{player}_loss" in row)
