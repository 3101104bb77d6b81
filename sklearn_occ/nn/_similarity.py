"""Structural similarity of images, computed where they are."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import nn

_SIGMA = 1.5  # pixels
_RADIUS = 5  # pixels, a window of 11 x 11
_STABILISERS = 0.01, 0.03  # K1 and K2, in units of the range


class StructuralSimilarity(nn.Module):
    """Structural similarity of two images, in float64.

    ::

        SSIM(a, b) = (2 m_a m_b + C1) (2 s_ab + C2) / ((m_a^2 + m_b^2 + C1) (s_aa + s_bb + C2))    in [-1, 1]
        C1 = (0.01 L)^2,  C2 = (0.03 L)^2

    m and s are means, variances and covariance in a Gaussian window with a sigma of 1.5 pixels, 11 x 11 pixels in size,
    reflected at the border. It is scikit-image's `structural_similarity(gaussian_weights=True,
    use_sample_covariance=False, full=True)` of each channel. The similarity of two images is, as there, the mean over
    the pixels whose window lies in the image, those 5 or more pixels from the border; from a side below 20 pixels a
    quarter is left out at either end.

    Parameters
    ----------
    sides : tuple (H, W)
        Of the images.
    data_range : float
        L, the range of their values.

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli (2004), Image quality assessment: from error visibility to structural similarity,
    IEEE Transactions on Image Processing 13(4), section III.B.
    """

    def __init__(self, sides, data_range):
        super().__init__()
        self.margins = tuple(min(_RADIUS, side // 4) for side in sides)
        self.c1, self.c2 = ((k * data_range) ** 2 for k in _STABILISERS)
        for name, side in zip(("of_rows", "of_columns"), sides, strict=True):
            window = gaussian_filter1d(np.eye(side), _SIGMA, axis=0, mode="reflect", radius=_RADIUS)
            self.register_buffer(name, torch.from_numpy(window), persistent=False)  # follows from the size

    def forward(self, a, b):
        """Mean over the inner pixels of all channels, (b, C, H, W) twice -> (b,)."""
        maps = self.maps(a, b)
        for axis, margin in zip((2, 3), self.margins, strict=True):
            maps = maps.narrow(axis, margin, maps.shape[axis] - 2 * margin)
        return maps.flatten(1).mean(1)

    def maps(self, a, b):
        """SSIM at each pixel, (b, C, H, W)."""
        a, b = a.double(), b.double()
        mean_a, mean_b, aa, bb, ab = (self._blurred(x) for x in (a, b, a * a, b * b, a * b))
        product, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
        return (
            (2 * product + self.c1)
            * (2 * (ab - product) + self.c2)
            / ((squares + self.c1) * (aa + bb - squares + self.c2))
        )

    def _blurred(self, x):
        return self.of_rows @ x @ self.of_columns.T
