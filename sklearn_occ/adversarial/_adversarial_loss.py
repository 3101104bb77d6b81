"""AdversarialLoss: what generator and discriminator play for."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from .._engine import LAST_STAGE
from ..nn._sending import send
from ._base import FirstVariance


class AdversarialLoss(FirstVariance):
    """Losses of the two players (Goodfellow et al. 2014, the generator's in its non-saturating form).

    Parameters
    ----------
    n_components : int
        Width of the code.
    augment : callable or None
        What changes a batch of training rows.
    """

    rounds = {LAST_STAGE: (("discriminator", "generator"),)}

    def __init__(self, n_components, augment=None):
        super().__init__()
        self.n_components = n_components
        self.augment = augment

    def random_codes(self, n, generator):
        """What the generator is trained on, (n, n_components)."""
        return random_codes(n, self.n_components, generator)

    def draw(self, x, generator):
        """Return the rows of a turn, augmented in training, and one random code for each."""
        codes = send(self.random_codes(len(x), generator), x.device)
        if self.augment is None or not self.training:
            return x, codes
        changed = self.augment(x, generator)
        if not isinstance(changed, torch.Tensor) or changed.shape != x.shape or changed.dtype != x.dtype:
            got = f"{tuple(changed.shape)} {changed.dtype}" if isinstance(changed, torch.Tensor) else repr(changed)
            raise ValueError(
                f"augment returned {got[:80]}, expected a tensor of the shape and dtype of the batch, {tuple(x.shape)} "
                f"{x.dtype}; return the changed batch."
            )
        return changed, codes

    def forward(self, logits, x, *, player):
        """Loss of one player, a scalar."""
        if player == "generator":
            return binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        return judgement_loss(*logits)


def judgement_loss(real, made):
    """`-mean log D(x) - mean log(1 - D(G(z)))` from the discriminator's logits of real and of made rows, a scalar."""
    return binary_cross_entropy_with_logits(real, torch.ones_like(real)) + binary_cross_entropy_with_logits(
        made, torch.zeros_like(made)
    )


def random_codes(n, width, generator):
    """Codes (n, width), uniform in [-1, 1]."""
    return torch.rand(n, width, generator=generator) * 2 - 1
