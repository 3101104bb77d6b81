"""Terms that losses and scores are made of."""

import torch
from torch import nn
from torch.nn.functional import mse_loss


def squared_error(a, b):
    """`sum_j (a_j - b_j)^2` over all pixels (features, code units) of each row: (b, ...) -> (b,).

    Parameters
    ----------
    a : tensor of shape (b, ...)
        Rows.
    b : tensor of shape (b, ...) or (...)
        Rows, or one row for all.

    Returns
    -------
    errors : tensor of shape (b,)
        The error of each row, in squared units of the rows.

    See Also
    --------
    row_error : The same per pixel.
    mean_squared_error : Its mean over the rows.
    """
    return mse_loss(a, b.expand_as(a), reduction="none").flatten(1).sum(1)


def row_error(a, b):
    """Divide `squared_error` by the number of pixels of all channels (features) of a row.

    Parameters
    ----------
    a : tensor of shape (b, ...)
        Rows.
    b : tensor of shape (b, ...) or (...)
        Rows, or one row for all.

    Returns
    -------
    errors : tensor of shape (b,)
        The error of each row, in squared units of the rows.

    See Also
    --------
    squared_error : The sum over the pixels.
    """
    return squared_error(a, b) / a[0].numel()


def mean_squared_error(a, b):
    """Return the mean of `squared_error` over the rows, in one pass.

    Parameters
    ----------
    a : tensor of shape (b, ...)
        Rows.
    b : tensor of shape (b, ...) or (...)
        Rows, or one row for all.

    Returns
    -------
    error : tensor, a scalar
        The mean, in squared units of the rows.

    See Also
    --------
    squared_error : The error of each row.
    ReconstructionLoss : Criterion that it is the loss of.
    """
    return mse_loss(a, b.expand_as(a), reduction="sum") / len(a)


def gradient_penalty(critic, x):
    """`(||d critic(x) / d x||_2 - 1)^2`, its mean over the rows of x, a scalar; the norm is over all values of a row.

    `critic` gives one number a row, (b, ...) -> (b,). The penalty can be differentiated by the critic's weights, also
    within `torch.compile`; within `torch.no_grad` it has its value.

    Parameters
    ----------
    critic : callable
        Gives one number a row, (b, ...) -> (b,).
    x : tensor of shape (b, ...)
        Rows.

    Returns
    -------
    penalty : tensor, a scalar
        Mean of the penalty over the rows.

    See Also
    --------
    EncodedAdversarial : Networks that are trained with it.
    """
    gradients = torch.func.grad(lambda rows: critic(rows.clone()).sum())(x)  # a copy, as the critic may work in place
    return (gradients.flatten(1).norm(dim=1) - 1).square().mean()


class ScoreOfParts(nn.Module):
    """Criterion whose score is one of its parts, or what they combine to.

    A subclass writes `part(name, outputs, x)`, (b,), higher = majority, for each name in `part_names` and for
    `score_function`, the part or the combination that is the score.

    See Also
    --------
    ReconstructionLoss : Criterion with one part.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import ScoreOfParts
    >>> class Moments(ScoreOfParts):
    ...     part_names = ("mean", "spread")
    ...
    ...     def part(self, name, outputs, x):
    ...         parts = {"mean": -outputs.mean(1).abs(), "spread": -outputs.std(1)}
    ...         return sum(parts.values()) if name == "sum" else parts[name]
    >>> list(Moments().parts(torch.zeros(2, 6), None)), Moments().score(torch.zeros(2, 6), None).shape
    (['mean', 'spread'], torch.Size([2]))
    """

    part_names = ()
    score_function = "sum"

    def score(self, outputs, x):
        """Return the score of each row.

        Parameters
        ----------
        outputs : tensor or tuple of tensors
            What the network gives.
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        score : tensor of shape (b,)
            Higher = majority.
        """
        return self.part(self.score_function, outputs, x)

    def parts(self, outputs, x):
        """Return each part of each row.

        Parameters
        ----------
        outputs : tensor or tuple of tensors
            What the network gives.
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        parts : dict of tensors of shape (b,)
            By the names of `part_names`, higher = majority.
        """
        return {name: self.part(name, outputs, x) for name in self.part_names}


class ReconstructionLoss(nn.Module):
    """`L_AE = sum_j (D(E(x))_j - x_j)^2`: its mean over the batch as loss, `-L_AE / pixels` as score.

    See Also
    --------
    Autoencoder : Network whose outputs it takes.
    mean_squared_error : The loss.
    row_error : Minus the score.

    Examples
    --------
    >>> import torch
    >>> from sklearn_occ.nn import ReconstructionLoss
    >>> x, reconstruction = torch.zeros(2, 4), torch.ones(2, 4)
    >>> criterion = ReconstructionLoss()
    >>> criterion((reconstruction, None), x), criterion.score((reconstruction, None), x)
    (tensor(4.), tensor([-1., -1.]))
    """

    def forward(self, outputs, x):
        """Return the loss of a batch.

        Parameters
        ----------
        outputs : tuple of tensors
            Reconstruction and code.
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        loss : tensor, a scalar
            Mean over the rows.
        """
        return mean_squared_error(outputs[0], x)

    def score(self, outputs, x):
        """Return the score of each row.

        Parameters
        ----------
        outputs : tuple of tensors
            Reconstruction and code.
        x : tensor of shape (b, *shape)
            Rows.

        Returns
        -------
        score : tensor of shape (b,)
            Higher = majority, at most 0.
        """
        return -row_error(outputs[0], x)
