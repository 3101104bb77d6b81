"""The contract's promises on the threshold and the p-values."""

import pickle

import numpy as np
import pytest
from conftest import quick

from sklearn_occ import OCSVM
from sklearn_occ.base._fit_state import FitState

SEEDS = range(20)


def fit_on_gaussians(make, seed, n_train=200, **params):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_train + 200, 6)) @ rng.normal(size=(6, 6))
    train, new = X[:n_train], X[n_train:]
    return make(random_state=seed, **params).fit(train), train, new


@pytest.fixture
def X(rng):
    return rng.normal(size=(100, 6))


def test_contamination_is_the_share_of_training_rows_below(make, X):
    for contamination in (0.05, 0.1, 0.5):
        occ = make(contamination=contamination).fit(X)
        assert (occ.predict(X) == -1).sum() == round(100 * contamination)


def test_decision_and_prediction_follow_the_offset(make, X):
    occ = make(contamination=0.2).fit(X)
    decision = occ.decision_function(X)
    np.testing.assert_array_equal(decision, occ.score_samples(X) - occ.offset_)
    np.testing.assert_array_equal(occ.predict(X), np.where(decision >= 0, 1, -1))


def test_no_contamination_puts_the_threshold_at_the_lowest_score(make, X):
    occ = make(contamination=None).fit(X)
    assert occ.offset_ == occ.score_samples(X).min()
    assert (occ.predict(X) == 1).all()


def test_set_contamination_moves_the_threshold_without_fitting(make, X):
    occ = make(contamination=0.1).fit(X)
    scores = occ.score_samples(X)
    assert occ.set_contamination(0.3) is occ
    np.testing.assert_array_equal(occ.score_samples(X), scores)
    assert occ.offset_ == make(contamination=0.3).fit(X).offset_
    assert occ.get_params()["contamination"] == 0.3
    assert occ.set_contamination(None).offset_ == scores.min()
    with pytest.raises(ValueError, match="contamination"):
        occ.set_contamination(0.7)


def test_rows_held_out_set_the_threshold(make, X):
    occ = make(contamination=0.1, threshold_data="validation", validation_fraction=0.3).fit(X)
    everywhere = occ.score_samples(X)
    assert len(occ.calibration_scores_) == 30
    assert np.isin(np.round(occ.calibration_scores_, 9), np.round(everywhere, 9)).all()
    trained_on = make(contamination=0.1, validation_fraction=0.3).fit(X)
    assert len(trained_on.calibration_scores_) == 70
    both = np.sort(np.concatenate([occ.calibration_scores_, trained_on.calibration_scores_]))
    np.testing.assert_allclose(both, np.sort(everywhere), rtol=1e-6)


@pytest.mark.parametrize(("fraction", "n_held_out"), [(0.148, 7), (0.15, 8), (0.152, 8), (0.001, 1)])
def test_how_many_rows_are_held_out(fraction, n_held_out, rng):
    occ = OCSVM(threshold_data="validation", validation_fraction=fraction).fit(rng.normal(size=(50, 3)))
    assert len(occ.calibration_scores_) == n_held_out


def test_rows_are_held_out_at_random(make, rng):
    X = np.sort(rng.normal(size=(60, 1)), axis=0) + rng.normal(size=(60, 4)) / 100
    occ = make(validation_fraction=0.5).fit(X)
    assert 5 < occ._fit_state.training_rows[:30].searchsorted(30) < 25
    again = make(validation_fraction=0.5, random_state=1).fit(X)
    assert not np.array_equal(occ._fit_state.training_rows, again._fit_state.training_rows)


def test_false_alarms_on_new_rows_are_near_nominal(make):
    params = {"contamination": 0.1, "threshold_data": "validation", "validation_fraction": 0.5}
    rates = []
    for seed in SEEDS:
        occ, _, new = fit_on_gaussians(make, seed, **params)
        rates.append((occ.predict(new) == -1).mean())
    assert np.mean(rates) == pytest.approx(0.1, abs=0.02)  # standard error about 0.007


def test_p_values_are_uniform_on_new_rows(make):
    p = []
    for seed in SEEDS:
        occ, _, new = fit_on_gaussians(make, seed, threshold_data="validation", validation_fraction=0.5)
        p.append(occ.p_value(new))
    p = np.concatenate(p)
    assert p.min() >= 1 / 101 and p.max() <= 1
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert (p <= level).mean() == pytest.approx(level, abs=0.05)


def test_p_value_counts_calibration_rows_not_above(make, X):
    occ = make().fit(X)
    scores = occ.score_samples(X[:7])
    expected = [(1 + (occ.calibration_scores_ <= score).sum()) / 101 for score in scores]
    np.testing.assert_array_equal(occ.p_value(X[:7]), expected)


def test_training_scores_give_false_alarms_that_held_out_ones_do_not():
    # What threshold_data is for: an overfitted autoencoder.
    def make(**params):
        return quick("CAE", max_epochs=60, lr=1e-2, n_components=3, contamination=0.05, **params)

    rates = {"train": [], "validation": []}
    for seed in SEEDS:
        for data, found in rates.items():
            occ, _, new = fit_on_gaussians(make, seed, n_train=50, threshold_data=data, validation_fraction=0.5)
            found.append((occ.predict(new) == -1).mean())
    assert np.mean(rates["validation"]) == pytest.approx(0.05, abs=0.03)
    assert np.mean(rates["train"]) > np.mean(rates["validation"]) + 0.02


def test_what_a_fit_keeps_to_itself_is_in_one_object(make, X):
    occ = make(random_state=0).fit(X)
    hidden = [name for name in vars(occ) if name.startswith("_") and name != "_metadata_request"]
    assert hidden == ["_fit_state"]
    assert isinstance(occ._fit_state, FitState)


def test_a_fit_that_fails_leaves_the_state_of_the_fit_before(make, X):
    occ = make(random_state=0).fit(X)
    state, fields, scores = occ._fit_state, dict(vars(occ._fit_state)), occ.score_samples(X)
    if "warm_start" in occ.get_params():
        occ.set_params(warm_start=True)
    with pytest.raises(ValueError, match="identical"):
        occ.fit(np.ones((50, 6)))
    assert occ._fit_state is state
    assert all(vars(state)[name] is value for name, value in fields.items())
    np.testing.assert_array_equal(occ.score_samples(X), scores)
    other = pickle.loads(pickle.dumps(occ))
    np.testing.assert_array_equal(other._fit_state.training_rows, state.training_rows)
    np.testing.assert_array_equal(other.score_samples(X), scores)
