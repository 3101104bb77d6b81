import numpy as np
import pytest

from sklearn_occ.datasets._images import resize_image


@pytest.mark.parametrize("shape", [(30, 50), (3, 30, 50)])
@pytest.mark.parametrize("size", [7, 40, 90])
def test_uint8_is_rounded_and_not_cut_off(shape, size):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    resized = resize_image(image, size)
    as_float = resize_image(image.astype(np.float32), size)
    assert resized.dtype == np.uint8
    assert as_float.dtype == np.float32
    assert resized.shape == as_float.shape == (*shape[:-2], size, size)
    assert np.abs(resized - as_float).max() <= 0.5 + 1e-4


def test_channels_are_resized_each_by_itself():
    image = np.random.default_rng(0).random((3, 20, 30), dtype=np.float32)
    expected = np.stack([resize_image(channel, 8) for channel in image])
    np.testing.assert_allclose(resize_image(image, 8), expected, rtol=1e-5)


def test_an_enlarged_ramp_stays_a_ramp():
    """Bilinear: of 4 columns 0, 1, 2, 3 made 8, the inner ones lie at 0.25, 0.75, ..., 2.75."""
    ramp = np.tile(np.arange(4, dtype=np.float32), (4, 1))
    np.testing.assert_allclose(resize_image(ramp, 8)[3, 1:-1], np.arange(0.25, 3, 0.5), rtol=1e-5)


def test_the_right_size_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    np.testing.assert_array_equal(resize_image(image, 9), image)
