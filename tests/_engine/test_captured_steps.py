"""Recordings by themselves: what is recorded, when, what a recording may not be used for, and how it proves itself."""

import copy

import numpy as np
import pytest
import torch
from tape import TapeRecorder
from torch import nn

from sklearn_occ._engine import FusedAdam
from sklearn_occ._engine.steps._captured import CapturedStep, RecordableTurn
from sklearn_occ._engine.steps._eager import Turn
from sklearn_occ._engine.steps._recorder import RecordedTurn
from sklearn_occ._engine.steps._recordings import Recordings

PROOF = 3  # replays in which a recording proves itself


class Weighted(nn.Module):
    """`sum(weight * scale * x + shift)`, `factor` times that as the loss, and its steps."""

    def __init__(self, optimizer=torch.optim.SGD):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("shift", torch.zeros(3))
        self.register_buffer("n_steps", torch.tensor(0))
        self.scale = np.float32(1)
        self.factor = 1
        self.reasons = []
        self.recordings = Recordings(self.reasons.append)
        self.optimizer = optimizer([self.weight], lr=0.1)

    def forward(self, x):
        self.n_steps.add_(1)
        return (float(self.scale) * self.weight * x + self.shift).sum().float()

    def steps(self, n, x=(1.0, 1.0, 1.0), factor=1, dtype=torch.float32):
        self.factor = factor
        self.recordings.enter_pass("cpu", [self], self.optimizer)
        tensors = [*self.parameters(), *self.buffers()]
        turn = Turn(self, lambda total, x: self.factor * total)
        step = CapturedStep([turn], self.optimizer, self.recordings, tensors)
        return [step(torch.tensor(x, dtype=dtype))[0].item() for _ in range(n)]


def test_few_recordings_are_kept(recording):
    module = Weighted()
    _, replays = recording(lambda: [module.steps(4, factor=factor) for factor in range(40)])
    assert 1 <= len(module.recordings.graphs) <= 20
    assert replays == [2 + PROOF] + [2] * 39  # the first one proved itself
    torch.testing.assert_close(module.weight.detach(), torch.full((3,), 1 - 0.1 * 4 * sum(range(40))))


def test_a_pool_of_memory_serves_no_recording_after_all_were_dropped(recording):
    def pools():
        module, found = Weighted(), []
        for _ in range(2):
            module.steps(4)
            found.append(module.recordings.recorder)
            module.recordings.forget()
        return found

    (first, second), replays = recording(pools)
    assert first is not second
    assert replays == [2 + PROOF, 2 + PROOF]


def test_two_steps_run_aside_before_one_is_recorded(recording):
    TapeRecorder.n_aside = 0
    losses, replays = recording(lambda: Weighted().steps(5))
    assert TapeRecorder.n_aside == 3  # and one in which it proves itself
    assert replays == [3 + PROOF]
    np.testing.assert_allclose(losses, [3, 2.7, 2.4, 2.1, 1.8], rtol=1e-6)


def test_kinds_of_arguments_are_told_apart(recording):
    module = Weighted()
    _, replays = recording(lambda: [module.steps(4, dtype=dtype) for dtype in (torch.float32, torch.float64)])
    assert replays == [2 + PROOF, 2 + PROOF]


@pytest.mark.parametrize("change", ["buffer", "number", "moments"])
def test_a_recording_that_would_be_wrong_is_not_used(change, recording, monkeypatch):
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
    with monkeypatch.context() as patched:  # every step runs
        patched.setattr(Recordings, "enter_pass", lambda self, *args: setattr(self, "gave_up", True))
        expected, plain = run()
    assert losses == expected and torch.equal(weight, plain)
    assert len(replays) >= 2


def test_hooks_of_the_optimizer_are_called(recording, monkeypatch):
    def run():
        module, calls = Weighted(FusedAdam), []
        module.optimizer.register_step_post_hook(lambda *args: calls.append(1))
        return module.steps(10), len(calls)

    found, replays = recording(run)
    with monkeypatch.context() as patched:  # every step runs
        patched.setattr(Recordings, "enter_pass", lambda self, *args: setattr(self, "gave_up", True))
        assert found == run()
    assert found[1] == 10
    assert replays == [8 + PROOF]


