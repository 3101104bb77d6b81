"""Recorded steps train as steps that run: on the CPU a tape stands in for CUDA's graphs, by the same rules."""

import copy
import pickle

import numpy as np
import pytest
import torch
from recorded import PLAIN, Reading, assert_same_fit, stages
from skorch.callbacks import Callback, LRScheduler
from tape import TapeRecorder
from torch import nn

from sklearn_occ import SeedEnsemble
from sklearn_occ.ensemble._stacked import fit_stacked


@pytest.fixture
def X(blobs):
    return blobs(60)


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 6))


@pytest.mark.parametrize("name", PLAIN)
def test_every_method_trains_to_the_same_bits(name, X, recording):
    occ, replays = recording(lambda: stages(name).fit(X))
    assert_same_fit(occ, stages(name).fit(X), X)
    n_epochs = sum(occ.net_.epochs_.values())
    assert sum(replays) > n_epochs  # most of the four steps of an epoch, and of more where players take turns
    assert occ.net_.recordings_.graphs == {}  # which would hold memory


@pytest.mark.parametrize("params", [{"optimizer": name} for name in ("adamw", "sgd", "rmsprop")] + [
    {"optimizer": "adam", "weight_decay": 0.01},
    {"precision": "bfloat16"},
    {"validation_fraction": 0.25},
], ids=str)  # fmt: skip
def test_with_other_parameters_too(params, X, recording):
    occ, replays = recording(lambda: stages("CAE", lr=1e-4, **params).fit(X))
    assert_same_fit(occ, stages("CAE", lr=1e-4, **params).fit(X), X)
    assert sum(replays) >= 8


def test_an_optimizer_that_keeps_gradients_gets_those_of_each_step(X, recording):
    class Keeping(torch.optim.SGD):
        def zero_grad(self, set_to_none=False):
            super().zero_grad(set_to_none=False)

    occ, replays = recording(lambda: stages("CAE", optimizer=Keeping, lr=1e-3).fit(X))
    assert_same_fit(occ, stages("CAE", optimizer=Keeping, lr=1e-3).fit(X), X)
    assert sum(replays) >= 8


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_schedule_of_the_learning_rate_is_followed(optimizer, X, recording):
    def schedule():
        return LRScheduler("StepLR", step_size=2, gamma=0.1)

    def fit():
        return stages("CAE", optimizer=optimizer, max_epochs=7, callbacks=[schedule()]).fit(X)

    occ, replays = recording(fit)
    assert_same_fit(occ, fit(), X)
    assert sum(replays) >= 16
    watched = stages("CAE", optimizer=optimizer, max_epochs=7, callbacks=[schedule(), BatchWatcher()]).fit(X)
    assert_same_fit(occ, watched, X)


def test_what_a_callback_changes_between_epochs_is_followed(table, recording):
    class Change(Callback):
        def on_epoch_begin(self, net, **kwargs):
            epoch = len(net.history)
            net.criterion_.gamma = 0.01 if epoch < 5 else 0.1
            net.module_.encoder[0].weight.requires_grad_(epoch != 7)

    def fit():
        params = {"schedule": "joint", "update_interval": 1, "callbacks": [Change()], "max_epochs": 10}
        return stages("ConOCC", **params).fit(table)

    occ, replays = recording(fit)
    assert_same_fit(occ, fit(), table)
    assert sum(replays) >= 16


def test_weights_that_were_replaced_are_found(table, recording):
    class Replace(Callback):
        def on_epoch_begin(self, net, **kwargs):
            weight = net.module_.encoder[0].weight
            weight.data = weight.data.clone() * 1.5

    def fit():
        return stages("CAE", callbacks=[Replace()]).fit(table)

    occ, _ = recording(fit)
    assert_same_fit(occ, fit(), table)


def test_a_warm_start_and_a_pickle_go_on(X, recording):
    def fit():
        occ = stages("CAE", warm_start=True).fit(X)
        return pickle.loads(pickle.dumps(copy.deepcopy(occ).fit(X))).fit(X)

    occ, replays = recording(fit)
    assert_same_fit(occ, fit(), X)
    assert len(replays) > 6


def test_another_optimizer_is_not_taken_for_the_first(table, recording):
    def fit():
        net = stages("CAE", max_epochs=1).fit(table).net_
        rows = torch.from_numpy(table).float()
        for _ in range(2):
            net.initialize_optimizer()
            net.partial_fit(rows)
        return net.module_.state_dict()

    (ours, replays), theirs = recording(fit), fit()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    assert sum(replays) >= 4


