"""Recorded steps train as steps that run: on the CPU a tape stands in for CUDA's graphs, by the same rules."""

import copy
import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, quick
from skorch.callbacks import Callback, LRScheduler
from tape import TapeRecorder
from torch import nn

from sklearn_occ import CAE, ConOCC, SeedEnsemble
from sklearn_occ.engine import FusedAdam, _captured, fit_stacked
from sklearn_occ.engine._captured import CapturedSteps, CudaRecorder, RecordedStep
from sklearn_occ.engine._host_reads import HostReads
from sklearn_occ.engine._processes import Processes
from sklearn_occ.nn import DenseEncoder

PLAIN = [name for name in ONE_NETWORK if name != "DAGMM"]  # which has dropout


@pytest.fixture
def X(blobs):
    return blobs(60)


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 6))


@pytest.fixture
def recording(monkeypatch):
    """`recording(fit)`: what `fit()` returns where the CPU records, and how often each recording was replayed."""

    def run(fit):
        TapeRecorder.tapes.clear()
        with monkeypatch.context() as patched:
            patched.setitem(_captured.RECORDERS, "cpu", TapeRecorder)
            found = fit()
        return found, [count[0] for count in TapeRecorder.tapes]

    return run


def stages(name, **params):
    """A fit of four epochs in each stage, five batches of 10 rows and one of 9 in an epoch of 59 or 60."""
    before = {"pretrain_epochs", "warm_up_epochs"} & set(quick(name).get_params())
    given = {key: 4 for key in before if quick(name).get_params()[key]}
    return quick(name, **{"max_epochs": 4, "batch_size": 10, **given, **params})


def assert_same_fit(ours, theirs, X):
    np.testing.assert_array_equal(ours.score_samples(X), theirs.score_samples(X))
    for column in ("train_loss", "epoch"):
        assert ours.history_[:, column] == theirs.history_[:, column]


@pytest.mark.parametrize("name", PLAIN)
def test_every_method_trains_to_the_same_bits(name, X, recording):
    occ, replays = recording(lambda: stages(name).fit(X))
    assert_same_fit(occ, stages(name).fit(X), X)
    n_epochs = sum(occ.net_.epochs_.values())
    assert sum(replays) > n_epochs  # most of the four steps of an epoch, and of more where players take turns
    assert occ.net_.captured_.graphs == {}  # which would hold memory


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
        assert occ.net_.captured_.graphs == {}
    assert sum(replays) >= 8
    ensemble, _ = recording(lambda: SeedEnsemble(stages("CAE"), n_estimators=2, random_state=0, n_jobs=2).fit(table))
    assert np.isfinite(ensemble.score_samples(table)).all()


class Reading(DenseEncoder):
    """Has a value read by the host."""

    def forward(self, x):
        return super().forward(x) * (1.0 if x.sum().item() else 2.0)


Reading.__module__ = "sklearn_occ.nn"  # known code, which is recorded


def test_a_step_that_cannot_be_recorded_runs_as_it_is_and_says_so(table, recording, capsys):
    def fit(verbose):
        return stages("CAE", encoder=lambda shape, width: Reading(shape, width), verbose=verbose).fit(table)

    occ, replays = recording(lambda: fit(1))
    assert said_of(capsys) == ["the host waits for the device in a step (aten._local_scalar_dense.default)"]
    assert replays == []
    assert_same_fit(occ, fit(0), table)


@pytest.mark.parametrize(
    ("operation", "is_read"),
    [
        (lambda x: x.sum().item(), True),
        (lambda x: x[x > 0], True),
        (lambda x: torch.nonzero(x), True),
        (lambda x: bool(x.sum() > 0), True),
        (lambda x: x.to("meta"), True),
        (lambda x: x[torch.tensor([0, 1])], False),
        (lambda x: torch.where(x > 0, x, 2 * x).mean(), False),
    ],
)
def test_what_the_host_waits_for(operation, is_read):
    with HostReads() as reads:
        operation(torch.ones(3))
    assert bool(reads.names) == is_read


def test_a_recording_that_fails_leaves_the_step_as_it_was(table, recording, monkeypatch, capsys):
    def failing(self, function):
        function()
        raise RuntimeError("out of\nmemory")

    def fit(verbose):
        return stages("CAE", lr=1e-30, optimizer="sgd", verbose=verbose).fit(table)

    monkeypatch.setattr(TapeRecorder, "record", failing)
    occ, _ = recording(lambda: fit(1))
    assert said_of(capsys) == ["a step cannot be recorded: out of memory"]
    assert_same_fit(occ, fit(0), table)
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with pytest.raises(RuntimeError, match="memory"):
        RecordedStep(TapeRecorder(torch.device("cpu")), lambda x: (weight * x).sum().backward(), optimizer, [weight])
    assert weight.grad is None


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


