"""SeedEnsemble against its members, one by one."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from conftest import CtrlC, quick
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EpochTimer
from torch import nn

from sklearn_occ import CAE, COCSVM, OCSVM, ConOCC, PCAReconstruction, SeedEnsemble
from sklearn_occ.ensemble._seed_ensemble import _ranks, _references
from sklearn_occ.model_selection import MajorityOnly
from sklearn_occ.preprocessing import ImageScaler

SMALL = CAE(max_epochs=3, lr=1e-3, channels=4)


class Dropping(nn.Module):
    """A user's encoder that draws from torch's global generator."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(144, 5))

    def forward(self, x):
        return self.layers(x)


def flat_decoder(n_components, image_shape):
    return nn.Sequential(nn.Linear(n_components, 144), nn.Unflatten(1, image_shape))


@pytest.fixture
def X(blobs):
    return blobs(60)


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5))


def test_mean_and_spread_of_the_members_scores(X, blobs):
    occ = SeedEnsemble(SMALL, n_estimators=3, combination="score", random_state=0).fit(X)
    new = blobs(20, seed=1)
    of_members = np.array([member.score_samples(new) for member in occ.estimators_])
    np.testing.assert_allclose(occ.score_samples(new), of_members.mean(0), rtol=1e-14)
    mean = of_members.sum(0) / 3
    np.testing.assert_allclose(occ.score_std(new), np.sqrt(((of_members - mean) ** 2).sum(0) / 2), rtol=1e-9)
    assert (occ.score_std(new) > 0).all()


def test_members_are_separate_fits_with_seeds_of_their_own(X):
    occ = SeedEnsemble(SMALL, n_estimators=3, random_state=0).fit(X)
    seeds = [member.random_state for member in occ.estimators_]
    assert len(set(seeds)) == 3
    for member in occ.estimators_:
        alone = clone(SMALL).set_params(random_state=member.random_state).fit(X)
        np.testing.assert_array_equal(alone.score_samples(X), member.score_samples(X))
    more = SeedEnsemble(SMALL, n_estimators=4, random_state=0).fit(X)
    assert [member.random_state for member in more.estimators_[:3]] == seeds


def test_a_seed_of_the_estimators_own_does_not_make_its_members_equal(X):
    fixed = SeedEnsemble(clone(SMALL).set_params(random_state=7), n_estimators=2, random_state=0).fit(X)
    unset = SeedEnsemble(SMALL, n_estimators=2, random_state=0).fit(X)
    np.testing.assert_array_equal(fixed.score_samples(X), unset.score_samples(X))
    assert (fixed.score_std(X) > 0).all()


def test_one_member(X):
    occ = SeedEnsemble(SMALL, n_estimators=1, combination="score", random_state=0).fit(X)
    np.testing.assert_array_equal(occ.score_samples(X), occ.estimators_[0].score_samples(X))
    np.testing.assert_array_equal(occ.score_std(X), np.zeros(60))
    ranked = SeedEnsemble(SMALL, n_estimators=1, random_state=0).fit(X)
    order = np.argsort(occ.score_samples(X))
    assert (np.diff(ranked.score_samples(X)[order]) > 0).all()


def test_ranks_are_mean_ranks_among_calibration_scores(X):
    occ = SeedEnsemble(SMALL, n_estimators=2, random_state=0).fit(X)
    expected = 0
    for member in occ.estimators_:
        scores, among = member.score_samples(X), member.calibration_scores_
        width = (np.quantile(among, 0.75) - np.quantile(among, 0.25)) / np.sqrt(60)
        expected = expected + (0.5 - np.arctan((among - scores[:, None]) / width) / np.pi).mean(1) / 2
    np.testing.assert_allclose(occ.score_samples(X), expected, rtol=1e-9)


@pytest.mark.parametrize("n", [50, 1000, 5000])
def test_a_rank_is_the_share_below_with_ties_counted_half(rng, n):
    among = np.sort(np.round(rng.normal(size=n), 2))  # with ties
    scores = np.linspace(-2, 2, 81)
    share = ((among < scores[:, None]).mean(1) + (among <= scores[:, None]).mean(1)) / 2
    reference = _references(Calibrated(among), None)
    assert len(reference[0]) == min(n, 1000)
    ranks = _ranks(scores, reference)
    assert np.abs(ranks - share).max() < 1 / np.sqrt(min(n, 1000))
    assert (np.diff(ranks) > 0).all()
    np.testing.assert_allclose(_ranks(among[:1], (among[:1], 0.1)), 0.5)


