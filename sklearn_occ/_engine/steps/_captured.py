"""CapturedStep: a step whose turns are recorded as CUDA graphs and replayed without Python."""

from ._eager import EagerStep


class CapturedStep:
    """The step of `EagerStep`, each turn replayed once it has been recorded and its replays have been proved right.

    Parameters
    ----------
    turns, optimizer
        As for `EagerStep`.
    recordings : Recordings
        Those of the net, in a pass.
    tensors : list of tensors
        All that the step may change besides the optimizer's state.
    """

    def __init__(self, turns, optimizer, recordings, tensors):
        self.recordings = recordings
        self.turns = [RecordableTurn(turn, optimizer, tensors) for turn in turns]

    def __call__(self, x, *drawn):
        """Make the step on a batch; the list of the turns' losses."""
        return [self.recordings.run(turn, x, *drawn) for turn in self.turns]


class RecordableTurn:
    """One turn, whole and without the optimizer.

    Parameters
    ----------
    turn : Turn
        What the step does.
    optimizer : torch.optim.Optimizer
        Whose step follows.
    tensors : list of tensors
        All that the turn may change besides the optimizer's state.
    """

    def __init__(self, turn, optimizer, tensors):
        self.player = turn.player
        self.optimizer = optimizer
        self.tensors = tensors
        self.step = EagerStep([turn], optimizer)
        self.without_optimizer = EagerStep([turn], _NoOptimizer())


class _NoOptimizer:
    """Leaves gradients and weights as they are."""

    def zero_grad(self):
        pass

    def step(self):
        pass