class Weighted(nn.Module):
    """`factor * sum(weight * x + shift)`, and its steps."""

    def __init__(self, optimizer=torch.optim.SGD):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("shift", torch.zeros(3))
        self.scale = np.float32(1)
        self.captured = CapturedSteps(verbose=False)
        self.optimizer = optimizer([self.weight], lr=0.1)

    def gradients(self, x, factor):
        loss = factor * (float(self.scale) * self.weight * x + self.shift).sum().float()
        loss.backward()
        return loss.detach()

    def steps(self, n, x=(1.0, 1.0, 1.0), factor=1, obstacle=None, dtype=torch.float32):
        self.captured.enter_pass("cpu", [self], self.optimizer, obstacle)
        return [self.captured.run(self.gradients, self.optimizer, torch.tensor(x, dtype=dtype), factor).item()
                for _ in range(n)]  # fmt: skip


def test_few_recordings_are_kept(recording):
    module = Weighted()
    _, replays = recording(lambda: [module.steps(4, factor=factor) for factor in range(40)])
    assert 1 <= len(module.captured.graphs) <= 20
    assert replays == [2] * 40
    torch.testing.assert_close(module.weight.detach(), torch.full((3,), 1 - 0.1 * 4 * sum(range(40))))


def test_a_pool_of_memory_serves_no_recording_after_all_were_dropped(recording):
    def pools():
        module, found = Weighted(), []
        for _ in range(2):
            module.steps(4)
            found.append(module.captured.recorder)
            module.captured.forget()
        return found

    (first, second), replays = recording(pools)
    assert first is not second
    assert replays == [2, 2]


def test_two_steps_run_aside_before_one_is_recorded(recording):
    TapeRecorder.n_aside = 0
    losses, replays = recording(lambda: Weighted().steps(5))
    assert TapeRecorder.n_aside == 2
    assert replays == [3]
    np.testing.assert_allclose(losses, [3, 2.7, 2.4, 2.1, 1.8], rtol=1e-6)


def test_a_pass_with_an_obstacle_runs_after_one_that_was_recorded(recording):
    module = Weighted()
    _, replays = recording(lambda: (module.steps(4), module.steps(4, obstacle="a callback watches batches")))
    assert replays == [2]


def test_kinds_of_arguments_are_told_apart(recording):
    module = Weighted()
    _, replays = recording(lambda: [module.steps(4, dtype=dtype) for dtype in (torch.float32, torch.float64)])
    assert replays == [2, 2]


@pytest.mark.parametrize("change", ["buffer", "number", "moments"])
def test_a_recording_that_would_be_wrong_is_not_used(change, recording):
    def run():
        module = Weighted(FusedAdam)
        first = module.steps(8)
        module.steps(8)
        if change == "buffer":
            module.shift = torch.full((3,), 5.0)
        elif change == "number":
            module.scale = np.float32(3)
        else:
            module.optimizer.load_state_dict(copy.deepcopy(module.optimizer.state_dict()))
        return first + module.steps(8), module.weight.detach()

    (losses, weight), replays = recording(run)
    expected, plain = run()
    assert losses == expected and torch.equal(weight, plain)
    assert len(replays) >= 2


def test_hooks_of_the_optimizer_are_called(recording):
    def run():
        module, calls = Weighted(FusedAdam), []
        module.optimizer.register_step_post_hook(lambda *args: calls.append(1))
        return module.steps(10), len(calls)

    found, replays = recording(run)
    assert found == run() and found[1] == 10
    assert replays == [8]


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


def test_several_processes_do_not_record(table):
    net = stages("CAE").fit(table).net_
    net.processes = Processes.__new__(Processes)
    net.processes.n_processes = 2
    assert "several processes" in net._obstacle_to_capture()