class Calibrated:
    def __init__(self, scores):
        self.calibration_scores_ = scores


def test_far_rows_keep_their_order_and_stay_finite():
    reference = _references(Calibrated(np.linspace(-2.0, -1.0, 101)), None)
    far = -(10.0 ** np.arange(1, 300, 10))
    ranks = _ranks(far, reference)
    assert (ranks > 0).all() and (np.diff(ranks) < 0).all() and ranks[0] < 0.01
    np.testing.assert_allclose(ranks[3], reference[1] / (np.pi * 1e31), rtol=1e-6)
    np.testing.assert_array_equal(_ranks(np.array([-1.7e308]), (np.array([1.7e308]), 1.0)), [0.0])


@pytest.mark.parametrize("among", [np.zeros(10), np.array([0.0] * 9 + [1.0])], ids=["equal", "all but one equal"])
def test_ranks_among_equal_scores(among):
    ranks = _ranks(np.array([-1.0, 0.0, 2.0]), _references(Calibrated(among), None))
    assert 0 < ranks[0] < ranks[1] < ranks[2] < 1 and 0.4 < ranks[1] <= 0.5


def test_members_of_other_scale_weigh_alike_by_rank(table):
    # A member whose scores are a thousand times as large decides the mean score, and half of the mean rank.
    occ = SeedEnsemble(quick("CAE", max_epochs=20), n_estimators=2, random_state=0).fit(table)
    ranks = occ.score_samples(table)
    loud = occ.estimators_[0].net_.criterion_

    class Loud(type(loud)):
        def score(self, outputs, x):
            return 1000 * super().score(outputs, x)

    loud.__class__ = Loud
    occ.estimators_[0].calibration_scores_ = occ.estimators_[0].calibration_scores_ * 1000
    occ._fit_state.references = [_references(member, table) for member in occ.estimators_]
    np.testing.assert_allclose(occ.score_samples(table), ranks, rtol=1e-9)
    scores = occ.set_params(combination="score").score_samples(table)
    np.testing.assert_allclose(scores, occ.estimators_[0].score_samples(table) / 2, rtol=0.1)


def test_averaging_seeds_steadies_the_score(blobs):
    # What the ensemble is for: between two ensembles scores differ less than between two members.
    X, new = blobs(60), blobs(60, seed=1)
    first, second = (
        SeedEnsemble(SMALL, n_estimators=6, combination="score", random_state=seed).fit(X) for seed in (0, 1)
    )
    of_ensembles = np.abs(first.score_samples(new) - second.score_samples(new)).mean()
    of_members = np.mean(
        [
            np.abs(one.score_samples(new) - other.score_samples(new)).mean()
            for one, other in zip(first.estimators_, second.estimators_, strict=True)
        ]
    )
    assert of_ensembles < 0.8 * of_members


