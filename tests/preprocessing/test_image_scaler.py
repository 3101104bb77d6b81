import sys
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from skimage.exposure import equalize_hist

from sklearn_occ.preprocessing import ImageScaler, _image_scaler

METHODS = ["l1", "l2", "zscore", "equalize"]
each_method = pytest.mark.parametrize("method", METHODS)


def by_formula(image, method):
    """One image (C, H, W) or (H, W), without blocks and without rescaling."""
    c = image - image.mean()
    return (
        c
        / {
            "l1": np.sum(np.abs(c)) / c.size,
            "l2": np.sqrt(np.sum(c**2)),
            "zscore": np.sqrt(np.sum(c**2) / c.size),
        }[method]
    )


@pytest.mark.parametrize("method", ["l1", "l2", "zscore"])
@pytest.mark.parametrize("shape", [(7, 5), (1, 7, 5), (3, 7, 5), (40,)])
def test_formula(method, shape, rng):
    X = rng.normal(3, 2, (6, *shape))
    scaled = ImageScaler(method).fit_transform(X)
    for image, result in zip(X, scaled, strict=True):
        np.testing.assert_allclose(result, by_formula(image, method), rtol=1e-12, atol=1e-12)


def test_equalize_is_that_of_scikit_image(rng):
    X = rng.gamma(2, size=(5, 32, 24))
    equalized = ImageScaler("equalize").fit_transform(X)
    for image, result in zip(X, equalized, strict=True):
        np.testing.assert_allclose(result, equalize_hist(image, nbins=256), rtol=1e-9)


def test_equalize_is_the_share_of_pixels_that_are_not_brighter(rng):
    X = rng.gamma(2, size=(5, 64, 64))
    share = rankdata(X.reshape(5, -1), method="max", axis=1).reshape(X.shape) / 64**2
    equalized = ImageScaler("equalize").fit_transform(X)
    assert np.abs(equalized - share).max() < 0.02
    assert equalized.min() > 0
    assert np.all(equalized.max(axis=(1, 2)) == 1)


def test_equalize_takes_each_channel_by_itself(rng):
    X = rng.random((4, 3, 16, 16)) * np.array([1, 10, 100]).reshape(3, 1, 1)
    equalized = ImageScaler("equalize").fit_transform(X)
    for channel in range(3):
        alone = ImageScaler("equalize").fit_transform(X[:, channel])
        np.testing.assert_array_equal(equalized[:, channel], alone)
    flat = ImageScaler("equalize", image_shape=(3, 16, 16)).fit_transform(X.reshape(4, -1))
    np.testing.assert_array_equal(flat, equalized.reshape(4, -1))
    as_one_channel = ImageScaler("equalize").fit_transform(X.reshape(4, -1))
    assert np.abs(as_one_channel - flat).max() > 0.1


@pytest.mark.parametrize("method", ["l1", "l2", "zscore"])
def test_channels_share_one_mean(method, rng):
    X = rng.random((4, 2, 8, 8)) + np.array([0, 5]).reshape(2, 1, 1)
    scaled = ImageScaler(method).fit_transform(X)
    np.testing.assert_allclose(scaled.mean(axis=(1, 2, 3)), 0, atol=1e-12)
    assert np.all(scaled[:, 0] < 0)


@each_method
@pytest.mark.parametrize(("gain", "offset"), [(7.3, 0), (1, -40), (1e-200, 0), (0.02, 3)])
def test_gain_and_offset_of_an_image_do_not_matter(method, gain, offset, rng):
    X = rng.random((5, 12, 10))
    scaler = ImageScaler(method)
    np.testing.assert_allclose(scaler.fit_transform(gain * X + offset), scaler.fit_transform(X), atol=1e-10)


def test_no_overflow_at_the_ends_of_float64():
    X = np.array([[1.7e308, -1.7e308, 0, 0], [0, 0, -1.7e308, 1.7e308]])
    scaled = ImageScaler("l2").fit_transform(X)
    np.testing.assert_allclose(scaled, np.sign(X) / np.sqrt(2), atol=1e-15)


def test_an_increasing_curve_does_not_matter_to_equalize(rng):
    X = rng.random((5, 64, 64))
    scaler = ImageScaler("equalize")
    equalized = scaler.fit_transform(X)
    assert np.abs(scaler.fit_transform(np.exp(X)) - equalized).max() < 0.02
    assert np.abs(scaler.fit_transform(-X) - equalized).max() > 0.9


