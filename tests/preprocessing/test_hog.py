import sys
from functools import partial

import numpy as np
import pytest
from skimage.feature import hog
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from sklearn_occ import OCSVM
from sklearn_occ.datasets import fetch_chest_xray_pneumonia
from sklearn_occ.preprocessing import HOG

EPS = 1e-5


def l2(v):
    return v / np.sqrt(np.sum(v**2) + EPS**2)


NORMS = {
    "L2-Hys": lambda v: l2(np.minimum(l2(v), 0.2)),
    "L2": l2,
    "L1": lambda v: v / (np.sum(v) + EPS),
    "L1-sqrt": lambda v: np.sqrt(v / (np.sum(v) + EPS)),
}


def by_formula(image, orientations, cell, block, norm="L2-Hys"):
    """Features of one image (C, H, W), written from Dalal and Triggs in NumPy alone."""
    along_rows, along_columns = np.zeros((2, *image.shape))
    along_rows[:, 1:-1] = image[:, 2:] - image[:, :-2]
    along_columns[:, :, 1:-1] = image[:, :, 2:] - image[:, :, :-2]
    length = np.sqrt(along_rows**2 + along_columns**2)
    angle = np.rad2deg(np.arctan2(along_rows, along_columns)) % 180
    longest = length.argmax(axis=0)[None]
    length, angle = (np.take_along_axis(a, longest, axis=0)[0] for a in (length, angle))

    n_rows, n_columns = length.shape[0] // cell[0], length.shape[1] // cell[1]
    histograms = np.empty((n_rows, n_columns, orientations))
    for i in range(n_rows):
        for j in range(n_columns):
            pixels = np.s_[i * cell[0] : (i + 1) * cell[0], j * cell[1] : (j + 1) * cell[1]]
            bins = np.floor(angle[pixels] * orientations / 180).astype(int).ravel()
            votes = np.bincount(bins, length[pixels].ravel(), minlength=orientations)
            histograms[i, j] = votes / np.prod(cell)

    features = []
    for i in range(n_rows - block[0] + 1):
        for j in range(n_columns - block[1] + 1):
            features.append(NORMS[norm](histograms[i : i + block[0], j : j + block[1]].ravel()))
    return np.concatenate(features)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(
    ("orientations", "cell", "block"), [(9, (8, 8), (3, 3)), (6, (5, 7), (2, 1)), (4, (1, 3), (2, 4))]
)
def test_formula(channels, orientations, cell, block, rng):
    X = rng.random((3, channels, 27, 31))
    transformer = HOG(orientations=orientations, pixels_per_cell=cell, cells_per_block=list(block)).fit(X)
    expected = [by_formula(image, orientations, cell, block) for image in X]
    np.testing.assert_allclose(transformer.transform(X), expected, atol=1e-6)  # scikit-image sums in float32
    assert transformer.pixels_per_cell_ == cell
    assert transformer.cells_per_block_ == block


