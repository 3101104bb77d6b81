"""Shares, bins, threshold; estimator and predictions agree."""

import io
from itertools import pairwise

import numpy as np
import pytest
from conftest import quick
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_occ.plotting import ScoreHistogramDisplay


def shares(scores, edges):
    """Percent of the scores in each bin, lower ones in the first; by counting."""
    inside = [(scores >= a) & (scores < b) for a, b in pairwise(edges)]
    inside[0] |= scores < edges[0]
    inside[-1] |= scores == edges[-1]
    return [100 * rows.sum() / len(scores) for rows in inside]


def test_bars_are_shares_of_each_class(scored):
    scores, y = scored
    display = ScoreHistogramDisplay.from_predictions(y, scores, threshold=0.25, bins=12)
    assert list(display.patches_) == ["majority", "minority"]
    for name, label in (("majority", 1), ("minority", -1)):
        values, edges, _ = display.patches_[name].get_data()
        assert len(edges) == 13
        np.testing.assert_allclose(np.diff(edges), edges[1] - edges[0])
        np.testing.assert_allclose(values, shares(scores[y == label], edges))
        np.testing.assert_allclose(values.sum(), 100)
    assert edges[0] == np.quantile(scores, 0.005)
    assert edges[-1] == scores.max()
    assert list(display.threshold_.get_xdata()) == [0.25, 0.25]
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "majority",
        "minority",
        "threshold 0.25",
    ]
    assert display.ax_.get_ylabel() == "% of the class"


def test_low_scores_go_into_the_first_bin_and_the_axis_says_so(scored):
    scores = np.append(scored[0], -1000.0)
    display = ScoreHistogramDisplay.from_predictions(None, scores, tail=0.05)
    values, edges, _ = display.patches_["samples"].get_data()
    assert edges[0] == np.quantile(scores, 0.05)
    np.testing.assert_allclose(values, shares(scores, edges))
    n_lower = (scores < edges[0]).sum()
    assert n_lower == 4
    assert f"first bin also holds {n_lower} lower scores, down to -1e+03" in display.ax_.get_xlabel()
    everything = ScoreHistogramDisplay.from_predictions(None, scores, tail=0)
    assert everything.patches_["samples"].get_data().edges[0] == -1000
    assert "first bin" not in everything.ax_.get_xlabel()


@pytest.mark.parametrize("threshold", [-50.0, 50.0])
def test_a_threshold_beyond_the_scores_is_on_the_axis(scored, threshold):
    display = ScoreHistogramDisplay.from_predictions(None, scored[0], threshold=threshold)
    low, high = display.ax_.get_xlim()
    assert low < threshold < high


def test_one_class_alone_and_equal_scores():
    display = ScoreHistogramDisplay.from_predictions([-1] * 5, np.full(5, 0.3))
    assert list(display.patches_) == ["minority"]
    assert display.patches_["minority"].get_data().values.tolist() == [100]
    assert display.threshold_ is None


def test_classes_differ_by_more_than_colour(scored):
    scores, y = scored
    majority, minority = ScoreHistogramDisplay.from_predictions(y, scores).patches_.values()
    assert majority.get_hatch() != minority.get_hatch()
    assert majority.get_linestyle() != minority.get_linestyle()


def test_colours_of_a_svg_are_those_given(scored):
    scores, y = scored
    display = ScoreHistogramDisplay.from_predictions(
        y,
        scores,
        threshold=0,
        majority_kw={"ec": "#010101", "facecolor": ("#010102", 0.5)},
        minority_kw={"edgecolor": "#010103", "label": "diseased"},
        threshold_kw={"c": "#010104"},
        legend_kw={"labelcolor": "#010105"},
    )
    buffer = io.StringIO()
    display.figure_.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    assert all(f"#01010{k}" in svg for k in range(1, 6))
    assert "diseased" in [text.get_text() for text in display.ax_.get_legend().get_texts()]
    hatched = [line for line in svg.splitlines() if "fill: url(#" in line]
    assert hatched
    assert not any("fill-opacity" in line for line in hatched)


