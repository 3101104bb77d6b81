"""CapturedSteps by itself: what is recorded, when, and what a recording may not be used for."""

import copy

import numpy as np
import pytest
import torch
from tape import TapeRecorder
from torch import nn

from sklearn_occ._engine import FusedAdam
from sklearn_occ._engine.steps._captured import CapturedSteps, RecordedStep


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


def test_a_recording_that_fails_leaves_no_gradients():
    def gradients(x):
        (weight * x).sum().backward()
        raise RuntimeError("out of memory")

    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with pytest.raises(RuntimeError, match="memory"):
        RecordedStep(TapeRecorder(torch.device("cpu")), gradients, optimizer, [torch.ones(3)])
    assert weight.grad is None
