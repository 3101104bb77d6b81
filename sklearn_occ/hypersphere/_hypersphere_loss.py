"""HypersphereLoss: losses and scores of Deep SVDD."""

import numpy as np
import torch
from torch import nn

from ..nn._losses import mean_squared_error, squared_error

_NEAREST_TO_ZERO = 0.1  # coordinates of the centre keep this distance from 0


class HypersphereLoss(nn.Module):
    """Losses and scores of Deep SVDD (equations 3 and 4), and `L_AE` where there is a reconstruction.

    Parameters
    ----------
    objective : str
        "one-class" or "soft-boundary".
    nu : float
        Share of rows outside the hypersphere.
    n_components : int
        Width of the code.
    shape : tuple
        Shape of one row.

    Attributes
    ----------
    center : tensor of shape (n_components,)
        A buffer.
    mean_row : tensor of that shape
        Mean of the training rows, which the anomaly map compares with; a buffer.
    squared_radius : tensor, a float64 scalar
        A buffer.
    """

    def __init__(self, objective, nu, n_components, shape):
        super().__init__()
        self.objective = objective
        self.nu = nu
        self.register_buffer("center", torch.zeros(n_components))
        self.register_buffer("mean_row", torch.zeros(shape))
        self.register_buffer("squared_radius", torch.tensor(0.0, dtype=torch.float64))

    def forward(self, outputs, x):
        """Loss of a batch, a scalar."""
        reconstruction, code = outputs
        if reconstruction is not None:
            return mean_squared_error(reconstruction, x)
        if self.objective == "one-class":
            return mean_squared_error(code, self.center)
        squared_radius = self.squared_radius.to(code.dtype)
        outside = (squared_error(code, self.center) - squared_radius).clamp(min=0)
        return squared_radius + outside.mean() / self.nu

    def score(self, outputs, x):
        """Score of each row, (b,)."""
        return self.score_of_codes(outputs[1], x)

    def score_of_codes(self, code, x):
        """Score of each row from its code alone, (b,)."""
        distance = self.distances(code)
        return -distance if self.objective == "one-class" else self.squared_radius - distance

    def distances(self, code):
        """`d2` of each row, (b,)."""
        return squared_error(code, self.center.to(code.dtype))

    def set_center(self, codes):
        """Put the centre at the mean of the codes, its coordinates at least 0.1 from 0."""
        mean = codes.mean(0)
        sign = torch.where(mean < 0, -1.0, 1.0).to(mean)
        self.center.copy_(torch.where(mean.abs() < _NEAREST_TO_ZERO, _NEAREST_TO_ZERO * sign, mean))

    def set_radius(self, codes):
        """Put `R^2` at the `1 - nu` quantile of the distances of these codes."""
        self.squared_radius.fill_(np.quantile(self.distances(codes).cpu().numpy(), 1 - self.nu))
