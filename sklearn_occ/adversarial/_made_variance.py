"""How much the rows that a generator makes vary: too little when it has collapsed, too much when it has diverged."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning

from ..engine import RandomStream, total_variance
from ..nn import keeping_statistics

_LEAST, _MOST = 1e-3, 10.0  # of what is made, in units of the variance of the training rows
_GENERATED = 256  # rows whose variance is looked at


def generated_variance(net):
    """Total variance of the rows that the generator makes of random codes."""
    with RandomStream(net.seed).generator() as generator:
        codes = net.criterion_.random_codes(_GENERATED, generator).to(net.device)
    return total_variance([net.module_.output_activation(_made_in_training(net, net.module_.generator, codes))])


def reconstructed_variance_of_batch(net, X):
    """Total variance of what the module makes of the first batch of rows."""
    rows = next(iter(net.get_iterator(X)))[0]
    return total_variance([_made_in_training(net, net.module_, rows)[0]])


@torch.no_grad()
def _made_in_training(net, module, rows):
    """`module(rows)` in train mode, which leaves no trace.

    In eval mode the running variances of batch normalisation, which begin at 1 whatever the rows, would decide how much
    it varies before training and after few epochs.
    """
    net.module_.train()
    with net.private_random(RandomStream(net.seed)):
        return keeping_statistics(module, rows)


def warn_of_variance(player, rows, variance, *, of_training_rows, before, remedy):
    """Warn, for the caller of `fit`, when made rows vary far less or far more than the training rows.

    Less than 1e-3 of it and less than half of what it was before training; or more than 10 times as much and more than
    twice what it was before.

    Parameters
    ----------
    player, rows : str
        What the warning calls the network and what it makes: "The generator of AnoGAN", "the rows that it makes".
    variance, of_training_rows, before : float
        Total variances: of what is made now, of the training rows, of what was made before training.
    remedy : str
        What to change, a sentence.
    """
    if not of_training_rows:
        return
    share = variance / of_training_rows
    if share < _LEAST and variance < before / 2:
        found = f"has collapsed: {rows} have {share:.1g} of the variance of the training rows, below {_LEAST:g}"
    elif share > _MOST and variance > 2 * before:
        found = f"has diverged: {rows} have {share:.2g} times the variance of the training rows, above {_MOST:g}"
    else:
        return
    warnings.warn(f"{player} {found}. {remedy}", ConvergenceWarning, stacklevel=7)