@each_method
@pytest.mark.parametrize("level", [0, 0.1, 1 / 3, -1e20])
def test_constant_image_becomes_zeros(method, level, rng):
    X = rng.random((3, 9, 9))
    X[1] = level
    scaled = ImageScaler(method).fit_transform(X)
    np.testing.assert_array_equal(scaled[1], 0)
    assert np.all(scaled[[0, 2]].std(axis=(1, 2)) > 0)


def test_contrast_of_one_rounding_step_counts(rng):
    X = np.ones((2, 4, 4))
    X[:, 0, 0] = np.nextafter(1, 2)
    scaled = ImageScaler("zscore").fit_transform(X)
    np.testing.assert_allclose(scaled[0, 0, 0], np.sqrt(15))
    equalized = ImageScaler("equalize").fit_transform(X)
    np.testing.assert_allclose(np.unique(equalized), [15 / 16, 1])


def test_constant_channel_becomes_zeros(rng):
    X = rng.random((3, 2, 9, 9))
    X[:, 1] = 0.5
    equalized = ImageScaler("equalize").fit_transform(X)
    np.testing.assert_array_equal(equalized[:, 1], 0)
    np.testing.assert_array_equal(equalized[:, 0], ImageScaler("equalize").fit_transform(X[:, 0]))


@each_method
def test_layout_of_the_input_is_kept(method, rng):
    X = rng.random((4, 6, 5))
    scaler = ImageScaler(method).fit(X)
    expected = scaler.transform(X)
    assert expected.shape == (4, 6, 5)
    for layout in [(4, 30), (4, 1, 6, 5)]:
        np.testing.assert_array_equal(scaler.transform(X.reshape(layout)), expected.reshape(layout))
    np.testing.assert_array_equal(scaler.transform(X.tolist()), expected)
    np.testing.assert_array_equal(scaler.transform(np.asfortranarray(X)), expected)


@each_method
def test_order_in_memory_does_not_show_in_the_result(method, rng):
    X = rng.random((30, 500))
    scaler = ImageScaler(method).fit(X)
    np.testing.assert_array_equal(scaler.transform(np.asfortranarray(X)), scaler.transform(X))


@each_method
def test_uint8_is_read_as_float32_over_255(method, blobs):
    images = blobs(6)
    scaled = ImageScaler(method).fit_transform(images)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(
        scaled, ImageScaler(method).fit_transform(images.astype(np.float32) / np.float32(255))
    )
    if method != "equalize":
        in_float64 = ImageScaler(method).fit_transform(images / 255)
        np.testing.assert_allclose(scaled, in_float64, atol=1e-6)


def test_blocks_do_not_show_in_the_result(monkeypatch, rng):
    X = rng.random((7, 3, 6, 6))
    whole = [ImageScaler(method).fit_transform(X) for method in METHODS]
    monkeypatch.setattr(_image_scaler, "_BLOCK_VALUES", 2 * 3 * 36)
    for method, expected in zip(METHODS, whole, strict=True):
        np.testing.assert_array_equal(ImageScaler(method).fit_transform(X), expected)


@each_method
def test_memory_beside_the_result_is_that_of_a_block(method, tmp_path, monkeypatch, rng):
    monkeypatch.setattr(_image_scaler, "_BLOCK_VALUES", 2**14)
    path = tmp_path / "images.npy"
    np.save(path, rng.integers(0, 256, (300, 64, 64), dtype=np.uint8))
    X = np.load(path, mmap_mode="r")
    scaler = ImageScaler(method).fit(X)
    scaler.transform(X[:2])  # imports
    tracemalloc.start()
    scaled = scaler.transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < scaled.nbytes + 6 * 8 * 2**14


def test_feature_names_are_those_of_the_table(rng):
    table = pd.DataFrame(rng.random((5, 3)), columns=["a", "b", "c"], index=[3, 1, 4, 1, 5])
    scaled = ImageScaler().set_output(transform="pandas").fit_transform(table)
    assert list(scaled.columns) == ["a", "b", "c"]
    assert list(scaled.index) == [3, 1, 4, 1, 5]
    np.testing.assert_allclose(scaled.std(axis=1, ddof=0), 1)


def test_only_equalize_needs_scikit_image(monkeypatch, rng):
    X = rng.random((3, 6, 6))
    monkeypatch.setitem(sys.modules, "skimage.exposure", None)
    for method in ("l1", "l2", "zscore"):
        assert np.isfinite(ImageScaler(method).fit_transform(X)).all()
    with pytest.raises(ImportError, match=r'equalize.* needs skimage.*pip install "sklearn_occ\[images\]"'):
        ImageScaler("equalize").fit_transform(X)
