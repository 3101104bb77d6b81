"""Terms that losses and scores are made of."""

import torch
from torch import nn
from torch.nn.functional import mse_loss


def squared_error(a, b):
    """`sum_j (a_j - b_j)^2` over all pixels (features, code units) of each row: (b, ...) -> (b,)."""
    return mse_loss(a, b.expand_as(a), reduction="none").flatten(1).sum(1)


def row_error(a, b):
    """`squared_error` divided by the number of pixels of all channels (features) of a row: (b, ...) -> (b,)."""
    return squared_error(a, b) / a[0].numel()


def mean_squared_error(a, b):
    """Mean of `squared_error` over the rows, a scalar, in one pass."""
    return mse_loss(a, b.expand_as(a), reduction="sum") / len(a)


def gradient_penalty(critic, x):
    """`(||d critic(x) / d x||_2 - 1)^2`, its mean over the rows of x, a scalar; the norm is over all values of a row.

    `critic` gives one number a row, (b, ...) -> (b,). The penalty can be differentiated by the critic's weights, also
    within `torch.compile`; within `torch.no_grad` it has its value.
    """
    gradients = torch.func.grad(lambda rows: critic(rows.clone()).sum())(x)  # a copy, as the critic may work in place
    return (gradients.flatten(1).norm(dim=1) - 1).square().mean()


class ScoreOfParts(nn.Module):
    """Criterion whose score is one of its parts, or what they combine to.

    A subclass writes `part(name, outputs, x)`, (b,), higher = majority, for each name in `part_names` and for
    `score_function`, the part or the combination that is the score.
    """

    part_names = ()
    score_function = "sum"

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return self.part(self.score_function, outputs, x)

    def parts(self, outputs, x):
        """Each part for each row, a dict of tensors (b,)."""
        return {name: self.part(name, outputs, x) for name in self.part_names}


class ReconstructionLoss(nn.Module):
    """`L_AE = sum_j (D(E(x))_j - x_j)^2`: its mean over the batch as loss, `-L_AE / pixels` as score."""

    def forward(self, outputs, x):
        """Loss of a batch, a scalar; `outputs` are reconstruction and code."""
        return mean_squared_error(outputs[0], x)

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return -row_error(outputs[0], x)
