"""Terms that losses and scores are made of, one value a row."""

from torch.nn.functional import mse_loss


def squared_error(a, b):
    """`sum_j (a_j - b_j)^2` over all pixels (features, code units) of each row: (b, ...) -> (b,)."""
    return mse_loss(a, b.expand_as(a), reduction="none").flatten(1).sum(1)
