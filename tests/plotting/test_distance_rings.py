"""Where rows and circle are drawn, which distances methods have, and what is refused."""

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_occ.model_selection import MajorityOnly
from sklearn_occ.plotting import DistanceRingsDisplay


@pytest.fixture
def distances(rng):
    return rng.gamma(3, 2, 60)


@pytest.fixture
def y():
    return np.repeat([1, -1], [45, 15])


def radii(collection):
    return np.hypot(*np.ma.filled(collection.get_offsets(), np.nan).T)


def test_points_lie_at_their_distances(distances, y):
    display = DistanceRingsDisplay.from_distances(distances, y, limit=distances.max(), radius=5.0)
    np.testing.assert_allclose(radii(display.points_["majority"]), distances[:45])
    np.testing.assert_allclose(radii(display.points_["minority"]), distances[45:])
    np.testing.assert_allclose(np.hypot(*display.radius_.get_data()), 5)
    np.testing.assert_array_equal(display.center_.get_offsets(), [[0, 0]])
    assert display.ax_.get_aspect() == 1
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["majority", "minority", "radius 5"]
    assert display.ax_.get_xlabel() == "distance from the centre; the angle is random"


def test_angles_are_random_all_around_and_seeded(distances):
    many = np.ones(4000)
    angles = DistanceRingsDisplay.from_distances(many).angles
    assert np.histogram(angles, 8, (0, 2 * np.pi))[0].min() > 430
    first, second, other = (DistanceRingsDisplay.from_distances(distances, random_state=s).angles for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_rows_beyond_the_limit_are_counted(distances, y):
    display = DistanceRingsDisplay.from_distances(distances, y, limit=6.0)
    within = distances <= 6
    assert 0 < within.sum() < 60
    shown = np.concatenate([radii(display.points_[name]) for name in ("majority", "minority")])
    np.testing.assert_array_equal(np.isnan(shown), ~within)
    assert f"\n{(~within).sum()} of 60 rows lie beyond" in display.ax_.get_xlabel()
    assert display.limit_ == 6
    display.figure_.canvas.draw()
    for low, high in (display.ax_.get_xlim(), display.ax_.get_ylim()):
        assert low <= -6
        assert high >= 6


@pytest.mark.parametrize(("radius", "expected"), [(None, 99.0), (300.0, 300.0), (0.0, 99.0)])
def test_default_limit(radius, expected):
    display = DistanceRingsDisplay.from_distances(np.arange(101), radius=radius)
    assert display.limit_ == pytest.approx(1.05 * expected)
    assert DistanceRingsDisplay.from_distances(np.zeros(3)).limit_ == 1


def test_numbers_on_both_sides_are_distances(distances, overlaps):
    display = DistanceRingsDisplay.from_distances(distances)
    display.figure_.canvas.draw()
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert labels == labels[::-1]
    assert labels[len(labels) // 2] == "0"
    assert "-" not in "".join(labels)
    assert overlaps(display.figure_, display.ax_.get_xticklabels()) == []


@pytest.mark.parametrize("name", ["ConOCC", "DeepSVDD", "DeepSVDD-soft"])
def test_distances_of_codes(name, blobs):
    X = blobs(20)
    occ = quick(name).fit(X)
    display = DistanceRingsDisplay.from_estimator(occ, X)
    expected = np.sqrt(np.square(occ.transform(X).astype(np.float64) - occ.center_).sum(1))
    np.testing.assert_allclose(display.distances, expected, rtol=1e-12)
    assert display.radius == getattr(occ, "radius_", None)
    assert (display.radius_ is None) == (name == "ConOCC")


def test_distances_of_tend_are_those_of_its_head(blobs):
    X = blobs(20)
    occ = quick("TEND").fit(X)  # margin 10
    display = DistanceRingsDisplay.from_estimator(occ, X)
    share = -occ.score_parts(X)["distance"]
    np.testing.assert_allclose(display.distances**2, 10 * share, rtol=1e-12)
    assert display.radius == 10**0.5
    ablation = quick("TEND", classifier=False).fit(X)
    distances = DistanceRingsDisplay.from_estimator(ablation, X).distances
    np.testing.assert_allclose(-(distances**2) / 10, ablation.score_samples(X), rtol=1e-12)


def halved(X):
    return 0.5 * X


@pytest.mark.parametrize("name", ["TEND", "DeepSVDD"])
def test_in_a_pipeline(name, blobs):
    X = blobs(20).astype(np.float32) / 255
    alone = DistanceRingsDisplay.from_estimator(quick(name).fit(halved(X)), halved(X))
    pipe = make_pipeline(FunctionTransformer(halved), quick(name)).fit(X)
    inside = DistanceRingsDisplay.from_estimator(pipe, X)
    np.testing.assert_array_equal(inside.distances, alone.distances)
    assert inside.radius == alone.radius
    short = DistanceRingsDisplay.from_estimator(make_pipeline(quick(name)).fit(halved(X)), halved(X))
    np.testing.assert_array_equal(short.distances, alone.distances)


def test_behind_majority_only(blobs):
    X = blobs(20)
    wrapped = MajorityOnly(make_pipeline(FunctionTransformer(), quick("TEND"))).fit(X, np.repeat([1, -1], [16, 4]))
    display = DistanceRingsDisplay.from_estimator(wrapped, X)
    share = -wrapped.estimator_[-1].score_parts(X)["distance"]
    np.testing.assert_allclose(display.distances**2, 10 * share, rtol=1e-12)


def test_axes_and_looks(distances, y):
    figure, ax = pyplot.subplots()
    display = DistanceRingsDisplay.from_distances(
        distances, y, radius=4.0, ax=ax, radius_kw={"lw": 3}, minority_kw={"s": 50}, center_kw={"marker": "X"}
    )
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.radius_.get_linewidth() == 3
    assert display.points_["minority"].get_sizes() == [50]
    assert display.center_.get_sizes() == [120]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"distances": [1.0, -2.0]}, "distances must be finite and at least 0, got -2.0 at row 1"),
        ({"distances": [np.nan, 1.0]}, "distances must be finite and at least 0, got nan at row 0"),
        ({"distances": []}, "distances is empty, and there is nothing to draw: give at least one distance"),
        ({"y": [1, -1]}, "There are 2 labels, but 3 rows"),
        ({"radius": -1.0}, "The 'radius' parameter"),
        ({"limit": 0}, "The 'limit' parameter"),
    ],
)
def test_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        DistanceRingsDisplay.from_distances(**{"distances": [1.0, 2.0, 3.0]} | kwargs)


def test_an_estimator_without_a_centre(blobs):
    X = blobs(12)
    with pytest.raises(ValueError, match="CAE has no centre to measure from"):
        DistanceRingsDisplay.from_estimator(quick("CAE").fit(X), X)


@pytest.mark.parametrize("wrap", [lambda occ: occ, make_pipeline, MajorityOnly], ids=["alone", "pipeline", "majority"])
@pytest.mark.parametrize("name", ["ConOCC", "DeepSVDD", "TEND"])
def test_an_estimator_that_is_not_fitted(name, wrap, blobs):
    with pytest.raises(NotFittedError, match="fitted"):
        DistanceRingsDisplay.from_estimator(wrap(quick(name)), blobs(12))
