"""WassersteinLoss: what critic, generator and encoder of f-AnoGAN lower."""

import torch

from .._engine import LAST_STAGE
from ..nn._losses import ScoreOfParts, row_error
from ..nn._sending import send
from ._base import FirstVariance


class WassersteinLoss(ScoreOfParts, FirstVariance):
    """Losses of the three networks, and score of f-AnoGAN.

    Parameters
    ----------
    n_components : int
        Width of the code.
    critic_steps : int
        Steps of the critic for one of the generator.
    penalty_weight, feature_weight : float
        Weight of the gradient penalty, and of the features beside the pixels.

    Attributes
    ----------
    rounds : dict
        What is played in each stage (`AdversarialNet`): every step of the critic has codes of its own.
    """

    terms = {"discriminator": ("wasserstein", "penalty"), "encoder": ("reconstruction", "feature")}
    part_names = ("reconstruction", "feature")

    def __init__(self, n_components, critic_steps, penalty_weight, feature_weight):
        super().__init__()
        self.n_components = n_components
        self.penalty_weight = penalty_weight
        self.feature_weight = feature_weight
        alone = (("discriminator",),) * (critic_steps - 1)
        self.rounds = {"pretrain": (*alone, ("discriminator", "generator")), LAST_STAGE: (("encoder",),)}

    def random_codes(self, n, generator):
        """Standard normal codes, (n, n_components)."""
        return torch.randn(n, self.n_components, generator=generator)

    def draw(self, x, generator):
        """Return rows, one random code for each, and each row's share in the mixture that the penalty looks at."""
        shares = torch.rand(len(x), *[1] * (x.ndim - 1), generator=generator)
        return x, send(self.random_codes(len(x), generator), x.device), send(shares, x.device)

    def forward(self, outputs, x, *, player):
        """Loss of the generator, a scalar, or the two terms of the critic's or of the encoder's, (2,)."""
        if player == "encoder":
            parts = self.parts(outputs, x)
            return torch.stack([-parts["reconstruction"].mean(), -self.feature_weight * parts["feature"].mean()])
        if player == "generator":
            return -outputs.mean()
        of_made, of_rows, penalty = outputs
        distance = of_made.mean() - of_rows.mean()
        return torch.stack([distance.to(penalty.dtype), self.penalty_weight * penalty])

    def part(self, name, outputs, x):
        """Minus the mean squared distance of each row, or of its features, from what is made of it, or both, (b,)."""
        made, _, of_rows, of_made = outputs
        if name == "reconstruction":
            return -row_error(made, x)
        if name == "feature":
            return -row_error(of_made, of_rows)
        parts = self.parts(outputs, x)
        return parts["reconstruction"] + self.feature_weight * parts["feature"]
