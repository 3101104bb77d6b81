"""EagerStep: zero, forward, loss, backward, optimizer."""

from typing import NamedTuple

import torch


class Turn(NamedTuple):
    """What one move of the optimizer lowers.

    Parameters
    ----------
    play : callable
        `play(x, *drawn)`: outputs of the module.
    loss_of : callable
        `loss_of(outputs, x)`: the criterion's loss, a scalar, or the terms that add up to it, (k,).
    weights : list of tensors, optional
        Those that are moved; None = all of the optimizer.
    player : str, optional
        Whose turn it is, if several networks play against each other.
    """

    play: callable
    loss_of: callable
    weights: list[torch.Tensor] | None = None
    player: str | None = None


class EagerStep:
    """One training step: each turn lowers its loss once.

    Parameters
    ----------
    turns : list of Turn
        One for most methods, one for each player of a round if networks play against each other.
    optimizer : torch.optim.Optimizer
        Leaves weights without a gradient as they are.
    """

    def __init__(self, turns, optimizer):
        self.turns = turns
        self.optimizer = optimizer

    def __call__(self, x, *drawn):
        """Make the step on a batch; the list of the turns' losses."""
        losses = []
        for play, loss_of, weights, _ in self.turns:
            self.optimizer.zero_grad()
            outputs = play(x, *drawn)
            loss = loss_of(outputs, x)
            (loss.sum() if loss.ndim else loss).backward(inputs=weights)
            self.optimizer.step()
            losses.append(loss.detach())
        return losses


class IdleStep:
    """Losses of turns that have no weights to move, such as those of a network that the user wants kept.

    Parameters
    ----------
    turns : list of Turn
        As for `EagerStep`.
    """

    def __init__(self, turns):
        self.turns = turns

    def __call__(self, x, *drawn):
        """Losses on a batch, as of `EagerStep`."""
        return [loss_of(play(x, *drawn), x).detach() for play, loss_of, *_ in self.turns]


class FollowedStep:
    """A step, after which the method does something of its own, such as moving an average of the weights.

    Parameters
    ----------
    step : callable
        The step.
    after : callable
        Called without arguments, under `torch.no_grad`.
    """

    def __init__(self, step, after):
        self.step = step
        self.after = after

    def __call__(self, x, *drawn):
        """Make the step and what follows; the losses of the step."""
        losses = self.step(x, *drawn)
        with torch.no_grad():
            self.after()
        return losses