def test_a_recording_that_fails_leaves_no_gradients():
    def failing(total, x):
        total.sum().backward()
        raise RuntimeError("out of memory")

    weight = nn.Parameter(torch.ones(3))
    turn = RecordableTurn(Turn(lambda x: weight * x, failing), torch.optim.SGD([weight], lr=0.1), [weight])
    with pytest.raises(RuntimeError, match="memory"):
        RecordedTurn(TapeRecorder(torch.device("cpu")), turn, [torch.ones(3)])
    assert weight.grad is None


class LyingRecorder(TapeRecorder):
    """Replays that leave something of `of`, or the loss, a little wrong."""

    wrong, by, of = "weight", 1e-2, None

    def record(self, function):
        replay, result = super().record(function)

        def lie():
            replay()
            with torch.no_grad():
                self.told(result).mul_(1 + self.by)

        return lie, result

    def told(self, result):
        module = type(self).of
        if self.wrong == "loss":
            return result[0]
        if self.wrong == "moment":
            return module.optimizer.state[module.weight]["exp_avg_sq"]
        return getattr(module, self.wrong)


@pytest.mark.parametrize("wrong", ["weight", "shift", "loss", "moment"])
@pytest.mark.parametrize("by", [1e-2, 1e-6])
def test_replays_that_lie_are_caught_and_rounding_is_not(wrong, by, recording, recwarn):
    def run(recorder=None):
        module = Weighted(FusedAdam)
        module.shift.fill_(2.0)
        if recorder:
            recorder.of = module
        return module, module.steps(8)

    recorder = type("Lying", (LyingRecorder,), {"wrong": wrong, "by": by})
    (module, losses), _ = recording(lambda: run(recorder), recorder)
    plain = Weighted(FusedAdam)
    plain.shift.fill_(2.0)
    plain.recordings.gave_up, plain.recordings.enter_pass = True, lambda *args: None
    expected = plain.steps(8)
    assert module.recordings.gave_up == (by == 1e-2)
    told = [str(one.message) for one in recwarn]
    if by == 1e-6:
        assert told == []
        np.testing.assert_allclose(losses, expected, rtol=1e-4)
        return
    assert len(told) == 1 and "capture=False" in told[0]
    named = {"weight": "a weight", "shift": "a buffer", "loss": "the loss of replay", "moment": "exp_avg_sq"}[wrong]
    assert named in told[0]
    assert losses == expected  # from the state before, to the bit
    for ours, theirs in zip(module.state_dict().values(), plain.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("optimizer", [FusedAdam, torch.optim.SGD, torch.optim.RMSprop])
def test_the_proof_leaves_weights_buffers_and_counts_as_they_were(optimizer, recording):
    def run():
        module = Weighted(optimizer)
        losses = module.steps(6, x=(1.0, 2.0, 0.5))
        return losses, module.state_dict(), module.optimizer.state_dict()["state"]

    ours, replays = recording(run)
    theirs = run_eagerly(optimizer)
    assert sum(replays) == 4 + PROOF
    assert ours[0] == theirs[0]
    for key, value in theirs[1].items():
        assert torch.equal(ours[1][key], value), key
    for key, value in theirs[2].get(0, {}).items():
        assert torch.equal(torch.as_tensor(ours[2][0][key]), torch.as_tensor(value)), key


def test_a_replay_that_fails_is_warned_of_and_leaves_the_state_before(recording):
    class Failing(TapeRecorder):
        def record(self, function):
            replay, result = super().record(function)

            def fail():
                replay()
                raise RuntimeError("illegal address")

            return fail, result

    with pytest.warns(UserWarning, match="its replay fails: illegal address"):
        (module, losses), _ = recording(lambda: (module := Weighted(FusedAdam), module.steps(6)), Failing)
    assert losses == run_eagerly(FusedAdam, x=(1.0, 1.0, 1.0))[0]
    assert module.recordings.gave_up and not module.recordings.graphs


def run_eagerly(optimizer, x=(1.0, 2.0, 0.5)):
    module = Weighted(optimizer)
    module.recordings.gave_up = True  # so that every step runs
    module.recordings.enter_pass = lambda *args: None
    return module.steps(6, x=x), module.state_dict(), module.optimizer.state_dict()["state"]
