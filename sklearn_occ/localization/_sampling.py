"""The patches that train a patch scorer: all of them, or a new random sample in every epoch."""

import numpy as np
import torch
from skorch.callbacks import Callback

from ._images import check_channels, n_channels_of
from ._patches import cut


class TrainingPatches:
    """Patches of the usable images.

    Parameters
    ----------
    images : Images
        To cut from.
    layout : PatchLayout
        Where patches lie.
    seed : int
        A patch depends on it, the epoch and the number of its image alone.

    Attributes
    ----------
    n_channels : int or None
        Of the images; None for (H, W).
    """

    def __init__(self, images, layout, seed):
        self._layout = layout
        self._seed = seed
        on_grid = {index: n for index, n in images.each(self._survey) if n is not None}
        if not on_grid:
            raise ValueError(f"None of {len(images)} images can be used, expected at least 1; see the warning.")
        self._n_on_grid = sum(on_grid.values())
        self._images = images.take(list(on_grid))

    def _survey(self, index, image):
        if not hasattr(self, "n_channels"):
            self.n_channels = n_channels_of(image)
        check_channels(image, self.n_channels)
        return len(self._layout.on_grid(image))

    def all(self):
        """Every patch of the grid, (n, h, w) or (n, C, h, w)."""
        return self._gathered(self._n_on_grid, lambda number, image: self._layout.on_grid(image))

    def draw(self, epoch, n_patches):
        """`n_patches` patches at random positions, as many of each image as of any other, or one more."""
        n_images = len(self._images)
        first = np.random.default_rng([self._seed, epoch]).permutation(n_images)
        counts = n_patches // n_images + (first < n_patches % n_images)

        def positions(number, image):
            random = np.random.default_rng([self._seed, epoch, number])
            corners = self._layout.anywhere(image)
            chosen = random.choice(len(corners), counts[number], replace=len(corners) < counts[number])
            return corners[chosen]

        return self._gathered(n_patches, positions)

    def _gathered(self, n_patches, positions):
        channels = () if self.n_channels is None else (self.n_channels,)
        found = np.empty((n_patches, *channels, *self._layout.patch_shape), np.float32)
        done = 0

        def place(number, image):
            nonlocal done
            corners = positions(number, image)
            found[done : done + len(corners)] = cut(image, corners, self._layout.patch_shape)
            done += len(corners)

        for _ in self._images.each(place):
            pass
        return found


class RenewedPatches(Callback):
    """Replace the rows a network trains on by a new sample before each epoch but the first.

    Parameters
    ----------
    draw : callable
        `draw(epoch, n_patches)` returns the rows; it is not pickled.
    """

    def __init__(self, draw):
        self.draw = draw

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        epoch = net.epochs_[net.stage_]
        if epoch:
            rows = torch.from_numpy(self.draw(epoch, len(dataset_train)))
            dataset_train.copy_(rows.view(dataset_train.shape))

    def __deepcopy__(self, memo):
        return self  # the images are not copied

    def __getstate__(self):
        return {"draw": None}
