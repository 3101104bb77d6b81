"""How much the rows that a generator makes vary: too little when it has collapsed, too much when it has diverged."""

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from .._engine import RandomStream, total_variance
from .._warning import warn

LEAST_RECONSTRUCTED, LEAST_GENERATED, _MOST = 0.01, 0.05, 10.0  # in units of the variance of the training rows
FEW_STEPS = 100  # of training, after which what is made should vary
LOOKED_AT = 256  # rows whose variance is taken


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


class MadeVarianceMixin:
    """The warning of a generator whose rows vary far less or far more than the training rows.

    Far less is below `_least_share` of their variance, after 100 steps or where it is less than half of what it was
    before training; far more is above 10 times their variance, and more than twice what it was.

    A subclass writes `_made_rows(net, X)`, batches of what the generator makes in train mode, and `_remedy()`, a
    sentence; its criterion is a `FirstVariance`. A `_train` of its own begins with `_note_untrained`.
    """

    _made = "the rows that it makes"
    _least_share = LEAST_GENERATED

    def _train(self, net, X, X_valid):
        self._note_untrained(net, X)
        super()._train(net, X, X_valid)

    def _note_untrained(self, net, X):
        if not net.epochs_:
            net.criterion_.first_variance.fill_(total_variance(self._made_rows(net, X)))

    def _check_trained(self, net, X):
        of_rows = total_variance(x for x, _ in net.get_iterator(X))
        complaint = self._complaint(net, X, of_rows) if of_rows else None
        if complaint:
            warn(complaint, ConvergenceWarning)

    def _complaint(self, net, X, of_rows):
        """What there is to warn of, or None; `of_rows` is the variance of the training rows."""
        variance, before = total_variance(self._made_rows(net, X)), float(net.criterion_.first_variance)
        share, n_steps, shrunk = variance / of_rows, steps_of(net, "generator"), variance < before / 2
        if share < self._least_share and (shrunk or n_steps >= FEW_STEPS):
            found = "has collapsed" if shrunk else f"has collapsed or learned little in {n_steps} steps"
            found += (
                f": {self._made} have {share:.1g} of the variance of the training rows, below {self._least_share:g}"
            )
        elif share > _MOST and variance > 2 * before:
            found = (
                f"has diverged: {self._made} have {share:.2g} times the variance of the training rows, above {_MOST:g}"
            )
        else:
            return None
        return f"The generator of {type(self).__name__} {found}. {self._remedy()}"


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
