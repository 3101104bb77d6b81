"""Terms that losses and scores are made of."""

from torch.nn.functional import mse_loss


def squared_error(a, b):
    """`sum_j (a_j - b_j)^2` over all pixels (features, code units) of each row: (b, ...) -> (b,)."""
    return mse_loss(a, b.expand_as(a), reduction="none").flatten(1).sum(1)


def mean_squared_error(a, b):
    """Mean of `squared_error` over the rows, a scalar, in one pass."""
    return mse_loss(a, b.expand_as(a), reduction="sum") / len(a)
