"""Training steps: what the eager one does and calls, what follows it, and that the others can be missing."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import quick
from torch import nn

import sklearn_occ
from sklearn_occ._engine.steps._eager import EagerStep, FollowedStep, IdleStep, Turn

PACKAGE = str(Path(sklearn_occ.__file__).parent)


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 6))


def squares(outputs, x):
    return (outputs - x).square().mean()


def test_the_step_is_zero_forward_loss_backward_optimizer():
    module, x = nn.Linear(3, 3), torch.randn(5, 3)
    by_hand = copy.deepcopy(module)
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.1, momentum=0.9) for each in (module, by_hand)]
    step = EagerStep([Turn(module, squares)], optimizers[0])
    for _ in range(3):
        (loss,) = step(x)
        optimizers[1].zero_grad()
        expected = squares(by_hand(x), x)
        expected.backward()
        optimizers[1].step()
        assert loss.item() == expected.item() and not loss.requires_grad
    for ours, theirs in zip(module.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_turn_moves_its_weights_by_the_sum_of_its_terms():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    x, before = torch.randn(4, 2), copy.deepcopy(second.state_dict())
    both = nn.Sequential(first, second)

    def terms(outputs, x):
        return torch.stack([squares(outputs, x), 2 * outputs.abs().mean()])

    expected = torch.autograd.grad(terms(both(x), x).sum(), first.weight)[0]
    start = first.weight.detach().clone()
    turn = Turn(both, terms, list(first.parameters()), "first")
    (losses,) = EagerStep([turn], torch.optim.SGD(both.parameters(), lr=1.0))(x)
    assert losses.shape == (2,)
    torch.testing.assert_close(start - first.weight, expected)
    assert all(torch.equal(value, before[key]) for key, value in second.state_dict().items())
    states = copy.deepcopy(both.state_dict())
    torch.testing.assert_close(IdleStep([turn])(x)[0], terms(both(x), x))
    assert all(torch.equal(value, states[key]) for key, value in both.state_dict().items())


def test_what_follows_a_step_sees_its_weights():
    module, seen = nn.Linear(2, 2), []
    step = EagerStep([Turn(module, squares)], torch.optim.SGD(module.parameters(), lr=0.1))
    followed = FollowedStep(step, lambda: seen.append((module.weight.clone(), torch.is_grad_enabled())))
    followed(torch.ones(3, 2))
    ((weight, with_gradients),) = seen
    assert torch.equal(weight, module.weight) and not with_gradients


@pytest.mark.parametrize("params", [{}, {"capture": True}, {"compile": True}], ids=str)
def test_a_criterion_may_follow_every_step(params, table, recording, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: function)
    from sklearn_occ.nn._losses import ReconstructionLoss

    class Averaging(ReconstructionLoss):
        def __init__(self):
            super().__init__()
            self.register_buffer("average", torch.tensor(0.0))
            self.weights = []

        def after_step(self, module):
            weight = module.encoder[0].weight
            self.weights.append(weight.sum().item())
            self.average.mul_(0.9).add_(0.1 * weight.sum())

    class Teacher(sklearn_occ.CAE):
        def _make_criterion(self):
            return Averaging()

    def fit():
        return Teacher(max_epochs=4, batch_size=10, lr=1e-3, random_state=0, **params).fit(table)

    occ = recording(fit)[0] if params.get("capture") else fit()
    weights, average = occ.net_.criterion_.weights, 0.0
    assert len(weights) == 4 * 6 and len(set(weights)) == 24
    for weight in weights:
        average = 0.9 * average + 0.1 * weight
    assert occ.net_.criterion_.average.item() == pytest.approx(average, rel=1e-4)


@pytest.mark.parametrize("name", ["CAE", "ConOCC", "AnoGAN"])
def test_between_skorch_and_the_module_lie_two_calls(name, table):
    occ = quick(name, max_epochs=1, batch_size=60)
    stacks, inside = [], []

    def trace(frame, event, arg):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(PACKAGE):
            return
        above, caller = [], frame
        while caller is not None:
            above.append(caller.f_code)
            caller = caller.f_back
        names = [one.co_name for one in above]
        if any(one.co_filename.endswith("steps/_eager.py") for one in above[1:]):  # within the step
            step = names.index("train_step")
            inside.append(Path(code.co_filename).relative_to(PACKAGE).as_posix())
            if code.co_name == "forward":
                stacks.append([one for one in above[1 : step + 1] if one.co_filename.startswith(PACKAGE)])

    sys.setprofile(trace)
    try:
        occ.fit(table)
    finally:
        sys.setprofile(None)
    of_module = min(stacks, key=len)
    assert [code.co_name for code in of_module] == ["__call__", "train_step"]
    assert len({code.co_filename for code in of_module}) == 2
    outside = {"_engine/steps/_eager.py", "_engine/steps/_adam.py"}
    family = sys.modules[type(occ).__module__].__file__
    folder = Path(family).parent.relative_to(PACKAGE).as_posix()
    assert {path for path in inside if path not in outside and not path.startswith(("nn/", f"{folder}/"))} == set()


HIDDEN = """
import importlib.abc, sys

hidden = {"_compiled", "_watched", "_shared", "_captured", "_recorder", "_recordings", "_proof", "_host_reads"}
hidden.add("_stacked")

class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith("sklearn_occ.") and name.rpartition(".")[2] in hidden:
            raise ImportError(f"{name} is hidden")

sys.meta_path.insert(0, Hide())
import numpy as np
import sklearn_occ

X = np.random.default_rng(0).normal(size=(40, 5))
for name in ("CAE", "ConOCC", "VAE", "AnoGAN"):
    params = {"max_epochs": 2, "random_state": 0, **({"search_steps": 2} if name == "AnoGAN" else {})}
    scores = getattr(sklearn_occ, name)(**params).fit(X).score_samples(X)
    print(name, *(value.hex() for value in scores[:5].tolist()))
"""


def test_the_eager_step_alone_trains_and_scores(tmp_path):
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    X = np.random.default_rng(0).normal(size=(40, 5))
    for line in done.stdout.splitlines():
        name, *values = line.split()
        params = {"max_epochs": 2, "random_state": 0, **({"search_steps": 2} if name == "AnoGAN" else {})}
        scores = getattr(sklearn_occ, name)(**params).fit(X).score_samples(X)
        np.testing.assert_allclose([float.fromhex(value) for value in values], scores[:5], rtol=1e-6)
    assert len(done.stdout.splitlines()) == 4


def test_capture_that_cannot_be_had_is_warned_of(table):
    with pytest.warns(UserWarning, match="capture=True: no CUDA graph .* the device is cpu"):
        quick("CAE", capture=True).fit(table)
