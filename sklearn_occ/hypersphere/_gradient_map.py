"""GradientMap: which pixels a distance from the centre comes from."""

import torch
from torch import nn


class GradientMap(nn.Module):
    """Images to the map of `DeepSVDD.anomaly_map`, (b, C, H, W) -> (b, H, W).

    Parameters
    ----------
    encoder : torch.nn.Module
        Images to codes, in eval mode.
    criterion : HypersphereLoss
        Centre of the codes, and mean image.
    """

    def __init__(self, encoder, criterion):
        super().__init__()
        self.encoder = encoder
        self.criterion = criterion

    def forward(self, x):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            distances = self.criterion.distances(self.encoder(leaf.clone()))  # a copy, as it may work in place
            gradient = torch.autograd.grad(distances.sum(), leaf)[0]
        return (gradient * (x - self.criterion.mean_row)).abs().sum(1)