def test_options_reach_face_and_outline(scored):
    scores, y = scored
    display = ScoreHistogramDisplay.from_predictions(
        y, scores, majority_kw={"alpha": 0.1, "zorder": 5}, minority_kw={"color": "#010203"}
    )
    of_majority, of_minority = display.ax_.patches[:2], display.ax_.patches[2:]
    assert {patch.get_alpha() for patch in of_majority} == {0.1}
    assert {patch.get_zorder() for patch in of_majority} == {5}
    assert of_majority[0].get_facecolor()[3] == 0.1
    assert of_minority[0].get_facecolor() == to_rgba("#010203", 0.25)
    assert of_minority[1].get_edgecolor() == to_rgba("#010203")


def test_outlines_alone(scored):
    display = ScoreHistogramDisplay.from_predictions(scored[1], scored[0], majority_kw={"fill": False})
    majority, minority = display.patches_.values()
    assert not majority.get_fill() and minority.get_fill()
    assert len(display.ax_.patches) == 3  # one of the majority, two of the minority


@pytest.mark.parametrize("name", ["OCSVM", "CAE"])
def test_estimator_and_predictions_agree(name, rng):
    X, y = rng.normal(size=(30, 4)), np.repeat([1, -1], 15)
    occ = quick(name).fit(X)
    first = ScoreHistogramDisplay.from_estimator(occ, X, y)
    second = ScoreHistogramDisplay.from_predictions(y, occ.score_samples(X), threshold=occ.offset_)
    assert first.threshold_.get_xdata()[0] == occ.offset_
    for key, patch in first.patches_.items():
        np.testing.assert_array_equal(patch.get_data().values, second.patches_[key].get_data().values)
        np.testing.assert_array_equal(patch.get_data().edges, second.patches_[key].get_data().edges)


def test_threshold_of_the_last_step_the_best_and_none(rng):
    X = rng.normal(size=(30, 4))
    pipe = make_pipeline(StandardScaler(), quick("OCSVM")).fit(X)
    assert ScoreHistogramDisplay.from_estimator(pipe, X).threshold == pipe[-1].offset_
    search = GridSearchCV(pipe, {"ocsvm__nu": [0.1, 0.3]}, scoring=lambda e, X, y=None: e[-1].nu).fit(X)
    assert ScoreHistogramDisplay.from_estimator(search, X).threshold == search.best_estimator_[-1].offset_
    forest = IsolationForest(n_estimators=5, random_state=0).fit(X)
    assert ScoreHistogramDisplay.from_estimator(forest, X).threshold == forest.offset_

    class Scorer:
        def score_samples(self, X):
            return X[:, 0]

    assert ScoreHistogramDisplay.from_estimator(Scorer(), X).threshold_ is None


def test_axes_that_are_given(scored):
    figure, axes = pyplot.subplots(1, 2)
    display = ScoreHistogramDisplay.from_predictions(scored[1], scored[0], ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].has_data()
    again = display.plot()
    assert again is display
    assert again.figure_ is not figure


def test_legend_covers_no_bar(scored):
    display = ScoreHistogramDisplay.from_predictions(scored[1], scored[0], threshold=0)
    display.figure_.canvas.draw()
    assert display.ax_.get_legend().get_window_extent().y0 >= display.ax_.get_window_extent().y1


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"y_true": [0, 1, 1]},
            r"^y_true holds 1 \(2 rows\), 0 \(1 rows\), expected 1 \(majority\)",
        ),
        ({"y_true": [1, -1]}, "There are 2 labels, but 3 rows: give one label for each row"),
        ({"y_true": None, "scores": []}, "scores holds no score, expected at least one"),
        ({"scores": [1, np.nan, 2]}, "^scores must be finite, got nan at row 1"),
        ({"bins": 0}, "'bins' parameter"),
        ({"tail": 0.5}, "'tail' parameter"),
        ({"threshold": "high"}, "'threshold' parameter"),
    ],
)
def test_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ScoreHistogramDisplay.from_predictions(**{"y_true": [1, 1, -1], "scores": [3, 2, 1]} | kwargs)


def test_an_estimator_without_scores(rng):
    with pytest.raises(ValueError, match="implementing 'score_samples'"):
        ScoreHistogramDisplay.from_estimator(StandardScaler(), rng.normal(size=(5, 2)))


def test_colours_are_those_of_the_classes(scored):
    majority, minority = ScoreHistogramDisplay.from_predictions(scored[1], scored[0]).patches_.values()
    assert majority.get_edgecolor() == to_rgba("#0072b2")
    assert minority.get_edgecolor() == to_rgba("#d55e00")
