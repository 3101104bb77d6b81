"""Terms that losses and scores are made of."""

from torch import nn
from torch.nn.functional import mse_loss


def squared_error(a, b):
    """`sum_j (a_j - b_j)^2` over all pixels (features, code units) of each row: (b, ...) -> (b,)."""
    return mse_loss(a, b.expand_as(a), reduction="none").flatten(1).sum(1)


def mean_squared_error(a, b):
    """Mean of `squared_error` over the rows, a scalar, in one pass."""
    return mse_loss(a, b.expand_as(a), reduction="sum") / len(a)


class ReconstructionLoss(nn.Module):
    """`L_AE = sum_j (D(E(x))_j - x_j)^2`: its mean over the batch as loss, `-L_AE / pixels` as score."""

    def forward(self, outputs, x):
        """Loss of a batch, a scalar; `outputs` are reconstruction and code."""
        return mean_squared_error(outputs[0], x)

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return -squared_error(outputs[0], x) / x[0].numel()
