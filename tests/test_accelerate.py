"""Several processes train one network through `device=Accelerator()`: two stand in, over the loopback address."""

import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, CtrlC, blobs, quick
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from skorch.callbacks import EarlyStopping, GradientNormClipping
from two_processes import (
    Recorder,
    TwoProcesses,
    fitted,
    fitted_on_its_own,
    fitted_streaming,
    printed,
    refitted,
)

from sklearn_occ._engine._processes import processes_of

NOT_AS_ONE = ["DAGMM", "IntraClassSplitting"]  # whose mixture, whose pairs are those of the rows in one process
SGD = {"optimizer": "sgd", "lr": 1e-3}


@pytest.fixture(scope="module")
def two():
    with TwoProcesses() as processes:
        yield processes


@pytest.fixture
def table(rng):
    return (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)


def both(found):
    """The estimators of the two processes, or the error of one."""
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [pickle.loads(one) for one in found]


def tensors(occ):
    net = occ.net_
    return {f"{part}.{k}": v for part in ("module_", "criterion_") for k, v in getattr(net, part).state_dict().items()}


def assert_equal_bits(first, second, X):
    for name, tensor in tensors(first).items():
        torch.testing.assert_close(tensors(second)[name], tensor, rtol=0, atol=0)
    assert first.history_[:, "train_loss"] == second.history_[:, "train_loss"]
    assert first.offset_ == second.offset_
    np.testing.assert_array_equal(first.calibration_scores_, second.calibration_scores_)
    np.testing.assert_array_equal(first.score_samples(X), second.score_samples(X))