MEMBERS = {
    "CAE": SMALL,
    "ConOCC": ConOCC(max_epochs=5, update_interval=2, channels=4),
    "DeepSVDD": quick("DeepSVDD"),
    "DAGMM": quick("DAGMM"),  # dropout
    "AnoGAN": quick("AnoGAN"),
    "COCSVM": quick("COCSVM"),
    "PCAReconstruction": PCAReconstruction(),
    "OCSVM": OCSVM(),
    "MajorityOnly": MajorityOnly(SMALL),
    "pipeline": make_pipeline(ImageScaler("l2"), SMALL),
    "flattening pipeline": make_pipeline(StandardScaler(), OCSVM()),
    "a user's dropout": CAE(max_epochs=3, encoder=Dropping(), decoder=flat_decoder),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_threads_give_the_same_bits_and_leave_all_else_alone(name, X):
    state, filters = torch.get_rng_state(), list(warnings.filters)
    occ = SeedEnsemble(MEMBERS[name], n_estimators=4, random_state=0)
    in_turn = clone(occ).fit(X)
    in_threads = clone(occ).set_params(n_jobs=4).fit(X)
    np.testing.assert_array_equal(in_turn.score_samples(X), in_threads.score_samples(X))
    np.testing.assert_array_equal(in_turn.score_std(X), in_threads.score_std(X))
    assert in_turn.offset_ == in_threads.offset_
    assert torch.equal(torch.get_rng_state(), state) and warnings.filters == filters
    if name not in ("OCSVM", "PCAReconstruction", "flattening pipeline"):  # these draw nothing
        assert (in_turn.score_std(X) > 0).all()


def test_members_are_fitted_at_once_with_the_callers_configuration(table):
    import threading

    meeting, seen = threading.Barrier(3, timeout=30), []

    class Meeting(PCAReconstruction):
        def _fit(self, X, X_valid):
            meeting.wait()  # breaks unless three fits are under way
            seen.append(get_config()["assume_finite"])
            super()._fit(X, X_valid)

    with config_context(assume_finite=True):
        SeedEnsemble(Meeting(), n_estimators=3, n_jobs=3, random_state=0).fit(table)
    assert seen == [True] * 3


@pytest.mark.parametrize("vectorized", [False, True])
def test_rows_held_out_and_labelled_rows_are_kept_from_all_members(X, vectorized):
    y = np.repeat([1, -1], [48, 12])
    poisoned = np.where(y[:, None, None] == 1, X, 255).astype(np.uint8)
    params = {"validation_fraction": 0.25, "threshold_data": "validation", "vectorized": vectorized}
    occ = SeedEnsemble(SMALL, n_estimators=2, random_state=0, **params).fit(poisoned, y)
    assert len(occ.calibration_scores_) == 12
    assert [len(member.calibration_scores_) for member in occ.estimators_] == [36, 36]
    rows = X[occ._fit_state.training_rows]
    assert (occ._fit_state.training_rows < 48).all()
    alone = clone(SMALL).set_params(random_state=occ.estimators_[1].random_state).fit(rows)
    np.testing.assert_allclose(occ.estimators_[1].score_samples(X), alone.score_samples(X), rtol=1e-2)
    held_out = np.setdiff1d(np.arange(48), occ._fit_state.training_rows)
    np.testing.assert_allclose(occ.calibration_scores_, np.sort(occ.score_samples(X[held_out])), rtol=1e-6)


def test_rows_that_members_hold_out_are_what_ranks_are_counted_among(table):
    member = CAE(max_epochs=3, threshold_data="validation", validation_fraction=0.25)
    occ = SeedEnsemble(member, n_estimators=2, random_state=0).fit(table)
    for (among, _), fitted in zip(occ._fit_state.references, occ.estimators_, strict=True):
        assert len(among) == 15
        np.testing.assert_array_equal(among, fitted.calibration_scores_)
    first, second = (set(fitted._fit_state.training_rows) for fitted in occ.estimators_)
    assert first != second


def test_a_detector_of_another_library_is_ranked_among_all_rows(table):
    occ = SeedEnsemble(IsolationForest(n_estimators=5), n_estimators=3, random_state=0).fit(table)
    for (among, _), member in zip(occ._fit_state.references, occ.estimators_, strict=True):
        np.testing.assert_array_equal(among, np.sort(member.score_samples(table)))
    assert (occ.score_std(table) > 0).any()


def test_the_default_member(X, monkeypatch):
    monkeypatch.setattr(ConOCC, "_train", lambda self, net, X, X_valid: net.epochs_.update(train=0))
    monkeypatch.setattr(ConOCC, "_check_trained", lambda self, net, X: None)
    occ = SeedEnsemble(n_estimators=2, random_state=0).fit(X)
    assert [type(member) for member in occ.estimators_] == [ConOCC, ConOCC]


def test_the_image_shape_of_the_member_counts(X):
    flat = X.reshape(60, -1)
    member = clone(SMALL).set_params(image_shape=(12, 12))
    occ = SeedEnsemble(member, n_estimators=2, random_state=0).fit(flat)
    shaped = SeedEnsemble(SMALL, n_estimators=2, random_state=0).fit(X)
    np.testing.assert_array_equal(occ.score_samples(flat), shaped.score_samples(X))


def test_one_loop_gives_the_scores_of_the_fits_in_turn(table):
    occ = SeedEnsemble(ConOCC(max_epochs=10), n_estimators=3, random_state=0)
    in_turn = clone(occ).fit(table)
    together = clone(occ).set_params(vectorized=True).fit(table)
    np.testing.assert_allclose(together.score_samples(table), in_turn.score_samples(table), rtol=1e-3)
    np.testing.assert_allclose(together.score_std(table), in_turn.score_std(table), atol=1e-4)
    assert together.offset_ == pytest.approx(in_turn.offset_, rel=1e-3)
    loaded = pickle.loads(pickle.dumps(together))
    np.testing.assert_array_equal(loaded.score_samples(table), together.score_samples(table))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("auto", False, SMALL), "in turn"),
        (("auto", True, SMALL), "one loop"),
        (("auto", True, clone(SMALL).set_params(callbacks=[EpochTimer()])), "in turn"),
        (("auto", True, OCSVM()), "in turn"),
        ((True, False, SMALL), "one loop"),
        ((False, True, SMALL), "in turn"),
    ],
)
def test_which_way_is_taken(settings, expected, table, monkeypatch):
    import sklearn_occ.ensemble._seed_ensemble as module
    from sklearn_occ.ensemble import _stacked

    (vectorized, cuda, member), ways = settings, []
    fit_stacked, fitted = _stacked.fit_stacked, module._fitted
    monkeypatch.setattr(module, "runs_on_cuda", lambda estimator: cuda)
    monkeypatch.setattr(
        _stacked, "fit_stacked", lambda members, rows: (fit_stacked(members, rows), ways.append("one loop"))[0]
    )
    monkeypatch.setattr(module, "_fitted", lambda member, rows: (ways.append("in turn"), fitted(member, rows))[1])
    SeedEnsemble(member, n_estimators=2, vectorized=vectorized, random_state=0).fit(table)
    assert set(ways) == {expected}


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (make_pipeline(StandardScaler(), SMALL), "Pipeline is not one network trained in one stage"),
        (COCSVM(), "COCSVM is not one network trained in one stage"),
        (clone(SMALL).set_params(callbacks=[EpochTimer()]), "CAE has callbacks, which follows one fit"),
    ],
)
def test_one_loop_where_it_is_not_possible(member, message, table):
    with pytest.raises(ValueError, match=rf"^vectorized=True, but {message}; set vectorized='auto' or False\.$"):
        SeedEnsemble(member, n_estimators=2, vectorized=True).fit(table)


