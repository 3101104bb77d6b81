"""aupr_score against the definition, written out, and its scorers in scikit-learn's model selection."""

import pickle

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_occ.metrics import aupr_majority_scorer, aupr_minority_scorer, aupr_score, g_mean_threshold
from sklearn_occ.model_selection import OneClassKFold


def definition(y_true, y_score, pos_label):
    """Sum of recall steps times precision, one step for each distinct score."""
    positive, score = y_true == pos_label, pos_label * y_score
    area, recall_before = 0.0, 0.0
    for threshold in np.unique(score)[::-1]:
        called = score >= threshold
        recall = (called & positive).sum() / positive.sum()
        area += (recall - recall_before) * (called & positive).sum() / called.sum()
        recall_before = recall
    return area


def labels(rng, n):
    return np.concatenate([[1, -1], rng.choice([1, -1], n - 2, p=[0.7, 0.3])])


@pytest.mark.parametrize("pos_label", [1, -1])
@pytest.mark.parametrize("n_levels", [3, 20, 10**9])
@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definition(pos_label, n_levels, seed):
    rng = np.random.default_rng(seed)
    y_true, y_score = labels(rng, 60), rng.integers(n_levels, size=60).astype(float)
    expected = definition(y_true, y_score, pos_label)
    assert aupr_score(y_true, y_score, pos_label=pos_label) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("pos_label", [1, -1])
def test_perfect_scores_give_one_and_constant_scores_the_proportion(pos_label):
    y_true = np.array([1, 1, 1, -1])
    assert aupr_score(y_true, [3.0, 2.0, 1.0, 0.0], pos_label=pos_label) == 1.0
    assert aupr_score(y_true, np.ones(4), pos_label=pos_label) == (y_true == pos_label).mean()


def test_worst_ranking_in_closed_form():
    # two minority rows above three majority rows: majority precision 1/3, 2/4, 3/5 at recall 1/3, 2/3, 1
    assert aupr_score([1, 1, 1, -1, -1], [0, 1, 2, 3, 4]) == pytest.approx((1 / 3 + 2 / 4 + 3 / 5) / 3)


def test_default_class_is_the_majority():
    y_true, y_score = [1, 1, 1, -1, -1], [0.9, 0.8, 0.2, 0.3, 0.1]
    assert aupr_score(y_true, y_score) == aupr_score(y_true, y_score, pos_label=1) == pytest.approx(11 / 12)


def test_unsigned_scores_do_not_wrap_when_the_sign_is_turned():
    assert aupr_score([1, 1, -1], np.array([200, 100, 0], dtype=np.uint8), pos_label=-1) == 1.0


BAD = [
    ([1, 0, 1], [1.0, 2.0, 3.0], "y_true holds 1 .2 rows., 0 .1 rows., expected 1 .majority. and -1 .minority. only"),
    (["a", "b", "a"], [1.0, 2.0, 3.0], "y_true holds 'a' .2 rows., 'b'"),
    ([1.0, np.nan, -1.0], [1.0, 2.0, 3.0], "y_true holds 1 gaps"),
    ([1, 1, 1], [1.0, 2.0, 3.0], r"3 majority \(1\) and 0 minority \(-1\) rows"),
    ([-1, -1, -1], [1.0, 2.0, 3.0], r"0 majority \(1\) and 3 minority \(-1\) rows"),
    ([1, -1, 1], [1.0, 2.0], "3 labels but y_score has 2 scores"),
    ([1, -1, 1], [1.0, 2.0, np.nan], "must be finite, got nan at row 2"),
    ([1, -1, 1], [1.0, -np.inf, 0.0], "must be finite, got -inf at row 1"),
    ([1, -1, 1], [[1.0, 2.0]] * 3, "1d array"),
]


@pytest.mark.parametrize("metric", [aupr_score, g_mean_threshold])
@pytest.mark.parametrize(("y_true", "y_score", "message"), BAD)
def test_bad_labels_and_scores(metric, y_true, y_score, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_score)


@pytest.mark.parametrize("pos_label", [0, 2, "1", None])
def test_bad_pos_label(pos_label):
    with pytest.raises(ValueError, match="'pos_label' parameter of aupr_score must be"):
        aupr_score([1, -1], [1.0, 0.0], pos_label=pos_label)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(60, 3)), rng.normal(1.5, 1.5, size=(25, 3))])
    return X, np.repeat([1, -1], [60, 25])


@pytest.mark.parametrize(("scorer", "pos_label"), [(aupr_majority_scorer, 1), (aupr_minority_scorer, -1)])
@pytest.mark.parametrize(
    "detector",
    [
        OneClassSVM(),
        IsolationForest(n_estimators=10, random_state=0),
        make_pipeline(StandardScaler(), OneClassSVM()),
    ],
)
def test_scorers_in_cross_val_score(data, detector, scorer, pos_label):
    X, y = data
    cv = OneClassKFold(4)
    scores = cross_val_score(detector, X, y, cv=cv, scoring=scorer)
    expected = []
    for train, test in cv.split(X, y):
        decision = detector.fit(X[train]).decision_function(X[test])
        expected.append(average_precision_score(y[test] == pos_label, pos_label * decision))
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize(("scorer", "pos_label"), [(aupr_majority_scorer, 1), (aupr_minority_scorer, -1)])
def test_scorers_keep_the_sign_of_a_classifier(data, scorer, pos_label):
    X, y = data
    classifier = LogisticRegression().fit(X, y)
    expected = aupr_score(y, classifier.decision_function(X), pos_label=pos_label)
    assert scorer(classifier, X, y) == expected


def test_scorers_choose_in_grid_search_and_pickle(data):
    X, y = data
    scoring = pickle.loads(pickle.dumps({"maj": aupr_majority_scorer, "min": aupr_minority_scorer}))
    grid = {"gamma": [1e-3, 0.1, 100.0]}
    search = GridSearchCV(OneClassSVM(), grid, cv=OneClassKFold(4), scoring=scoring, refit="min").fit(X, y)
    means = search.cv_results_["mean_test_min"]
    assert search.best_params_ == {"gamma": grid["gamma"][int(np.argmax(means))]}
    assert means.max() > means.min()
    assert not np.allclose(means, search.cv_results_["mean_test_maj"])
