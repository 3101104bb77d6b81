"""Which images are shown, in which columns, with which values and words."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_occ import CAE
from sklearn_occ.model_selection import MajorityOnly, OneClassKFold
from sklearn_occ.plotting import ReconstructionDisplay


@pytest.fixture
def numbered():
    """Eight images of one value each, uint8, and reconstructions one level of grey darker."""
    X = np.repeat(np.arange(1, 9, dtype=np.uint8) * 20, 12).reshape(8, 3, 4)
    return X, (X - 1) / 255


def first_pixels(display):
    return [[int(image.get_array().flat[0]) for image in line] for line in display.images_]


def titles(display):
    return [ax.get_title() for ax in display.axes_[0]]


def test_columns_and_lines(numbered):
    X, made = numbered
    display = ReconstructionDisplay.from_predictions(X, made, n_samples=3)
    assert first_pixels(display) == [[20, 19], [40, 39], [60, 59]]
    assert titles(display) == ["image", "reconstruction"]
    assert display.parts is None
    parts = {"coarse": made / 2, "fine": X}
    display = ReconstructionDisplay.from_predictions(X, made, parts=parts, n_samples=1)
    assert titles(display) == ["image", "coarse", "fine", "reconstruction"]
    assert first_pixels(display) == [[20, 10, 20, 19]]


def test_the_first_of_each_class(numbered):
    X, made = numbered
    y = np.array([-1, 1, 1, -1, 1, 1, -1, -1])
    display = ReconstructionDisplay.from_predictions(X, made, y, n_samples=2)
    assert display.rows.tolist() == [1, 2, 0, 3]
    assert [line[0].get_ylabel() for line in display.axes_] == ["majority"] * 2 + ["minority"] * 2
    colours = [line[0].spines["left"].get_edgecolor() for line in display.axes_]
    assert colours == [to_rgba("#0072b2")] * 2 + [to_rgba("#d55e00")] * 2
    assert len({line[0].spines["left"].get_linestyle() for line in display.axes_}) == 2
    assert not display.axes_[0, 1].spines["left"].get_visible()
    assert len(ReconstructionDisplay.from_predictions(X, made, y, n_samples=9).rows) == 8


def test_names_stand_beside_the_images(numbered, overlaps):
    X, made = numbered
    names = [f"a rather long name\n({k})" for k in range(8)]
    display = ReconstructionDisplay.from_predictions(X, made, names=names, n_samples=8)
    labels = [line[0].yaxis.label for line in display.axes_]
    assert [label.get_text() for label in labels] == names
    assert not display.axes_[0, 0].spines["left"].get_visible()
    assert overlaps(display.figure_, [*labels, *(ax.title for ax in display.axes_[0])]) == []


def test_floats_share_black_and_white_with_the_images():
    X = np.stack([np.full((2, 2), -1.0), np.full((2, 2), 3.0)])
    display = ReconstructionDisplay.from_predictions(X, X + 1)
    assert first_pixels(display) == [[0, 64], [255, 255]]


@pytest.mark.parametrize("name", ["CascadeVAE", "CVAD"])
@pytest.mark.parametrize("channels", [None, 3])
def test_parts_of_a_cascade(name, channels, blobs):
    X = blobs(12, channels=channels)
    occ = quick(name).fit(X)
    display = ReconstructionDisplay.from_estimator(occ, X, np.repeat([1, -1], 6), n_samples=2)
    assert titles(display) == ["image", "primary", "branch", "reconstruction"]
    assert display.rows.tolist() == [0, 1, 6, 7]
    for drawn, array in zip(display.images_[2], [X / 255, *occ.reconstruct_parts(X), occ.reconstruct(X)], strict=True):
        expected = np.rint(255 * array[6])
        shown = drawn.get_array() if channels is None else np.moveaxis(drawn.get_array(), -1, 0)
        np.testing.assert_allclose(shown, expected, atol=1)


def test_a_method_without_parts(blobs):
    X = blobs(6)
    display = ReconstructionDisplay.from_estimator(quick("CAE").fit(X), X)
    assert display.axes_.shape == (4, 2)
    assert display.parts is None


def test_only_what_is_shown_is_reconstructed(blobs, monkeypatch):
    X, y = blobs(20), np.repeat([1, -1], 10)
    occ = quick("CAE").fit(X)
    expected, reconstruct, asked = occ.reconstruct(X), CAE.reconstruct, []

    def noted(self, X):
        asked.append(len(X))
        return reconstruct(self, X)

    monkeypatch.setattr(CAE, "reconstruct", noted)
    display = ReconstructionDisplay.from_estimator(occ, X, y, n_samples=3)
    assert asked == [6]
    assert display.rows.tolist() == [0, 1, 2, 10, 11, 12]
    np.testing.assert_allclose(display.reconstructions, expected[display.rows], atol=1e-6)
    for kwargs in ({"names": ["a"] * 19}, {"y": y[1:]}, {"n_samples": 0}):
        with pytest.raises(ValueError, match=r"19 names|19 labels|'n_samples'"):
            ReconstructionDisplay.from_estimator(occ, X, **kwargs)
    assert asked == [6]


def inverted(X):
    return 1 - X


WRAPPED = {
    "majority": lambda occ: MajorityOnly(make_pipeline(FunctionTransformer(inverted), occ)),
    "pipeline": lambda occ: make_pipeline(FunctionTransformer(inverted), occ),
    "search": lambda occ: GridSearchCV(
        MajorityOnly(make_pipeline(FunctionTransformer(inverted), occ)),
        {"estimator__cae__max_epochs": [1]},
        cv=OneClassKFold(2),
        scoring="roc_auc",
    ),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_inside_another_estimator(wrap, blobs):
    X, y = blobs(20).astype(np.float32) / 255, np.tile([1, -1], 10)
    outer = wrap(quick("CAE")).fit(X, y)
    inner = getattr(outer, "best_estimator_", outer)
    occ = getattr(inner, "estimator_", inner)[-1]
    display = ReconstructionDisplay.from_estimator(outer, X, y, n_samples=2)
    assert display.rows.tolist() == [0, 2, 1, 3]
    np.testing.assert_array_equal(display.images, 1 - X)
    np.testing.assert_allclose(display.reconstructions, occ.reconstruct(1 - X[[0, 2, 1, 3]]), atol=1e-6)


@pytest.mark.parametrize("wrap", [lambda occ: occ, make_pipeline, MajorityOnly], ids=["alone", "pipeline", "majority"])
def test_an_estimator_that_is_not_fitted(wrap, blobs):
    with pytest.raises(NotFittedError, match="fitted"):
        ReconstructionDisplay.from_estimator(wrap(quick("CAE")), blobs(12))


def test_places(numbered):
    X, made = numbered
    figure, ax = pyplot.subplots()
    display = ReconstructionDisplay.from_predictions(X, made, n_samples=2, ax=ax, image_kw={"cmap": "gray_r"})
    assert display.figure_ is figure
    assert display.images_[0][0].get_cmap().name == "gray_r"
    again = display.plot(pyplot.figure().add_gridspec(1, 1))
    assert again.figure_ is not figure


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"reconstructions": np.ones((8, 3, 3))}, r"reconstructions has shape \(8, 3, 3\), expected \(8, 3, 4\)"),
        ({"parts": {"fine": np.ones((7, 3, 4))}}, r"fine has shape \(7, 3, 4\), expected \(8, 3, 4\)"),
        ({"names": ["a"] * 7}, "There are 7 names, but 8 images"),
        ({"y_true": [1] * 7}, "There are 7 labels, but 8 rows"),
        ({"n_samples": 0}, "The 'n_samples' parameter"),
        ({"X": np.ones((8, 12))}, "a picture needs"),
    ],
)
def test_errors(numbered, kwargs, message):
    X, made = numbered
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_predictions(**{"X": X, "reconstructions": made} | kwargs)


def test_an_estimator_without_reconstructions(rng):
    X = rng.normal(size=(10, 3))
    with pytest.raises(ValueError, match="implementing 'reconstruct'"):
        ReconstructionDisplay.from_estimator(quick("OCSVM").fit(X), X)
