"""difference_of: whether a replayed turn does what the turn does, tried out before it is trusted."""

import copy
from itertools import chain
from math import inf, isfinite

import torch

from ._recorder import drop_gradients

_REPLAYS = 3
_MOST = 1e-4  # relative difference; kernels of a GPU are rarely equal to the bit
_LEAST_GRADIENT = 1e-5  # of the largest: below it lies rounding, which Adam turns into steps of full size


def difference_of(turn, recorded, inputs, aside):
    """Compare three replays with three turns that run, from the same state and on the same batch.

    Gradients, the optimizer's state, weights, buffers and losses are compared tensor by tensor, in the norm of the
    difference by the norm of what the running turn made. Weights (and their moments) whose gradient is below 1e-5 of
    the largest one do not count: biases before a batch normalisation have no gradient but rounding. An optimizer whose
    step was not recorded makes none here either. Afterwards everything is as it was before, so that a fit has the same
    bits with this trial and without it.

    Parameters
    ----------
    turn : RecordableTurn
        What is to be done.
    recorded : RecordedTurn
        What was recorded of it.
    inputs : list of tensors
        A batch.
    aside : callable
        Context on the recorder's stream.

    Returns
    -------
    difference : str or None
        What differs by how much, the end of a sentence; None if nothing does.
    """
    state = _State(turn)
    step = turn.step if recorded.optimizer is None else turn.without_optimizer

    def run():
        drop_gradients(state.weights)
        return step(*inputs)[0]

    try:
        losses, found = [recorded.replay_recorded(inputs) for _ in range(_REPLAYS)], _State(turn)
        state.restore()
        with aside():
            expected_losses = [run() for _ in range(_REPLAYS)]
        expected = _State(turn)
    finally:
        state.restore()
    return _compared(losses, expected_losses, found, expected)


class _State:
    """Copies of all that a turn may change: tensors, their gradients, and what the optimizer keeps."""

    def __init__(self, turn):
        self.turn = turn
        groups = (group["params"] for group in turn.optimizer.param_groups)
        self.weights = list({id(weight): weight for weight in chain.from_iterable(groups)}.values())
        known = {id(weight) for weight in self.weights}
        self.others = [tensor for tensor in turn.tensors if id(tensor) not in known]
        self.of_weights = _copies(self.weights)
        self.of_others = _copies(self.others)
        self.gradients = [weight.grad for weight in self.weights]
        self.of_gradients = [None if grad is None else grad.detach().clone() for grad in self.gradients]
        self.of_optimizer = {
            weight: {key: _copy(value) for key, value in turn.optimizer.state.get(weight, {}).items()}
            for weight in self.weights
        }

    @torch.no_grad()
    def restore(self):
        """Put everything back, in the memory where it was."""
        for tensors, copies in ((self.weights, self.of_weights), (self.others, self.of_others)):
            for tensor, kept in zip(tensors, copies, strict=True):
                tensor.copy_(kept)
        for weight, gradient, kept in zip(self.weights, self.gradients, self.of_gradients, strict=True):
            weight.grad = gradient
            if gradient is not None:
                gradient.copy_(kept)
        for weight, kept in self.of_optimizer.items():
            now = self.turn.optimizer.state[weight] if kept else self.turn.optimizer.state.pop(weight, {})
            for key, value in kept.items():
                if isinstance(value, torch.Tensor):
                    now[key].copy_(value)
                else:
                    now[key] = copy.deepcopy(value)


def _compared(losses, expected_losses, found, expected):
    largest = max((grad.abs().max().item() for grad in expected.of_gradients if grad is not None), default=0.0)
    for k, weight in enumerate(expected.weights):
        gradient = expected.of_gradients[k]
        if gradient is None:
            continue
        moved = gradient.abs() > _LEAST_GRADIENT * largest
        pairs = {
            "a gradient": (found.of_gradients[k], gradient),
        }
        for key, value in expected.of_optimizer[weight].items():
            if isinstance(value, torch.Tensor):
                pairs[f"{key} of the optimizer"] = found.of_optimizer[weight][key], value
        pairs["a weight"] = found.of_weights[k], expected.of_weights[k]
        for name, (ours, theirs) in pairs.items():
            chosen = moved if theirs.shape == moved.shape else ...
            if (by := _distance(ours[chosen], theirs[chosen])) > _MOST:
                return _sentence(f"{name}, of shape {tuple(weight.shape)},", by)
    for ours, theirs in zip(found.of_others, expected.of_others, strict=True):
        if (by := _distance(ours, theirs)) > _MOST:
            return _sentence(f"a buffer of shape {tuple(theirs.shape)}", by)
    for number, (ours, theirs) in enumerate(zip(losses, expected_losses, strict=True), start=1):
        if (by := _distance(ours, theirs)) > _MOST:
            return _sentence(f"the loss of replay {number}", by)
    return None


def _distance(ours, theirs):
    """`||ours - theirs|| / ||theirs||`; the norm of the difference itself if `theirs` is 0."""
    ours, theirs = ours.double(), theirs.double()
    scale, distance = theirs.norm().item(), (ours - theirs).norm().item()
    if not isfinite(scale):  # training diverges, which the loss of the epoch tells
        return 0.0
    by = distance / scale if scale else distance
    return by if isfinite(by) else inf


def _sentence(name, by):
    return f"{name} differs by {by:.1g} after replays from that of steps that run, expected at most {_MOST:g}"


def _copies(tensors):
    return [tensor.detach().clone() for tensor in tensors]


def _copy(value):
    return value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
