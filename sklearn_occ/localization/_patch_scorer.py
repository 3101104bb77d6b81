"""PatchScorer: a fitted detector of patches over the patches of one image."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..base._anomaly_map import of_kind
from ..base._input import as_taken_by
from ._patches import Blend, blocks


class PatchScores(NamedTuple):
    """Patches of one image: `corners`, their top and left pixel, int (k, 2), and `scores`, float64 (k,)."""

    corners: np.ndarray
    scores: np.ndarray


class PatchScorer:
    """Scores and maps of single images.

    Parameters
    ----------
    estimator : estimator
        Fitted, of patches.
    layout : PatchLayout
        Where patches lie.
    """

    def __init__(self, estimator, layout):
        self._estimator = estimator
        self._layout = layout

    def scores(self, image):
        """`PatchScores` of an image."""
        of_blocks = [(corners, self._estimator.score_samples(patches)) for corners, patches in self._blocks(image)]
        return PatchScores(*(np.concatenate(parts) for parts in zip(*of_blocks, strict=True)))

    def map(self, image, resolution, smoothing, kind=None):
        """The blended map, float32 (H, W), and which of its pixels are those of a patch, bool (H, W).

        `kind` is that of the detector's map, None its default.
        """
        blend = Blend(image.shape[-2:], self._layout.patch_shape)
        in_pixels = self._is_in_pixels(resolution)
        if kind is not None and not in_pixels:
            raise ValueError(
                f"kind={kind!r} is of a map in pixels, but this one shows minus the score of each patch; set "
                "resolution='pixels', with a patch scorer that reconstructs, or kind=None."
            )
        params = of_kind(self._estimator, kind) if in_pixels else {}
        for corners, patches in self._blocks(image):
            if in_pixels:
                blend.add(corners, self._estimator.anomaly_map(patches, **params))
            else:
                blend.add(corners, -self._estimator.score_samples(patches)[:, np.newaxis, np.newaxis])
        blended, covered = blend.result()
        return (ndimage.gaussian_filter(blended, smoothing) if smoothing else blended), covered

    def _is_in_pixels(self, resolution):
        if resolution == "auto":
            return hasattr(self._estimator, "reconstruct") and hasattr(self._estimator, "anomaly_map")
        if resolution == "pixels" and not hasattr(self._estimator, "anomaly_map"):
            name = type(self._estimator).__name__
            raise ValueError(f"resolution='pixels', but {name} has no anomaly_map; set resolution='patches'.")
        return resolution == "pixels"

    def _blocks(self, image):
        """Yield corners and patches, as the estimator takes them, block by block."""
        for corners, patches in blocks(image, self._layout.on_grid(image), self._layout.patch_shape):
            yield corners, as_taken_by(self._estimator, patches)
