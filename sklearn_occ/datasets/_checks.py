"""What images have to be before they are changed."""

from ..base._input import looks_channels_last


def refuse_channels_last(shape, name):
    """Raise the ValueError of an image (C, H, W) or of images (n, C, H, W) whose channels come last."""
    if looks_channels_last(shape[-3:]):
        raise ValueError(
            f"{name} has shape {shape}, which looks like channels last, expected channels first: use "
            f"np.moveaxis({name}, -1, {len(shape) - 3})."
        )


def refuse_outside_unit_range(images, name, remedy):
    """Raise the ValueError of floats that are not all in [0, 1]."""
    outside = ~((images >= 0) & (images <= 1))
    if outside.any():
        raise ValueError(f"{name} is float and must lie in [0, 1], got {images[outside][0]}: {remedy}.")
