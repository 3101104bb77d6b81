"""Which samples are shown, where, in which colours, and with which words."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from matplotlib.colors import to_rgba

from sklearn_occ.plotting import SampleGalleryDisplay


@pytest.fixture
def numbered():
    """Twelve images (n, 4, 5), uint8, each of one value, and scores that fall with its distance from 5.2."""
    X = np.repeat(np.arange(12, dtype=np.uint8) * 20, 20).reshape(12, 4, 5)
    return X, -np.abs(np.arange(12) - 5.2)


def shown(display):
    """Value / 20 of the first pixel of each picture, in drawing order."""
    return [int(image.get_array().flat[0]) // 20 for image in display.images_]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("most_normal", [5, 6, 4]),
        ("most_anomalous", [11, 0, 10]),
        ("both", [5, 6, 4, 11, 0, 10]),
    ],
)
def test_order(numbered, order, expected):
    X, scores = numbered
    display = SampleGalleryDisplay.from_predictions(X, scores, n_samples=3, order=order)
    assert shown(display) == expected
    assert np.concatenate(list(display.rows.values())).tolist() == expected
    captions = [image.axes.get_xlabel() for image in display.images_]
    assert captions == [f"{scores[row]:.4g}" for row in expected]


def test_ties_keep_the_order_of_the_rows():
    X = np.arange(5, dtype=np.uint8)[:, None, None] * np.full((1, 2, 2), 20, np.uint8)
    display = SampleGalleryDisplay.from_predictions(X, np.zeros(5), n_samples=2, order="both")
    assert shown(display) == [0, 1, 4, 3]


def test_blocks_begin_new_lines(numbered):
    X, scores = numbered
    display = SampleGalleryDisplay.from_predictions(X, scores, n_samples=4, order="both", n_columns=3)
    assert display.axes_.shape == (4, 3)
    assert [bool(ax.axison) for ax in display.axes_.flat] == 2 * [True, True, True, True, False, False]
    assert display.axes_[0, 0].get_ylabel() == "most normal"
    assert display.axes_[2, 0].get_ylabel() == "most anomalous"
    assert SampleGalleryDisplay.from_predictions(X, scores, n_samples=50).axes_.shape == (2, 8)
    assert len(SampleGalleryDisplay.from_predictions(X, scores, n_samples=50).images_) == 12


def test_frames_and_words_tell_the_classes_apart(numbered):
    X, scores = numbered
    y = np.where(np.arange(12) < 8, 1, -1)
    display = SampleGalleryDisplay.from_predictions(X, scores, y, n_samples=3)
    for image, row in zip(display.images_, [11, 0, 10], strict=True):
        kind, colour = ("majority", "#0072b2") if y[row] == 1 else ("minority", "#d55e00")
        assert image.axes.get_xlabel() == f"{scores[row]:.4g}\n{kind}"
        assert image.axes.spines["left"].get_edgecolor() == to_rgba(colour)
    lines = {image.axes.spines["top"].get_linestyle() for image in display.images_}
    assert len(lines) == 2
    unlabelled = SampleGalleryDisplay.from_predictions(X, scores, n_samples=1)
    assert not unlabelled.images_[0].axes.spines["left"].get_visible()


def test_no_caption_covers_another(numbered, overlaps):
    X, scores = numbered
    y = np.resize([1, -1], 12)
    display = SampleGalleryDisplay.from_predictions(X, -1.2345e-7 + 1e-11 * scores, y, n_samples=8, order="both")
    texts = [text for ax in display.axes_.flat for text in (ax.xaxis.label, ax.yaxis.label)]
    assert overlaps(display.figure_, texts) == []


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (np.array([[[0, 51]], [[102, 255]]], dtype=np.uint8), [[0, 51]]),
        (np.array([[[0, 0.2]], [[0.4, 0.9]]], dtype=np.float32), [[0, 51]]),
        (np.array([[[-1.0, 1.0]], [[0.0, 4.0]]]), [[0, 102]]),
        (np.full((2, 1, 2), 3.0), [[0, 0]]),
        (np.array([[[[0, 51]], [[9, 9]]]] * 2, dtype=np.uint8), [[0, 51]]),
        (np.array([[[[0, 51]], [[1, 2]], [[3, 4]]]] * 2, dtype=np.uint8), [[[0, 1, 3], [51, 2, 4]]]),
    ],
    ids=["uint8", "unit interval", "other floats", "constant", "two channels", "RGB"],
)
def test_bytes(X, expected):
    display = SampleGalleryDisplay.from_predictions(X, [2, 1], order="most_normal")
    np.testing.assert_array_equal(display.images_[0].get_array(), expected)
    assert display.images_[0].get_clim() == (0, 255)
    np.testing.assert_array_equal(display.pictures()["most normal"][0], expected)


def test_images_of_several_sizes():
    X = [np.full((3, 4), 255, np.uint8), np.ones((6, 2)) * 5, np.zeros((2, 2))]
    display = SampleGalleryDisplay.from_predictions(X[1:], [2, 1], order="most_normal")
    assert [image.get_array().shape for image in display.images_] == [(6, 2), (2, 2)]
    assert display.images_[0].get_array().max() == 255
    mixed = SampleGalleryDisplay.from_predictions(X, [3, 2, 1], order="most_normal")
    assert [image.get_array().max() for image in mixed.images_] == [51, 255, 0]  # bytes are read as [0, 1]


@pytest.mark.parametrize("name", ["OCSVM", "CAE"])
def test_estimator_and_predictions_agree(name, blobs):
    X, y = blobs(12), np.repeat([1, -1], 6)
    occ = quick(name).fit(X)
    first = SampleGalleryDisplay.from_estimator(occ, X, y, n_samples=5, order="both")
    second = SampleGalleryDisplay.from_predictions(X, occ.score_samples(X), y, n_samples=5, order="both")
    for key, rows in first.rows.items():
        np.testing.assert_array_equal(rows, second.rows[key])
    best = occ.score_samples(X).argmax()
    np.testing.assert_array_equal(first.images_[0].get_array(), X[best])


def test_places(numbered):
    X, scores = numbered
    figure, ax = pyplot.subplots()
    display = SampleGalleryDisplay.from_predictions(X, scores, n_samples=4, ax=ax)
    assert display.figure_ is figure
    assert not ax.axison
    box = ax.get_position()
    assert all(box.x0 <= panel.get_position().x0 < box.x1 for panel in display.axes_.flat)
    assert SampleGalleryDisplay.from_predictions(X, scores, n_samples=1, ax=ax).axes_[0, 0] is ax
    own = SampleGalleryDisplay.from_predictions(X, scores, n_samples=2, image_kw={"cmap": "gray_r"})
    assert own.images_[0].get_cmap().name == "gray_r"


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((3, 5)), r"A sample has shape \(5,\), but a picture needs \(height, width\)"),
        (np.ones((3, 8, 8, 3)), "looks like channels last, expected channels first; use np.moveaxis"),
        (np.ones((4, 2, 2)), "There are 3 scores, but 4 images"),
    ],
)
def test_errors_of_images(X, message):
    with pytest.raises(ValueError, match=message):
        SampleGalleryDisplay.from_predictions(X, [1, 2, 3])


def test_a_table_is_refused_before_it_is_scored(rng):
    class Untouched:
        def score_samples(self, X):
            raise AssertionError

    with pytest.raises(ValueError, match="a table has none"):
        SampleGalleryDisplay.from_estimator(Untouched(), rng.normal(size=(5, 3)))


@pytest.mark.parametrize("kwargs", [{"n_samples": 0}, {"order": "random"}, {"n_columns": 0}, {"scores": [np.inf] * 3}])
def test_errors_of_parameters(kwargs):
    with pytest.raises(ValueError, match="parameter of|must be finite"):
        SampleGalleryDisplay.from_predictions(**{"X": np.ones((3, 2, 2)), "scores": [1, 2, 3]} | kwargs)


def test_properties_of_the_text_by_their_short_names(rng):
    display = SampleGalleryDisplay.from_predictions(
        rng.random((2, 5, 5)), [1.0, 2.0], text_kw={"size": 5, "labelpad": 1}
    )
    assert {ax.xaxis.label.get_fontsize() for ax in display.axes_.flat} == {5}


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, list])
def test_one_value_that_is_none_does_not_blacken_the_others(kind, value, rng):
    X = rng.random((3, 5, 5))
    X[2, 0, 0] = value
    with pytest.raises(ValueError, match="An image holds NaN or infinity"):
        SampleGalleryDisplay.from_predictions(kind(X), [1.0, 2.0, 3.0], n_samples=1)


def test_errors_name_the_parameters(rng):
    X = rng.random((2, 5, 5))
    with pytest.raises(ValueError, match="^scores must be finite"):
        SampleGalleryDisplay.from_predictions(X, [1.0, np.nan])
    with pytest.raises(ValueError, match="^scores holds no score"):
        SampleGalleryDisplay.from_predictions(X[:0], [])