def assert_as_of_one(occ, alone):
    for name, tensor in tensors(alone).items():
        torch.testing.assert_close(tensors(occ)[name], tensor, rtol=1e-4, atol=1e-5)
    for loss in ("train_loss", "valid_loss"):
        ours, theirs = ([row.get(loss) for row in one.history_] for one in (occ, alone))
        np.testing.assert_allclose(np.array(ours, float), np.array(theirs, float), rtol=1e-4)  # None is not a number
    np.testing.assert_allclose(occ.calibration_scores_, alone.calibration_scores_, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(occ.offset_, alone.offset_, rtol=1e-3, atol=1e-6)


# Batches of 15: 7 rows and 8. Of 40 rows trained on 10 are left over, of 38 in batches of 12 two, which both take.
@pytest.mark.parametrize(("batch_size", "n"), [(15, 50), (12, 48)])
@pytest.mark.parametrize("name", [name for name in ONE_NETWORK if name not in NOT_AS_ONE])
def test_a_plain_network_becomes_that_of_one_process(name, batch_size, n, two, table):
    params = {"max_epochs": 4, "batch_size": batch_size, "validation_fraction": 0.2, **SGD}
    if "ConOCC" in name:
        params["update_interval"] = 1
    X = table[:n]
    ours = both(two(fitted, name, X, params))
    assert_equal_bits(*ours, X)
    assert_as_of_one(ours[0], quick(name, **params).fit(X))


@pytest.mark.parametrize("name", ["COCSVM", "SeedEnsemble"])
def test_a_network_inside_another_estimator(name, two, table):
    ours = both(two(fitted, name, table, {}))
    np.testing.assert_array_equal(*(occ.score_samples(table) for occ in ours))
    np.testing.assert_allclose(ours[0].score_samples(table), quick(name).fit(table).score_samples(table), rtol=1e-3)


@pytest.mark.filterwarnings("ignore:The codes of ConOCC")
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_both_end_with_the_same_bits_on_images(name, two):
    X, params = blobs(50), {"max_epochs": 3, "batch_size": 15, "validation_fraction": 0.2}
    assert_equal_bits(*both(two(fitted, name, X, params)), X)


def test_means_of_batch_normalisation_are_those_of_the_rows_of_both(two):
    X, params = blobs(48), {"max_epochs": 1, "batch_size": 48, "lr": 1e-9}
    ours, alone = both(two(fitted, "CAE", X, params))[0], quick("CAE", **params).fit(X)
    first = [occ.net_.module_.encoder.convolutions[1] for occ in (ours, alone)]
    torch.testing.assert_close(first[0].running_mean, first[1].running_mean)
    assert not torch.equal(first[0].running_var, first[1].running_var)  # of the rows of each process


def test_a_network_trained_by_two_tells_rows_apart(two):
    X, odd = blobs(200), np.rot90(blobs(50, seed=1, size=(6, 24)).reshape(50, 12, 12), axes=(1, 2))
    occ = both(two(fitted, "CAE", X, {"max_epochs": 30, "batch_size": 40}))[0]
    assert occ.history_[-1, "train_loss"] < occ.history_[0, "train_loss"] / 2
    scores = occ.score_samples(np.concatenate([X, odd]))
    assert roc_auc_score(np.repeat([1, 0], [200, 50]), scores) > 0.95


def test_each_takes_its_part_of_a_batch_and_draws_random_numbers_of_its_own(two):
    ours = both(two(fitted, "CAE", blobs(33), {"batch_size": 15, "encoder": Recorder(), "max_epochs": 2}))
    seen = [occ.net_.module_.encoder for occ in ours]
    assert [encoder.rows for encoder in seen] == [[7, 7, 3] * 2, [8, 8, 3] * 2]  # the last three are too few to share
    drawn = [number for encoder in seen for number in encoder.drawn]
    assert len(set(drawn)) == len(drawn) == 12
    assert_equal_bits(*ours, blobs(33))


@pytest.mark.filterwarnings("ignore:The codes of ConOCC")
@pytest.mark.parametrize(("name", "params"), [("DAGMM", {}), ("ConOCC", {"update_interval": 1})])
def test_a_fit_that_was_killed_goes_on_with_the_same_bits(name, params, two, tmp_path):
    X, file = blobs(50), tmp_path / "fit.pt"
    params = {"batch_size": 15, "validation_fraction": 0.2, **params}
    started = both(two(fitted, name, X, {**params, "max_epochs": 2, "checkpoint": file}))
    assert [any(key == "FitCheckpoint" for key, _ in occ.net_.callbacks_) for occ in started] == [True, False]
    state = torch.load(file, weights_only=True)
    state["identity"]["max_epochs"], state["finished"] = "5", []
    torch.save(state, file)
    ours = both(two(fitted, name, X, {**params, "max_epochs": 5, "checkpoint": file}))
    assert [row["dur"] for row in ours[1].history_][:2] == [row["dur"] for row in started[0].history_]
    assert_equal_bits(*ours, X)
    assert_equal_bits(ours[0], both(two(fitted, name, X, {**params, "max_epochs": 5}))[0], X)


def test_one_process_loads_what_two_trained(two, table, tmp_path):
    params = {"max_epochs": 3, "checkpoint": tmp_path / "fit.pt"}
    ours = both(two(fitted, "CAE", table, params))[0]
    alone = quick("CAE", **params).fit(table)
    assert alone.history_[:, "dur"] == ours.history_[:, "dur"]
    assert_equal_bits(ours, alone, table)


def test_rows_that_stream(two, table):
    params = {"max_epochs": 3, "batch_size": 15, "validation_fraction": 0.2, **SGD}
    ours = both(two(fitted_streaming, "CAE", table, params))
    assert_equal_bits(*ours, table)
    assert_as_of_one(ours[0], pickle.loads(fitted_streaming("cpu", "CAE", table, params)))


def test_callbacks_see_the_whole_batch_and_stop_both(two, table):
    callbacks = [GradientNormClipping(0.5), EarlyStopping(monitor="valid_loss", patience=2, threshold=0.5)]
    params = {"max_epochs": 30, "batch_size": 15, "validation_fraction": 0.2, "callbacks": callbacks, **SGD}
    ours, alone = both(two(fitted, "CAE", table, params)), quick("CAE", **params).fit(table)
    assert_equal_bits(*ours, table)
    assert 1 < len(ours[0].history_) == len(alone.history_) < 30
    assert_as_of_one(ours[0], alone)


def test_a_clone_and_a_second_fit_that_adds_epochs(two, table):
    params = {"max_epochs": 2, **SGD}
    ours = both(two(refitted, "CAE", table, params))
    assert_equal_bits(*ours, table)
    assert_as_of_one(ours[0], quick("CAE", **{**params, "max_epochs": 3}).fit(table))


@pytest.mark.parametrize(("name", "lines"), [("CAE", "train_loss"), ("AnoGAN", "search: 50 of 50 rows")])
def test_the_first_process_prints(name, lines, two, table):
    first, second = two(printed, name, table, {"verbose": 1})
    assert lines in first
    assert second == ""


def test_a_pickle_loads_without_accelerate(two, table, tmp_path):
    file = tmp_path / "occ.pkl"
    file.write_bytes(two(fitted, "CAE", table, {"verbose": 1})[1])
    occ = pickle.loads(file.read_bytes())
    assert occ.device == "auto"
    script = f"""
import pickle, sys
sys.modules["accelerate"] = sys.modules["skorch.hf"] = None
import torch
occ = pickle.load(open({str(file)!r}, "rb"))
print(occ.device_, occ.score_samples([[0.5] * 8])[0], torch.distributed.is_initialized())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", str(occ.score_samples([[0.5] * 8])[0]), "False"]


@pytest.mark.parametrize(
    ("differing", "named"),
    [
        ([({}, slice(None)), ({}, slice(0, 40))], "number of rows, X"),
        ([({}, slice(0, 25)), ({}, slice(25, 50))], "X"),
        ([({"lr": 0.1}, slice(None)), ({"lr": 0.2}, slice(None))], "lr"),
        ([({"random_state": None}, slice(None))] * 2, "random_state, weights"),
    ],
)
def test_processes_have_to_fit_the_same(differing, named, two, table):
    inputs = [(table[rows], params) for params, rows in differing]
    errors = two(fitted_on_its_own, "CAE", inputs)
    for error in errors:
        assert isinstance(error, ValueError)
        assert f"differ in {named};" in str(error)


def test_callbacks_may_differ(two, table):
    inputs = [(table, {"callbacks": callbacks}) for callbacks in (None, [GradientNormClipping(1e9)])]
    assert_equal_bits(*both(two(fitted_on_its_own, "CAE", inputs)), table)


def test_ctrl_c_leaves_no_half_trained_network(two, table):
    for stop in two(fitted, "CAE", table, {"max_epochs": 5, "callbacks": [CtrlC(3)]}):
        assert isinstance(stop, KeyboardInterrupt)
    assert_equal_bits(*both(two(fitted, "CAE", table, {})), table)  # and both can go on


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("CAE", {"batch_size": 3}, "batch_size=3 of CAE leaves fewer than 2 rows to each of 2 processes"),
        ("SeedEnsemble", {"n_jobs": 2}, "CAE was fitted in a thread with an accelerator of several processes"),
        ("SeedEnsemble", {"vectorized": True}, "CAE trains in several processes; set vectorized"),
    ],
)
def test_what_two_processes_cannot_do(name, params, text, two, table):
    for error in two(fitted, name, table, params):
        assert isinstance(error, ValueError)
        assert text in str(error)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"mixed_precision": "bf16"}, "mixed_precision='bf16' and gradient_accumulation_steps=1"),
        ({"gradient_accumulation_steps": 4}, "mixed_precision='no' and gradient_accumulation_steps=4"),
        ({"distributed_type": SimpleNamespace(value="FSDP")}, "launched as FSDP"),
    ],
)
@pytest.mark.parametrize("num_processes", [1, 2])
def test_settings_of_an_accelerator_that_training_does_not_follow(settings, text, num_processes):
    usual = {"distributed_type": SimpleNamespace(value="NO"), "mixed_precision": "no", "gradient_accumulation_steps": 1}
    accelerator = SimpleNamespace(num_processes=num_processes, **{**usual, **settings})
    with pytest.raises(ValueError, match=text):
        processes_of(accelerator, "CAE", 128)


def test_an_accelerator_of_one_process_is_its_device(blobs):
    from accelerate import Accelerator

    X, accelerator = blobs(40), Accelerator(cpu=True)
    occ = quick("CAE", device=accelerator).fit(X)
    assert pickle.loads(pickle.dumps(occ)).device == "auto"
    assert occ.get_params()["device"] is accelerator
    assert occ.device_ == torch.device("cpu")
    assert_equal_bits(occ, quick("CAE", device="cpu").fit(X), X)
    assert_equal_bits(clone(occ).fit(X), occ, X)
