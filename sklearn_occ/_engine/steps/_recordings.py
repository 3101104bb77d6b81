"""Recordings: the recorded turns of a net, when they are made and when they may be replayed."""

from contextlib import nullcontext
from itertools import chain

import numpy as np
import torch

from ..._warning import warn
from ._host_reads import HostReads
from ._proof import difference_of
from ._recorder import RECORDERS, RecordedTurn, is_recorded

_RUNS_BEFORE = 2  # libraries, compilers and optimizers set themselves up in the first; the second is looked into
_MOST_GRAPHS = 16  # kept; a callback that changes the learning rate in each epoch asks for a new one each time
_HELD = (bool, int, float, str, tuple, type(None), np.generic)


class Recordings:
    """Turns that are recorded when they come a third time, and then replayed.

    A recorded turn does what it did to the same memory: it reads its inputs from tensors of its own, into which those
    of each batch are copied, and finds weights, buffers and moments where they were. So what it depends on besides is
    compared before every pass (`enter_pass`): which weights are trained, where tensors lie, and the numbers, flags and
    texts that modules hold. Before that a turn of its kind runs as it is, on the recorder's own stream, and a second
    one under `HostReads`. The first recording of a turn has to prove itself (`_proof.py`); if it does not, or cannot be
    made, a warning says so and all steps run as they are.

    Parameters
    ----------
    leave_out : callable
        `leave_out(reason)` says why steps run as they are; it is called once for each reason.
    """

    def __init__(self, leave_out):
        self.say = leave_out
        self.gave_up = False
        self.told = set()
        self.forget()

    def forget(self):
        """Drop all recordings, and the pool of memory that they share, which no later one may use."""
        self.runs, self.graphs, self.recorder, self.state, self.moments = {}, {}, None, None, None
        self.proved = set()

    def enter_pass(self, device, modules, optimizer):
        """Make ready for a pass over the rows.

        Parameters
        ----------
        device : str or torch.device
            Where the modules are.
        modules : list of torch.nn.Module
            All that a step runs.
        optimizer : torch.optim.Optimizer
            Whose steps they are.
        """
        moments = _places_of_moments(optimizer)
        if moments != self.moments:  # no recording finds them
            self.forget()
            self.moments = moments
        if self.recorder is None:
            device = torch.device(device)
            self.recorder = RECORDERS[device.type](device)
        self.state = hash(_state_of(modules))

    def run(self, turn, *inputs):
        """Make one turn.

        Parameters
        ----------
        turn : RecordableTurn
            Draws no random numbers; what it depends on besides tensors stays the same for a pass.
        *inputs : tensors on the device
            The batch and what was drawn for it.

        Returns
        -------
        loss : tensor
            Of the turn.
        """
        if self.gave_up:
            return turn.step(*inputs)[0]
        shapes = turn.player, *((*part.shape, part.dtype) for part in inputs)
        kind = self.state, *shapes, *_recorded_options(turn.optimizer)
        if self.runs.get(kind, 0) < _RUNS_BEFORE:
            return self._run_aside(kind, turn, inputs)
        if kind not in self.graphs and not self._record(kind, turn, inputs):
            return turn.step(*inputs)[0]
        if shapes not in self.proved and not self._prove(shapes, kind, turn, inputs):
            return turn.step(*inputs)[0]
        return self.graphs[kind].replay(inputs)

    def leave_out(self, reason):
        """Say once why steps run as they are."""
        if reason not in self.told:
            self.told.add(reason)
            self.say(reason)

    def _run_aside(self, kind, turn, inputs):
        is_first = kind not in self.runs
        self.runs[kind] = self.runs.get(kind, 0) + 1
        reads = nullcontext() if is_first else HostReads()
        with self.recorder.aside(), reads:
            loss = turn.step(*inputs)[0]
        if not is_first and reads.names:
            self._give_up()
            self.leave_out(f"the host waits for the device in a step ({', '.join(sorted(reads.names))})")
        return loss

    def _record(self, kind, turn, inputs):
        """Record a turn; whether that was possible."""
        while len(self.graphs) >= _MOST_GRAPHS:
            del self.graphs[next(iter(self.graphs))]
        try:
            self.graphs[kind] = RecordedTurn(self.recorder, turn, inputs)
        except RuntimeError as error:
            self._fail(f"it cannot be recorded: {' '.join(str(error).split())[:200]}")
        return not self.gave_up

    def _prove(self, shapes, kind, turn, inputs):
        """Compare replays with steps that run; whether they are the same but for rounding."""
        try:
            found = difference_of(turn, self.graphs[kind], inputs, self.recorder.aside)
        except RuntimeError as error:
            found = f"its replay fails: {' '.join(str(error).split())[:200]}"
        if found is not None:
            self._fail(found)
            return False
        self.proved.add(shapes)
        return True

    def _fail(self, reason):
        self._give_up()
        warn(
            f"A training step is not used as a CUDA graph, as {reason}. Training goes on with steps that run as they "
            "are, from the state before. Set capture=False to leave graphs out from the start."
        )

    def _give_up(self):
        self.forget()
        self.gave_up = True


def _recorded_options(optimizer):
    """What a recording holds of the optimizer's options: learning rates and the like."""
    if not is_recorded(optimizer):
        return ()
    return tuple((key, value) for group in optimizer.param_groups for key, value in group.items() if key != "params")


def _places_of_moments(optimizer):
    states = optimizer.state.values()
    return [value.data_ptr() for state in states for value in state.values() if isinstance(value, torch.Tensor)]


def _state_of(modules):
    """What a recorded step depends on besides the values of tensors on the device, its inputs and the optimizer."""
    held, tensors = [], []
    for part in chain.from_iterable(module.modules() for module in modules):
        for value in chain(vars(part).values(), part._parameters.values(), part._buffers.values()):
            if isinstance(value, torch.Tensor):
                tensors.append((value.data_ptr(), value.requires_grad))
                if not value.ndim and value.device.type == "cpu":
                    held.append(value.item())
            elif isinstance(value, _HELD):
                held.append(value)
    return str(held), *tensors
