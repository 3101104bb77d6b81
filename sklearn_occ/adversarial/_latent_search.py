"""The search for the code from which a generator comes closest to a row."""

from typing import NamedTuple

import torch
from torch import nn


class Found(NamedTuple):
    """What the search finds for each row of a block.

    Attributes
    ----------
    sum, reconstruction, feature : tensors of shape (b,)
        The loss and its two parts.
    generated : tensor of shape (b, ...)
        What the generator makes of the code.
    code : tensor of shape (b, n_components)
        The code.
    """

    sum: torch.Tensor
    reconstruction: torch.Tensor
    feature: torch.Tensor
    generated: torch.Tensor
    code: torch.Tensor


class LatentSearch(nn.Module):
    """Rows to what AnoGAN's search finds for them, `x -> Found`.

    ::

        reconstruction(x, z) = mean_j |x_j - G(z)_j|
        feature(x, z)        = mean_k |f(x)_k - f(G(z))_k|
        loss(x, z)           = (1 - feature_share) reconstruction + feature_share feature

    Adam lowers the loss on the code of each row by itself, from several starts, and after each step its coordinates are
    brought back into [-1, 1]; the lowest loss met counts.

    Parameters
    ----------
    module : GenerativeAdversarial
        In eval mode; its weights are left alone.
    starts : tensor of shape (n_restarts, n_components)
        First codes, the same for every row, so that a row's result does not depend on the others.
    n_steps : int
        Steps of Adam; 0 only judges the starts.
    lr : float
        Learning rate.
    feature_share : float
        Share of the feature loss, in [0, 1].
    """

    def __init__(self, module, starts, *, n_steps, lr, feature_share):
        super().__init__()
        self.module = module
        self.register_buffer("starts", starts)
        self.n_steps = n_steps
        self.lr = lr
        self.feature_share = feature_share

    def forward(self, x):
        n_rows, n_restarts = len(x), len(self.starts)
        features = self.module.discriminator.features(x.clone()).repeat_interleave(n_restarts, 0)
        rows = x.repeat_interleave(n_restarts, 0)
        best_codes = codes = self.starts.to(x.dtype).repeat(n_rows, 1).requires_grad_()
        best_losses = torch.full_like(codes[:, 0], torch.inf, requires_grad=False)
        optimizer = torch.optim.Adam([codes], lr=self.lr)  # its moments are those of each number: rows do not mix
        for step in range(self.n_steps + 1):
            with torch.enable_grad():
                losses = self._losses(rows, features, codes)[0]
                codes.grad = torch.autograd.grad(losses.sum(), codes)[0] if step < self.n_steps else None
            better = losses.detach() < best_losses
            best_losses = torch.where(better, losses.detach(), best_losses)
            best_codes = torch.where(better[:, None], codes.detach(), best_codes)
            optimizer.step()
            codes.data.clamp_(-1, 1)
        best = best_losses.reshape(n_rows, n_restarts).argmin(1) + n_restarts * torch.arange(n_rows, device=x.device)
        code = best_codes.detach()[best]
        return Found(*self._losses(x, features[best], code), code)

    def _losses(self, rows, features, codes):
        generated = self.module.made(codes.clone())  # copies, as a network may work in place
        reconstruction = (rows - generated).abs().flatten(1).mean(1)
        feature = (features - self.module.discriminator.features(generated.clone())).abs().mean(1)
        loss = (1 - self.feature_share) * reconstruction + self.feature_share * feature
        return loss, reconstruction, feature, generated