def test_each_member_has_a_checkpoint_of_its_own(table, tmp_path):
    member = CAE(max_epochs=3, checkpoint=tmp_path / "fit.pt")
    occ = SeedEnsemble(member, n_estimators=2, random_state=0).fit(table)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fit-0.pt", "fit-1.pt"]
    times = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    again = SeedEnsemble(member, n_estimators=2, random_state=0).fit(table)
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == times  # loaded, not trained
    np.testing.assert_array_equal(again.score_samples(table), occ.score_samples(table))
    assert member.checkpoint == tmp_path / "fit.pt"


@pytest.mark.parametrize("member", [SMALL, make_pipeline(StandardScaler(), SMALL)], ids=["alone", "in a pipeline"])
def test_ctrl_c_in_a_member_ends_the_fit_and_leaves_the_first_model(member, table):
    occ = SeedEnsemble(clone(member), n_estimators=2, random_state=0).fit(table)
    scores = occ.score_samples(table)
    name = "estimator__cae__callbacks" if member is not SMALL else "estimator__callbacks"
    occ.set_params(**{name: [CtrlC(2)]})
    with (
        pytest.warns(UserWarning, match="interrupted after 1 of 3"),
        pytest.raises(KeyboardInterrupt, match="a member was interrupted"),
    ):
        occ.fit(table)
    np.testing.assert_array_equal(occ.score_samples(table), scores)


def test_a_collapsed_member_warns(table):
    occ = SeedEnsemble(ConOCC(max_epochs=30, gamma=1e6, lr=1e-2, schedule="joint"), n_estimators=2, vectorized=True)
    with pytest.warns(Warning, match="The codes of ConOCC have collapsed"):
        occ.set_params(random_state=0).fit(table)