@pytest.mark.parametrize("norm", NORMS)
def test_normalisation_of_a_block(norm, rng):
    X = rng.random((3, 40, 33))
    expected = [by_formula(image[None], 9, (8, 8), (3, 3), norm) for image in X]
    np.testing.assert_allclose(HOG(block_norm=norm).fit_transform(X), expected, atol=1e-6)
    constant = HOG(block_norm=norm).fit_transform(np.full((2, 24, 24), 0.5))
    np.testing.assert_array_equal(constant, np.zeros((2, 81)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_equals_scikit_image(dtype, rng):
    X = rng.integers(0, 256, (4, 32, 40)).astype(np.uint8)
    X = X if dtype == np.uint8 else X.astype(dtype) / dtype(255)
    features = HOG().fit_transform(X)
    images = X.astype(np.float32) / np.float32(255) if dtype == np.uint8 else X
    expected = [hog(x, 9, (8, 8), (3, 3), block_norm="L2-Hys") for x in images]
    np.testing.assert_array_equal(features, expected)
    assert features.dtype == (np.float64 if dtype == np.float64 else np.float32)


def test_colour_equals_scikit_image(rng):
    X = rng.random((4, 3, 32, 40))
    expected = [hog(x, 9, (8, 8), (3, 3), block_norm="L2-Hys", channel_axis=0) for x in X]
    np.testing.assert_array_equal(HOG().fit_transform(X), expected)


@pytest.mark.parametrize(
    ("side", "cell", "block"),
    [
        ((24, 24), (8, 8), (3, 3)),
        ((28, 28), (8, 8), (3, 3)),
        ((23, 24), (7, 8), (3, 3)),
        ((8, 8), (2, 2), (3, 3)),
        ((3, 100), (1, 8), (3, 3)),
        ((2, 9), (1, 3), (2, 3)),
        ((1, 1), (1, 1), (1, 1)),
    ],
)
def test_cells_then_blocks_shrink_with_the_image(side, cell, block, rng):
    X = rng.random((3, *side))
    transformer = HOG().fit(X)
    assert transformer.pixels_per_cell_ == cell
    assert transformer.cells_per_block_ == block
    expected = [hog(x, 9, cell, block, block_norm="L2-Hys") for x in X]
    np.testing.assert_array_equal(transformer.transform(X), expected)
    assert len(transformer.get_feature_names_out()) == np.shape(expected)[1]


def test_edges_fall_into_the_bin_of_their_direction():
    ramps = np.zeros((3, 24, 24))
    ramps[0] = np.arange(24)  # brighter to the right: 0 degrees
    ramps[1] = np.arange(24)[:, None]  # 90 degrees, the middle one of nine bins
    features = HOG(cells_per_block=1).fit_transform(ramps).reshape(3, 9, 9)
    np.testing.assert_allclose(features[0], np.eye(9)[np.zeros(9, int)], atol=1e-6)
    np.testing.assert_allclose(features[1], np.eye(9)[np.full(9, 4)], atol=1e-6)
    np.testing.assert_array_equal(features[2], 0)  # no edge at all


def test_gain_and_offset_do_not_matter(rng):
    X = rng.random((4, 32, 32))
    transformer = HOG().fit(X)
    np.testing.assert_allclose(transformer.transform(0.3 * X + 5), transformer.transform(X), atol=1e-6)


def test_row_of_a_table_is_an_image_one_pixel_high(rng):
    X = rng.random((5, 40))
    transformer = HOG().fit(X)
    np.testing.assert_array_equal(transformer.transform(X), HOG().fit_transform(X[:, None, :]))
    assert (transformer.pixels_per_cell_, transformer.cells_per_block_) == ((1, 8), (1, 3))
    assert transformer.image_shape_ is None


def test_flat_images_equal_shaped_ones(rng):
    X = rng.random((4, 2, 28, 30))
    shaped = HOG().fit(X)
    flat = HOG(image_shape=(2, 28, 30)).fit(X.reshape(4, -1))
    np.testing.assert_array_equal(flat.transform(X.reshape(4, -1)), shaped.transform(X))
    np.testing.assert_array_equal(shaped.transform(X.reshape(4, -1)), flat.transform(X))


def test_output_as_a_data_frame(rng):
    features = HOG().set_output(transform="pandas").fit_transform(rng.random((3, 24, 24)))
    assert list(features.columns) == [f"hog{k}" for k in range(81)]


@pytest.mark.parametrize("name", ["pixels_per_cell", "cells_per_block"])
@pytest.mark.parametrize("size", [(3,), (3, 3, 3), (3, 0), (2.0, 3), ["a", "b"], ()])
def test_sizes_are_checked(name, size, rng):
    with pytest.raises(ValueError, match=rf"{name}=.*expected a positive int or a pair"):
        HOG(**{name: size}).fit(rng.random((3, 24, 24)))


@pytest.mark.parametrize("scale", [1e39, 1e308])
def test_features_that_are_not_finite_are_refused(scale, rng):
    X = rng.random((4, 24, 24))
    X[2] *= scale
    with pytest.raises(ValueError, match=r"features of row 2 are not finite \(1 such rows\).*scale or remove"):
        HOG().fit_transform(X)


def test_scikit_image_is_needed(monkeypatch, rng):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(ImportError, match=r'HOG needs skimage.*pip install "sklearn_occ\[images\]"'):
        HOG().fit_transform(rng.random((3, 24, 24)))


def test_chest_x_rays_are_told_apart_better_than_by_pixels(real_data):
    real_data("chestx_64.npz")
    data = fetch_chest_xray_pneumonia(image_size=64)
    svm = partial(OCSVM, nu=0.15, gamma="auto")
    auc = {}
    for name, detector in {"pixels": svm(), "hog": make_pipeline(HOG(), svm())}.items():
        auc[name] = roc_auc_score(data.y_test, detector.fit(data.X_train).score_samples(data.X_test))
    assert auc["hog"] > auc["pixels"] + 0.1
    assert auc["hog"] > 0.7
