"""WassersteinLoss: what critic, generator and encoder of f-AnoGAN lower."""

import torch

from .._engine import LAST_STAGE
from ..nn import gradient_penalty, keeping_statistics, send, squared_error
from ._base import FirstVariance


class WassersteinLoss(FirstVariance):
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

    terms = {"discriminator": ("wasserstein", "penalty"), "encoder": ("residual", "discrimination")}

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

    def loss_of(self, player, module, x, codes, shares):
        """Loss of the generator, a scalar, or the two terms of the critic's or of the encoder's, (2,)."""
        if player == "encoder":
            residual, discrimination = self.parts(module(x), x)
            return torch.stack([residual.mean(), self.feature_weight * discrimination.mean()])
        if player == "generator":
            return -keeping_statistics(module.discriminator, module.made(codes))[1].mean()
        with torch.no_grad():
            made = module.made(codes, keeps_statistics=True)
        mixed = shares * x + (1 - shares) * made
        with torch.autocast(x.device.type, enabled=False):
            penalty = gradient_penalty(lambda rows: keeping_statistics(module.discriminator, rows)[1], mixed)
        distance = module.discriminator(made)[1].mean() - module.discriminator(x.clone())[1].mean()
        return torch.stack([distance.to(penalty.dtype), self.penalty_weight * penalty])

    def parts(self, outputs, x):
        """Mean squared distances of each row and of its features from what is made of it, two tensors (b,)."""
        made, _, of_rows, of_made = outputs
        return squared_error(made, x) / x[0].numel(), squared_error(of_made, of_rows) / of_rows.shape[1]

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        residual, discrimination = self.parts(outputs, x)
        return -(residual + self.feature_weight * discrimination)
