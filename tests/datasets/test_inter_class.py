"""convert_images and inter_class_test_set: channels against pillow, sizes, dtypes and their scales."""

import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize

from sklearn_occ.datasets import convert_images, inter_class_test_set


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (4, 3, 20, 30), dtype=np.uint8)


@pytest.fixture
def grey(rng):
    return rng.integers(0, 256, (5, 12, 12), dtype=np.uint8)


def test_colour_becomes_the_grey_that_pillow_gives(colour):
    like = np.zeros((2, 20, 30), np.uint8)
    converted = convert_images(colour, like)
    expected = [np.asarray(Image.fromarray(np.moveaxis(image, 0, -1)).convert("L")) for image in colour]
    assert converted.dtype == np.uint8
    assert np.abs(converted.astype(int) - expected).max() <= 1
    assert np.abs(converted.astype(int) - expected).mean() < 0.2  # one rounds, the other cuts off


@pytest.mark.parametrize("n_channels", [3, 5])
def test_grey_fills_every_channel(grey, n_channels):
    converted = convert_images(grey, np.zeros((1, n_channels, 12, 12), np.uint8))
    np.testing.assert_array_equal(converted, np.repeat(grey[:, None], n_channels, axis=1))


@pytest.mark.parametrize("shape", [(3, 8, 9), (3, 40, 31)])
def test_sizes(colour, shape):
    converted = convert_images(colour, np.zeros((1, *shape)))
    expected = [resize(image / 255, shape, order=1, anti_aliasing=True) for image in colour]
    np.testing.assert_allclose(converted, expected, atol=1e-6)


def test_what_shrinks_is_blurred_first(rng):
    stripes = np.tile(np.array([0, 255], np.uint8), (1, 64, 32))
    shrunk = convert_images(stripes, np.zeros((1, 16, 16), np.uint8))
    assert np.abs(shrunk[0, :, 2:-2].astype(int) - 127).max() < 12


@pytest.mark.parametrize("like_shape", [(3, 12, 12), (3, 1, 12, 12)])
@pytest.mark.parametrize("given_shape", [(12, 12), (1, 12, 12)])
def test_axis_of_one_channel_as_in_like(rng, given_shape, like_shape):
    images = rng.random((2, *given_shape))
    converted = convert_images(images, np.zeros(like_shape))
    assert converted.shape == (2, *like_shape[1:])
    np.testing.assert_array_equal(converted.ravel(), images.ravel())


@pytest.mark.parametrize(
    ("dtype", "like_dtype", "factor"),
    [
        (np.uint8, np.uint8, 1),
        (np.uint8, np.float32, 1 / 255),
        (np.uint8, np.float64, 1 / 255),
        (np.float32, np.uint8, 255),
        (np.float64, np.float32, 1),
    ],
)
def test_dtypes_and_their_scales(rng, dtype, like_dtype, factor):
    images = rng.integers(0, 256, (2, 5, 5)).astype(dtype) if dtype == np.uint8 else rng.random((2, 5, 5)).astype(dtype)
    converted = convert_images(images, np.ones((1, 5, 5), like_dtype))
    assert converted.dtype == like_dtype
    expected = images.astype(np.float64) * factor
    rounded = np.rint(expected) if like_dtype == np.uint8 else expected
    np.testing.assert_allclose(converted, rounded, rtol=1e-6)


def test_floats_keep_any_scale_beside_floats_that_are_not_in_the_unit_range(rng):
    images = 100 * rng.normal(size=(2, 5, 5))
    np.testing.assert_array_equal(convert_images(images, -np.ones((1, 5, 5))), images)


def test_a_list_of_unlike_images(colour, grey):
    images = [colour[0], grey[0], grey[1] / 255, grey[2][None].astype(np.float32) / 255]
    converted = convert_images(images, np.zeros((1, 12, 12), np.uint8))
    np.testing.assert_array_equal(converted[1:], grey[:3])
    np.testing.assert_array_equal(converted[:1], convert_images(colour[:1], np.zeros((1, 12, 12), np.uint8)))


def test_the_others_do_not_matter(colour):
    like = np.zeros((1, 9, 9))
    np.testing.assert_array_equal(convert_images(colour, like)[2:3], convert_images(colour[2:3], like))


def test_a_test_set(grey, colour):
    X_test, y_test = inter_class_test_set(grey, colour)
    np.testing.assert_array_equal(X_test[:5], grey)
    np.testing.assert_array_equal(X_test[5:], convert_images(colour, grey))
    assert y_test.tolist() == [1] * 5 + [-1] * 4
    assert X_test.dtype == grey.dtype


@pytest.mark.parametrize(
    ("images", "like", "message"),
    [
        (np.zeros((2, 2, 5, 5)), np.zeros((1, 5, 5)), r"images\[0\] has 2 channels, but 1 are wanted"),
        (np.zeros((2, 3, 5, 5)), np.zeros((1, 4, 5, 5)), r"images\[0\] has 3 channels, but 4 are wanted"),
        (np.zeros((2, 9, 8, 3)), np.zeros((1, 5, 5)), r"looks like channels last.*np.moveaxis\(images\[0\], -1, 0\)"),
        (
            np.zeros((2, 5, 5)),
            np.zeros((2, 9, 8, 3)),
            r"like\[0\] has shape \(9, 8, 3\), which looks like",
        ),
        (np.zeros((2, 5, 5), np.uint16), np.zeros((1, 5, 5)), r"images\[0\] is uint16, expected uint8 or float"),
        (np.zeros((2, 5, 5)), np.zeros((1, 5, 5), int), r"like\[0\] is int64, expected uint8 or float"),
        ([np.zeros((5, 5)), np.full((5, 5), 1.5)], np.zeros((1, 5, 5), np.uint8), r"images\[1\] is float and must lie"),
        (
            np.full((2, 5, 5), 255.0),
            np.ones((1, 5, 5), np.float32),
            r"images\[0\] is float and must lie in .0, 1., got 255.0: divide by the range",
        ),
        (np.full((2, 5, 5), -0.1), np.ones((1, 5, 5)), r"images\[0\] is float and must lie in .0, 1., got -0.1"),
        ([np.zeros((5, 5)), np.full((5, 5), np.nan)], -np.ones((1, 5, 5)), r"images\[1\] holds NaN or infinity"),
        (np.full((2, 5, 5), np.inf), np.full((1, 5, 5), 300.0), r"images\[0\] holds NaN or infinity"),
        (np.zeros((2, 5, 5)), np.stack([np.zeros((5, 5)), np.full((5, 5), np.nan)]), "like holds NaN or infinity"),
        (np.zeros((2, 5, 5), np.uint8), np.full((1, 5, 5), -0.5), "like is float and must lie in .0, 1., got -0.5"),
        (np.zeros((2, 5)), np.zeros((1, 5, 5)), r"images\[0\] has shape \(5,\), expected \(H, W\)"),
        (np.zeros((2, 5, 5)), np.zeros((7, 25)), r"like has shape \(7, 25\), expected images"),
        (np.zeros((2, 5, 5)), np.zeros((0, 5, 5)), r"like has shape \(0, 5, 5\)"),
        ([], np.zeros((1, 5, 5)), "images is empty"),
    ],
)
def test_errors(images, like, message):
    with pytest.raises(ValueError, match=message):
        convert_images(images, like)