@pytest.fixture
def cuda_calls(monkeypatch):
    """What is asked of `torch.cuda`, in order, where a stand-in answers."""
    calls = []

    class Stream:
        device = "cuda:1"

        def __init__(self, device):
            self.name = f"stream of {device}"

        def wait_stream(self, other):
            calls.append(f"{self.name} waits for {other.name}")

    class Graph:
        def capture_begin(self, pool, capture_error_mode):
            calls.append(f"begin {pool} {capture_error_mode}")

        def capture_end(self):
            calls.append("end")
            if "failed" in calls:
                raise RuntimeError("invalidated")

        def replay(self):
            calls.append("replay")

    @contextmanager
    def stream(chosen):
        calls.append(f"enter {chosen.name}")
        yield
        calls.append(f"leave {chosen.name}")

    for name, stand_in in {
        "Stream": Stream,
        "CUDAGraph": Graph,
        "stream": stream,
        "current_stream": lambda device: Stream(f"outer {device}"),
        "graph_pool_handle": lambda: "pool",
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return calls


def test_a_recording_of_cuda_is_made_aside(cuda_calls):
    recorder = CudaRecorder(torch.device("cuda", 1))
    replay, result = recorder.record(lambda: cuda_calls.append("run") or 5)
    assert cuda_calls == [
        "stream of cuda:1 waits for stream of outer cuda:1",
        "enter stream of cuda:1",
        "begin pool thread_local",
        "run",
        "end",
        "leave stream of cuda:1",
        "stream of outer cuda:1 waits for stream of cuda:1",
    ]
    replay()
    assert (cuda_calls[-1], result) == ("replay", 5)


def test_a_recording_that_fails_is_ended_and_the_reason_raised(cuda_calls):
    def failing():
        cuda_calls.append("failed")
        raise RuntimeError("the reason")

    recorder = CudaRecorder(torch.device("cuda", 1))
    with pytest.raises(RuntimeError, match="the reason"):
        recorder.record(failing)
    assert cuda_calls[-2:] == ["end", "stream of outer cuda:1 waits for stream of cuda:1"]
    with recorder.aside():  # which another recording could not enter if the failed one still held it
        pass


@pytest.mark.gpu
@pytest.mark.parametrize("name", PLAIN)
def test_cuda_graphs_train_as_steps_that_run(name, X, monkeypatch):
    params = {"device": "cuda", "max_epochs": 6, "lr": 1e-4, "optimizer": "sgd"}
    state = torch.cuda.get_rng_state()
    occ = stages(name, **params).fit(X)
    assert not occ.net_.captured_.failed and occ.net_.captured_.ran == set()
    assert torch.equal(torch.cuda.get_rng_state(), state)
    with monkeypatch.context() as patched:
        patched.delitem(_captured.RECORDERS, "cuda")
        plain = stages(name, **params).fit(X)
    np.testing.assert_allclose(occ.score_samples(X), plain.score_samples(X), rtol=1e-2)


@pytest.mark.gpu
def test_cuda_graphs_with_adam_and_a_schedule(X, monkeypatch, capsys):
    def fit():
        schedule = LRScheduler("StepLR", step_size=5, gamma=0.5)
        return ConOCC(
            update_interval=4, channels=8, max_epochs=20, batch_size=16, device="cuda", random_state=0,
            callbacks=[schedule], verbose=1,
        ).fit(X)  # fmt: skip

    occ = fit()
    assert "CUDA graph: left out" not in capsys.readouterr().out
    monkeypatch.delitem(_captured.RECORDERS, "cuda")
    assert np.corrcoef(occ.score_samples(X), fit().score_samples(X))[0, 1] > 0.98


@pytest.mark.gpu
def test_threads_record_on_one_device(X):
    alone = CAE(channels=4, max_epochs=10, batch_size=16, device="cuda", random_state=0).fit(X)
    ensemble = SeedEnsemble(
        CAE(channels=4, max_epochs=10, batch_size=16, device="cuda"), n_estimators=4, vectorized=False, n_jobs=4,
        random_state=0,
    ).fit(X)  # fmt: skip
    assert not any(occ.net_.captured_.failed for occ in (alone, *ensemble.estimators_))


@pytest.mark.gpu
def test_a_step_that_the_host_reads_runs_as_it_is_on_cuda(table, capsys):
    def encoder(shape, width):
        return Reading(shape, width)

    occ = stages("CAE", encoder=encoder, device="cuda", verbose=1).fit(table)
    assert "CUDA graph: left out, as a step cannot be recorded" in capsys.readouterr().out
    expected = stages("CAE", encoder=encoder, device="cpu").fit(table).score_samples(table)
    np.testing.assert_allclose(occ.score_samples(table), expected, rtol=1e-2)