@pytest.mark.parametrize("name", ["ConOCC", "ConOCC-joint"])
def test_seeds_in_one_loop_are_recorded(name, table, recording):
    def fit():
        # Of the joint schedule only the phase of the loss changes.
        return fit_stacked([stages(name, max_epochs=6, gamma=0.1, random_state=seed) for seed in (0, 1)], table)

    ours, replays = recording(fit)
    for occ, theirs in zip(ours, fit(), strict=True):
        assert_same_fit(occ, theirs, table)
        assert occ.net_.recordings_ is None or occ.net_.recordings_.graphs == {}
    assert sum(replays) >= 8
    ensemble, _ = recording(lambda: SeedEnsemble(stages("CAE"), n_estimators=2, random_state=0, n_jobs=2).fit(table))
    assert np.isfinite(ensemble.score_samples(table)).all()


def test_a_step_that_cannot_be_recorded_runs_as_it_is_and_says_so(table, recording, capsys):
    def fit(verbose):
        return stages("CAE", encoder=lambda shape, width: Reading(shape, width), verbose=verbose).fit(table)

    occ, replays = recording(lambda: fit(1))
    assert said_of(capsys) == ["the host waits for the device in a step (aten._local_scalar_dense.default)"]
    assert replays == []
    assert_same_fit(occ, fit(0), table)


def test_a_recording_that_fails_leaves_the_step_as_it_was(table, recording, monkeypatch):
    def failing(self, function):
        function()
        raise RuntimeError("out of\nmemory")

    def fit(verbose):
        return stages("CAE", lr=1e-30, optimizer="sgd", verbose=verbose).fit(table)

    monkeypatch.setattr(TapeRecorder, "record", failing)
    with pytest.warns(UserWarning, match=r"cannot be recorded: out of memory"):
        occ, _ = recording(lambda: fit(1))
    assert_same_fit(occ, fit(0), table)


def with_hook(register, hook):
    def factory(shape, width):
        layer = nn.Linear(4, width)
        getattr(layer, register)(hook)
        return nn.Sequential(nn.Linear(*shape, 4), layer)

    return factory


def with_hook_on_a_weight(register):
    def factory(shape, width):
        layer = nn.Linear(*shape, width)
        getattr(layer.weight, register)(lambda *args: None)
        return layer

    return factory


class BatchWatcher(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


class OwnSchedule(LRScheduler):
    def on_batch_end(self, net, **kwargs):
        super().on_batch_end(net, **kwargs)


def said_of(capsys):
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("CUDA graph: left out, as ") for line in lines if "CUDA graph" in line]


OF_A_LAYER = "a layer of the network draws random numbers, has hooks or is not torch's"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"encoder": lambda shape, width: nn.Sequential(nn.Dropout(0.1), nn.Linear(*shape, width))}, OF_A_LAYER),
        ({"encoder": with_hook("register_forward_hook", lambda module, args, output: output * 2)}, OF_A_LAYER),
        ({"encoder": with_hook("register_forward_pre_hook", lambda module, args: None)}, OF_A_LAYER),
        ({"encoder": with_hook("register_full_backward_hook", lambda *args: None)}, OF_A_LAYER),
        ({"encoder": with_hook("register_full_backward_pre_hook", lambda *args: None)}, OF_A_LAYER),
        ({"encoder": with_hook_on_a_weight("register_hook")}, OF_A_LAYER),
        ({"encoder": with_hook_on_a_weight("register_post_accumulate_grad_hook")}, OF_A_LAYER),
        ({"callbacks": [BatchWatcher()]}, "a callback watches batches"),
        ({"callbacks": [LRScheduler("StepLR", step_size=2, step_every="batch")]}, "a callback watches batches"),
        ({"callbacks": [OwnSchedule("StepLR", step_size=2)]}, "a callback watches batches"),
    ],
    ids=["dropout", "hook", "pre-hook", "backward hook", "backward pre-hook", "hook of a weight", "gradient hook",
         "watched", "schedule by batch", "schedule that watches"],
)  # fmt: skip
def test_what_is_not_recorded_is_said_once(params, reason, table, recording, capsys):
    params = {"n_components": 3, **params}
    occ, replays = recording(lambda: stages("CAE", verbose=1, **params).fit(table))
    assert said_of(capsys) == [reason]
    assert replays == []
    assert_same_fit(occ, stages("CAE", **params).fit(table), table)


def test_on_the_cpu_nothing_is_recorded_and_nothing_said(table, capsys):
    stages("CAE", verbose=1).fit(table)
    assert "CUDA graph" not in capsys.readouterr().out


def test_callbacks_find_gradients_after_an_epoch(table, recording):
    class Look(Callback):
        def __init__(self):
            self.norms = []

        def on_epoch_end(self, net, **kwargs):
            self.norms.append(sum(weight.grad.norm().item() for weight in net.module_.parameters()))

    def fit():
        occ = stages("CAE", callbacks=[("look", Look())]).fit(table)
        return dict(occ.net_.callbacks_)["look"].norms

    norms, _ = recording(fit)
    assert norms == fit() and len(norms) == 4
