"""The patches that train a patch scorer: all of them, or a new random sample in every epoch."""

import numpy as np
import torch
from skorch.callbacks import Callback

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
    usable : list of int
        Numbers of the usable images.
    """

    def __init__(self, images, layout, seed):
        self._layout = layout
        self._seed = seed
        on_grid = images.each(lambda index, image: len(layout.on_grid(image)))
        on_grid = {index: n_patches for index, n_patches in on_grid if n_patches is not None}
        if not on_grid:
            raise ValueError(f"None of {len(images)} images can be used, expected at least 1; see the warning.")
        self.usable = list(on_grid)
        self._n_on_grid = sum(on_grid.values())
        self._images = images.take(self.usable)

    def all(self):
        """Every patch of the grid, (n, h, w) or (n, C, h, w)."""
        return self._gathered(self._n_on_grid, self._images, lambda number, image: self._layout.on_grid(image))

    def draw(self, epoch, n_patches):
        """`n_patches` patches at random positions, as many of each image as of any other, or one more."""
        n_images = len(self._images)
        order = np.random.default_rng([self._seed, epoch]).permutation(n_images)
        counts = n_patches // n_images + (order < n_patches % n_images)
        numbers = np.flatnonzero(counts)

        def positions(k, image):
            number = int(numbers[k])
            return self._layout.at_random(image, counts[number], np.random.default_rng([self._seed, epoch, number]))

        return self._gathered(n_patches, self._images.take(numbers), positions)

    def _gathered(self, n_patches, images, positions):
        channels = () if images.kind.n_channels == 1 else (images.kind.n_channels,)
        found = np.empty((n_patches, *channels, *self._layout.patch_shape), np.float32)
        done = 0

        def place(number, image):
            nonlocal done
            corners = positions(number, image)
            found[done : done + len(corners)] = cut(image, corners, self._layout.patch_shape)
            done += len(corners)

        for _ in images.each(place):
            pass
        if done < n_patches:
            raise ValueError(
                f"{n_patches - done} of {n_patches} patches are missing, as images that could be read when the fit "
                "began cannot be read now; fit again."
            )
        return found


class RenewedPatches(Callback):
    """Replace the rows a network trains on by a new sample before each epoch but the first.

    Parameters
    ----------
    draw : callable
        `draw(epoch, n_patches)` returns the rows. Set to None after the fit, so that the images can go; it is not
        pickled.
    """

    def __init__(self, draw):
        self.draw = draw

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        epoch = net.epochs_[net.stage_]
        if epoch and self.draw is not None:
            rows = torch.from_numpy(self.draw(epoch, len(dataset_train)))
            dataset_train.copy_(rows.view(dataset_train.shape))

    def __deepcopy__(self, memo):
        return self  # the images are not copied

    def __getstate__(self):
        return {"draw": None}
