"""SplittingLoss, SplittingNetwork: what intra-class splitting trains, and with which losses."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from .._engine import LAST_STAGE
from ..nn._losses import mean_squared_error, row_error

_SLOPE = 0.2


class SplittingNetwork(nn.Module):
    """`x -> (logit, z)`: the code z, a linear layer on them; the autoencoder's while `pretrains`.

    In a turn, for typical and atypical rows, it gives what the turn's loss is of (`outputs_of`). Both kinds pass the
    network at once, so that batch normalisation sees the same mixture.

    Parameters
    ----------
    encoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)`.
    n_components : int
        Width of its output.
    autoencoder : Autoencoder or None
        What splits the rows.
    constraints : bool
        Whether there is a distance subnetwork.
    symmetric : bool
        Whether it gets the squared difference of two rows, and not the difference.
    """

    def __init__(self, encoder, n_components, autoencoder, constraints, symmetric=True):
        super().__init__()
        self.encoder = nn.Sequential(encoder, nn.LeakyReLU(_SLOPE))
        self.logit = nn.Linear(n_components, 1)
        self.distance = nn.Linear(n_components, 1) if constraints else None
        self.symmetric = symmetric
        self.autoencoder = autoencoder
        self.pretrains = False

    def forward(self, x, atypical=None, *, player=None):
        if self.pretrains:
            return self.autoencoder(x)
        z = self.encoder(x if player is None else torch.cat([x, atypical]))
        logit = self.logit(z).squeeze(1)  # (b,), z: (b, n_components)
        return (logit, z) if player is None else self.outputs_of(player, logit, z, len(x))

    def outputs_of(self, player, logit, z, n_typical):
        """Logits of typical and of atypical rows, or the logits of distances among those of one kind, typical first."""
        if player == "intra_class":
            return logit[:n_typical], logit[n_typical:]
        return self.distance_logits(z[:n_typical] if player == "closeness" else z[n_typical:])

    def distance_logits(self, z):
        """Logit of the distance of each row of z from the next one, of the last from the first, (b,)."""
        difference = z - z.roll(-1, 0)
        return self.distance(difference.square() if self.symmetric else difference).squeeze(1)


class SplittingLoss(nn.Module):
    """Losses and score of intra-class splitting (equations 2 to 4).

    Parameters
    ----------
    similarity : torch.nn.Module or None
        `similarity(x, reconstruction)`, (b,) float64.
    constraints : bool
        Whether distances are constrained.

    Attributes
    ----------
    rounds : dict
        The losses, in the order of their steps (`AdversarialNet`).
    threshold : tensor, a float64 scalar
        Up to this similarity a row is atypical; a buffer.
    """

    def __init__(self, similarity, constraints):
        super().__init__()
        self.similarity = similarity
        losses = ("intra_class",)
        if constraints:
            losses = ("closeness", "intra_class") + (() if similarity is None else ("dispersion",))
        self.rounds = {LAST_STAGE: (losses,)}
        self.register_buffer("threshold", torch.tensor(-torch.inf, dtype=torch.float64))

    def forward(self, outputs, x, *, player=None):
        """Loss of a turn, or of the autoencoder on a batch, a scalar; 0 for distances if there is no pair."""
        if player is None:
            return mean_squared_error(outputs[0], x)
        if player == "intra_class":
            return intra_class_loss(*outputs)
        if len(outputs) < 2:  # of rows held out
            return outputs.new_zeros(())
        return softplus(outputs if player == "closeness" else -outputs).mean()

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return -outputs[0]


def intra_class_loss(typical, atypical):
    """Binary cross-entropy of logits, `- mean log(1 - y)` of typical and `- mean log y` of atypical rows, their mean.

    Where there are rows of one kind only it is theirs.
    """
    kinds = [softplus(typical), softplus(-atypical)]
    means = [kind.mean() for kind in kinds if len(kind)]
    return sum(means) / len(means)


class NegativeSquaredError(nn.Module):
    """Minus the mean squared error of each row, (b, ...) twice -> (b,), in float64."""

    def forward(self, x, reconstruction):
        return -row_error(x.double(), reconstruction.double())


class UsersSimilarity(nn.Module):
    """A function of two NumPy arrays, `function(x, reconstruction)`, as a module.

    Parameters
    ----------
    function : callable
        Returns one number a row.
    """

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, reconstruction):
        found = np.asarray(self.function(*(rows.double().cpu().numpy() for rows in (x, reconstruction))), float)
        if found.shape != (len(x),) or not np.isfinite(found).all():
            raise ValueError(
                f"similarity returned an array of shape {found.shape} with {np.isfinite(found).sum()} finite values "
                f"for {len(x)} rows, expected shape ({len(x)},) and finite values; return one number a row."
            )
        return torch.from_numpy(found).to(x.device)
