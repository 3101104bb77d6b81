"""How long a fit trains: `max_epochs="auto"` is a number of optimizer steps, and what counts in epochs follows it."""

import numpy as np
import pytest
from conftest import ONE_NETWORK, QUICK, quick

from sklearn_occ import CAE, TEND, ConOCC, DeepSVDD
from sklearn_occ._engine import Steps, share_of_epochs
from sklearn_occ._engine.estimators._budget import LEAST_EPOCHS, epochs_of

STAGES = {name: QUICK[name]._budgets for name in ONE_NETWORK}


@pytest.mark.parametrize(
    ("n_rows", "batch_size", "epochs"), [(66, 128, 1000), (1341, 128, 91), (1500, 128, 84), (100_000, 128, 5)]
)
def test_epochs_make_the_steps_whatever_the_rows(n_rows, batch_size, epochs):
    assert epochs_of(1000, n_rows, batch_size) == epochs
    a_pass = -(-n_rows // batch_size)
    assert epochs * a_pass >= 1000
    assert epochs == LEAST_EPOCHS or (epochs - 1) * a_pass < 1000


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_auto_trains_each_stage_for_its_steps(name, table, monkeypatch):
    steps = {parameter: Steps(images=99, table=12 + 5 * number) for number, parameter in enumerate(STAGES[name])}
    monkeypatch.setattr(type(QUICK[name]), "_budgets", steps)
    auto = dict.fromkeys(steps, "auto")
    occ = quick(name, batch_size=8, **auto).fit(table)
    epochs = occ.net_.epochs_
    for parameter, planned in steps.items():
        stage = "pretrain" if parameter == "pretrain_epochs" else "train"
        n_rows = occ._rows_of_epoch(parameter, len(table))
        assert epochs[stage] == getattr(occ, f"{parameter}_") == epochs_of(planned.table, n_rows, 8)
    if occ.get_params().get("objective") == "soft-boundary":  # whose warm-up is the paper's if epochs are given
        return
    given = {parameter: getattr(occ, f"{parameter}_") for parameter in steps}
    same = quick(name, batch_size=8, **given).fit(table)
    np.testing.assert_array_equal(occ.score_samples(table), same.score_samples(table))


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_defaults_are_auto_and_the_docstring_says_the_steps(name):
    detector = type(QUICK[name])
    for parameter, steps in STAGES[name].items():
        assert getattr(detector(), parameter) == "auto"
        assert f"{steps.images} optimizer steps" in detector.__doc__
        assert f"{steps.table} " in detector.__doc__


def test_images_and_tables_have_steps_of_their_own(X, table, monkeypatch):
    monkeypatch.setattr(CAE, "_budgets", {"max_epochs": Steps(images=60, table=120)})
    assert quick("CAE", max_epochs="auto", batch_size=len(X)).fit(X).max_epochs_ == 60
    assert quick("CAE", max_epochs="auto", batch_size=len(table)).fit(table).max_epochs_ == 120


def test_a_large_table_is_seen_five_times(monkeypatch):
    monkeypatch.setattr(CAE, "_budgets", {"max_epochs": Steps(images=1, table=1)})
    rows = np.random.default_rng(0).normal(size=(1000, 3))
    assert quick("CAE", max_epochs="auto", batch_size=10).fit(rows).max_epochs_ == LEAST_EPOCHS


def test_warm_start_adds_the_steps_for_its_rows(table, monkeypatch):
    monkeypatch.setattr(CAE, "_budgets", {"max_epochs": Steps(images=40, table=80)})
    occ = quick("CAE", max_epochs="auto", batch_size=8, warm_start=True).fit(table)
    first = occ.max_epochs_
    occ.fit(np.concatenate([table, table]))
    assert occ.max_epochs_ == epochs_of(80, 2 * len(table), 8) < first
    assert len(occ.history_) == first + occ.max_epochs_


def test_a_checkpoint_knows_auto_by_its_number(table, tmp_path, monkeypatch):
    monkeypatch.setattr(CAE, "_budgets", {"max_epochs": Steps(images=20, table=20)})
    params = {"batch_size": 8, "checkpoint": tmp_path / "fit.pt"}
    occ = quick("CAE", max_epochs="auto", **params).fit(table)
    trained = quick("CAE", max_epochs=occ.max_epochs_, **params).fit(table)  # reads the file
    assert (trained.history_[:, "dur"]) == (occ.history_[:, "dur"])


def test_a_checkpoint_of_another_warm_up_is_refused(table, tmp_path, monkeypatch):
    monkeypatch.setattr(DeepSVDD, "_budgets", {name: Steps(images=40, table=40) for name in DeepSVDD._budgets})
    params = {"objective": "soft-boundary", "pretrain_epochs": 0, "batch_size": 8, "checkpoint": tmp_path / "fit.pt"}
    occ = quick("DeepSVDD", max_epochs="auto", **params).fit(table)
    with pytest.raises(ValueError, match="warm_up"):
        quick("DeepSVDD", max_epochs=occ.max_epochs_, **params).fit(table)


def test_a_share_of_the_epochs_is_at_least_one():
    assert [share_of_epochs("auto", 1 / 16, epochs) for epochs in (1, 16, 1000)] == [1, 1, 62]
    assert share_of_epochs(60, 1 / 16, 1000) == 60


def test_what_counts_in_epochs_scales_with_the_budget(table):
    assert ConOCC(max_epochs=48, random_state=0).fit(table).update_interval_ == 3
    assert ConOCC(max_epochs=48, update_interval=5, random_state=0).fit(table).update_interval_ == 5
    assert TEND(pretrain_epochs=1, max_epochs=30, random_state=0).fit(table).warm_up_epochs_ == 3
    occ = DeepSVDD(pretrain_epochs=0, max_epochs=4, objective="soft-boundary", random_state=0)
    assert dict(occ.fit(table).net_.callbacks_)["radius"].warm_up_epochs == 10  # given epochs: the paper's


@pytest.mark.parametrize("parameter", ["max_epochs", "pretrain_epochs", "warm_up_epochs"])
def test_another_word_than_auto_is_refused(parameter, table):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter of TEND .*'auto'.*Got 'all'"):
        TEND(**{parameter: "all"}).fit(table)
