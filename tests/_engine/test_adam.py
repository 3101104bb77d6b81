"""FusedAdam is torch's Adam to the bit."""

import warnings

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from sklearn_occ._engine.steps._adam import FusedAdam


def train(make_optimizer, *, freeze_at=None, reload_at=None, schedule=False):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3 * 16, 5))
    module.to(memory_format=torch.channels_last)
    optimizer = make_optimizer(module)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5) if schedule else None
    for step in range(6):
        module[3].requires_grad_(step != freeze_at)
        optimizer.zero_grad()
        module(torch.randn(4, 2, 6, 6)).square().sum().backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        if step == reload_at:
            state = optimizer.state_dict()
            optimizer = make_optimizer(module)
            optimizer.load_state_dict(state)
    return module, optimizer


@pytest.mark.parametrize(
    ("options", "course"),
    [
        ({"lr": 1e-2}, {}),
        ({"lr": 1e-2, "weight_decay": 0.1, "betas": (0.5, 0.99), "eps": 1e-6}, {}),
        ({"lr": 1e-2}, {"freeze_at": 0}),
        ({"lr": 1e-2}, {"freeze_at": 3}),
        ({"lr": 1e-2}, {"reload_at": 2}),
        ({"lr": 1e-2}, {"schedule": True}),
    ],
    ids=str,
)
def test_the_same_bits(options, course):
    with torch.random.fork_rng():
        ours, our_optimizer = train(lambda module: FusedAdam(module.parameters(), **options), **course)
        theirs, optimizer = train(lambda module: torch.optim.Adam(module.parameters(), fused=True, **options), **course)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    for key, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            assert torch.equal(our_optimizer.state_dict()["state"][key][name], value)


def test_groups_with_their_own_learning_rates():
    with torch.random.fork_rng():

        def groups(module):
            return [{"params": module[0].parameters(), "lr": 0.1}, {"params": module[3].parameters()}]

        ours, _ = train(lambda module: FusedAdam(groups(module), lr=1e-2))
        theirs, _ = train(lambda module: torch.optim.Adam(groups(module), lr=1e-2, fused=True))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_closure():
    parameter = nn.Parameter(torch.ones(3))
    optimizer = FusedAdam([parameter], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(3)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("is_global", [False, True])
def test_hooks_are_called_once_a_step(is_global):
    parameter, calls = nn.Parameter(torch.ones(3)), []
    optimizer = FusedAdam([parameter], lr=0.1)
    if is_global:
        before, after = register_optimizer_step_pre_hook, register_optimizer_step_post_hook
    else:
        before, after = optimizer.register_step_pre_hook, optimizer.register_step_post_hook
    handles = [
        before(lambda *args: calls.append(("before", parameter[0].item()))),
        after(lambda *args: calls.append(("after", parameter[0].item()))),
    ]
    parameter.grad = torch.ones(3)
    optimizer.step()
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert [name for name, _ in calls] == ["before", "after"]
    assert calls[0][1] == 1.0 and calls[1][1] == pytest.approx(0.9)
    assert parameter[0].item() == pytest.approx(0.8, abs=1e-3)


def test_a_schedule_sees_the_steps():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of torch, where it believes that no step was made before the schedule's
        parameter = nn.Parameter(torch.ones(3))
        optimizer = FusedAdam([parameter], lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
        parameter.grad = torch.ones(3)
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.05
