"""Watcher: what callbacks that watch batches hear of a step from inside."""

from functools import partial


class Watcher:
    """Tells the gradients of each turn before the optimizer moves weights, and keeps the outputs of the last one.

    Parameters
    ----------
    tell : callable
        `tell(turn)`, called between backward pass and optimizer.

    Attributes
    ----------
    outputs : any
        What the module gave in the last turn.
    """

    def __init__(self, tell):
        self.tell = tell
        self.outputs = None
        self.turn = None

    def watched(self, turns, optimizer):
        """Turns and optimizer for a step, which makes the same step and is watched."""
        return [turn._replace(play=partial(self._play, turn)) for turn in turns], TellingOptimizer(optimizer, self)

    def _play(self, turn, x, *drawn):
        self.turn, self.outputs = turn, turn.play(x, *drawn)
        return self.outputs


class TellingOptimizer:
    """Optimizer that has a watcher tell the gradients before each step."""

    def __init__(self, optimizer, watcher):
        self.optimizer = optimizer
        self.watcher = watcher
        self.zero_grad = optimizer.zero_grad
        self.param_groups = optimizer.param_groups

    def step(self):
        """Tell, then make the step."""
        self.watcher.tell(self.watcher.turn)
        self.optimizer.step()
