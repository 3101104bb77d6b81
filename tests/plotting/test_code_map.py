"""Projections of codes and centre, classes, both constructors."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_occ.plotting import CodeMapDisplay


@pytest.fixture
def codes(rng):
    return rng.normal(size=(30, 5)) * [5, 3, 1, 1, 0.5] + 7


def test_points_and_centre_are_projected_by_one_pca(codes, rng):
    center = rng.normal(size=5)
    display = CodeMapDisplay.from_codes(codes, center=center)
    mean = codes.mean(0)
    _, singular, axes = np.linalg.svd(codes - mean, full_matrices=False)
    signs = np.sign(np.sum(display.points * ((codes - mean) @ axes[:2].T), axis=0))
    np.testing.assert_allclose(display.points, (codes - mean) @ axes[:2].T * signs)
    np.testing.assert_allclose(display.center, (center - mean) @ axes[:2].T * signs)
    np.testing.assert_allclose(display.shares, singular[:2] ** 2 / (singular**2).sum())
    np.testing.assert_allclose(display.points_["samples"].get_offsets(), display.points)
    np.testing.assert_allclose(display.center_.get_offsets(), [display.center])
    assert display.ax_.get_xlabel() == f"component 1 ({100 * display.shares[0]:.0f} % of the variance)"
    assert display.ax_.get_aspect() == 1


def test_tsne_embeds_the_centre_with_the_codes(codes):
    center = codes.mean(0)
    display = CodeMapDisplay.from_codes(codes, center=center, method="tsne", random_state=3)
    expected = TSNE(perplexity=10, random_state=3).fit_transform(np.vstack([codes, center]))
    np.testing.assert_array_equal(display.points, expected[:-1])
    np.testing.assert_array_equal(display.center, expected[-1])
    assert not len(display.ax_.get_xticks())
    other = CodeMapDisplay.from_codes(codes, method="tsne", random_state=3)
    assert other.center_ is None
    assert len(other.points) == 30


def test_classes_by_marker_and_colour(codes):
    y = np.repeat([1, -1], [25, 5])
    display = CodeMapDisplay.from_codes(codes, y, minority_kw={"s": 50, "ec": "k", "lw": 2})
    majority, minority = display.points_["majority"], display.points_["minority"]
    np.testing.assert_array_equal(majority.get_offsets(), display.points[:25])
    np.testing.assert_array_equal(minority.get_offsets(), display.points[25:])
    assert not np.array_equal(majority.get_facecolor(), minority.get_facecolor())
    assert len(majority.get_paths()[0]) != len(minority.get_paths()[0])
    assert minority.get_zorder() > majority.get_zorder()
    assert minority.get_sizes() == [50]
    assert minority.get_linewidths() == [2]
    assert majority.get_linewidths() == [0]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["majority", "minority"]


@pytest.mark.parametrize("name", ["ConOCC", "DeepSVDD"])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_estimator_and_codes_agree(name, method, blobs):
    X, y = blobs(20), np.repeat([1, -1], 10)
    occ = quick(name).fit(X)
    first = CodeMapDisplay.from_estimator(occ, X, y, method=method, random_state=0)
    second = CodeMapDisplay.from_codes(occ.transform(X), y, center=occ.center_, method=method, random_state=0)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.center, second.center)
    assert first.center_ is not None


def test_centre_of_stages_and_of_none(blobs):
    X = blobs(20)
    pipe = make_pipeline(FunctionTransformer(), quick("ConOCC")).fit(X)
    assert CodeMapDisplay.from_estimator(pipe, X).center is not None
    two_stages = quick("COCSVM", narrow=False, autoencoder=quick("ConOCC"))
    assert CodeMapDisplay.from_estimator(two_stages.fit(X), X).center is not None
    assert CodeMapDisplay.from_estimator(quick("CAE").fit(X), X).center is None


@pytest.mark.parametrize("n_components", [None, 512])
def test_the_centre_of_tend_is_not_among_its_codes(n_components, blobs):
    X = blobs(20)
    assert CodeMapDisplay.from_estimator(quick("TEND", n_components=n_components).fit(X), X).center is None


def test_collapsed_codes():
    display = CodeMapDisplay.from_codes(np.ones((6, 3)), center=np.ones(3))
    assert display.shares.tolist() == [0, 0]
    np.testing.assert_allclose(display.points, 0)
    with pytest.raises(ValueError, match="All 6 codes are identical"):
        CodeMapDisplay.from_codes(np.ones((6, 3)), method="tsne")


def test_axes_that_are_given(codes):
    figure, ax = pyplot.subplots()
    display = CodeMapDisplay.from_codes(codes, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    cell = pyplot.figure().add_gridspec(2, 2)[0, 1]
    assert CodeMapDisplay.from_codes(codes, ax=cell).ax_.get_subplotspec().get_topmost_subplotspec() == cell


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"codes": np.ones((9, 1))}, r"codes has shape \(9, 1\), but a map needs at least 3 rows of 2 numbers"),
        ({"codes": np.ones((2, 4))}, r"codes has shape \(2, 4\)"),
        ({"codes": np.full((9, 2), np.nan)}, "codes contains NaN"),
        ({"center": [1, 2]}, r"center has shape \(2,\), but codes have 5 components"),
        ({"y": np.zeros(30)}, "^y holds 0.0 .30 rows., expected 1"),
        ({"method": "umap"}, "'method' parameter"),
    ],
)
def test_errors(codes, kwargs, message):
    with pytest.raises(ValueError, match=message):
        CodeMapDisplay.from_codes(**{"codes": codes} | kwargs)


def test_an_estimator_without_codes(rng):
    X = rng.normal(size=(10, 3))
    with pytest.raises(ValueError, match="implementing 'transform'"):
        CodeMapDisplay.from_estimator(quick("OCSVM").fit(X), X)


def test_colours_by_either_name(rng):
    codes, y = rng.normal(size=(20, 3)), np.repeat([1, -1], 10)
    display = CodeMapDisplay.from_codes(
        codes, y, center=np.zeros(3), majority_kw={"c": "red"}, minority_kw={"color": "red"}, center_kw={"c": "red"}
    )
    assert display.points_["majority"].get_facecolor()[0].tolist() == [1, 0, 0, 0.6]
    assert display.points_["minority"].get_facecolor()[0].tolist() == [1, 0, 0, 0.6]
    assert display.center_.get_facecolor()[0].tolist() == [1, 0, 0, 1]
    own = CodeMapDisplay.from_codes(codes, majority_kw={"c": np.arange(20)})
    assert own.points_["samples"].get_array().tolist() == list(range(20))
