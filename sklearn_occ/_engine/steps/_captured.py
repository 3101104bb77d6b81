"""CapturedSteps: training steps recorded once and replayed, as CUDA graphs."""

import sys
from contextlib import contextmanager, nullcontext, suppress
from itertools import chain

import numpy as np
import torch

from .._seeding import GLOBAL_GENERATORS
from ._adam import FusedAdam
from ._host_reads import HostReads

_RUNS_BEFORE = 2  # libraries, compilers and optimizers set themselves up in the first; the second is looked into
_MOST_GRAPHS = 16  # kept; a callback that changes the learning rate in each epoch asks for a new one each time
_HELD = (bool, int, float, str, tuple, type(None), np.generic)


class CapturedSteps:
    """Steps of an optimizer that are recorded when they come a third time, and then replayed without Python.

    A recorded step does what it did to the same memory: it reads its arguments from tensors of its own, into which
    those of each call are copied, and finds weights, buffers and moments where they were. So what it depends on
    besides is compared before every pass (`enter_pass`): which weights are trained, where tensors lie, and the numbers,
    flags and texts that modules hold. Before that a step of its kind runs as it is, on the recorder's own stream, and a
    second one under `HostReads`.

    Parameters
    ----------
    verbose : bool
        Whether a line says what is not recorded, and why.
    """

    def __init__(self, verbose):
        self.verbose = verbose
        self.gave_up = False
        self.told = set()
        self.forget()

    def forget(self):
        """Drop all recordings, and the pool of memory that they share, which no later one may use."""
        self.runs, self.graphs, self.recorder, self.state, self.moments = {}, {}, None, None, None

    def enter_pass(self, device, modules, optimizer, obstacle=None):
        """Make ready for a pass over the rows.

        Parameters
        ----------
        device : str or torch.device
            Where the modules are. Only devices of `RECORDERS` record; on others every step runs as it is.
        modules : list of torch.nn.Module
            All that a step runs.
        optimizer : torch.optim.Optimizer
            Whose steps they are.
        obstacle : str, optional
            Why the steps of this pass have to run as they are, the end of a sentence.
        """
        self.state = None
        make_recorder = RECORDERS.get(torch.device(device).type)
        if make_recorder is None or self.gave_up:
            return
        if obstacle:
            self._leave_out(obstacle)
            return
        moments = _places_of_moments(optimizer)
        if moments != self.moments:  # no recording finds them
            self.forget()
            self.moments = moments
        if self.recorder is None:
            self.recorder = make_recorder(torch.device(device))
        self.state = hash(_state_of(modules))

    def run(self, gradients, optimizer, *args, before_step=None):
        """One step: `gradients(*args)`, which leaves gradients behind and returns a tensor, then the optimizer's.

        Parameters
        ----------
        gradients : function
            Draws no random numbers; what it depends on besides tensors stays the same for a pass.
        optimizer : torch.optim.Optimizer
            That of `enter_pass`.
        *args : tensors on the device, and others that can be hashed
            What it is called with.
        before_step : callable, optional
            Called between the two, in a pass with an obstacle.

        Returns
        -------
        result : tensor
            What `gradients` returned.
        """
        if self.state is None:
            return _step(gradients, optimizer, args, before_step)
        kind = self.state, gradients.__name__, *map(_kind_of, args), *_recorded_options(optimizer)
        if self.runs.get(kind, 0) < _RUNS_BEFORE:
            return self._run_aside(kind, gradients, optimizer, args)
        if kind not in self.graphs and not self._record(kind, gradients, optimizer, args):
            return _step(gradients, optimizer, args)
        return self.graphs[kind].replay(args).clone()

    def _run_aside(self, kind, gradients, optimizer, args):
        is_first = kind not in self.runs
        self.runs[kind] = self.runs.get(kind, 0) + 1
        reads = nullcontext() if is_first else HostReads()
        with self.recorder.aside(), reads:
            result = _step(gradients, optimizer, args)
        if not is_first and reads.names:
            self._give_up(f"the host waits for the device in a step ({', '.join(sorted(reads.names))})")
        return result

    def _record(self, kind, gradients, optimizer, args):
        """Record a step; whether that was possible."""
        while len(self.graphs) >= _MOST_GRAPHS:
            del self.graphs[next(iter(self.graphs))]
        try:
            self.graphs[kind] = RecordedStep(self.recorder, gradients, optimizer, args)
        except RuntimeError as error:
            self._give_up(f"a step cannot be recorded: {' '.join(str(error).split())[:200]}")
        return not self.gave_up

    def _give_up(self, reason):
        self.forget()
        self.gave_up = True
        self._leave_out(reason)

    def _leave_out(self, reason):
        if self.verbose and reason not in self.told:
            self.told.add(reason)
            sys.stdout.write(f"CUDA graph: left out, as {reason}\n")

    def __getstate__(self):
        return {"verbose": self.verbose}

    def __setstate__(self, state):
        self.__init__(state["verbose"])


class RecordedStep:
    """A step that was recorded: Adam's with it; another optimizer makes its step after each replay.

    Parameters
    ----------
    recorder : CudaRecorder
        What records.
    gradients, optimizer, args
        As for `CapturedSteps.run`.
    """

    def __init__(self, recorder, gradients, optimizer, args):
        self.args = [arg.clone() if isinstance(arg, torch.Tensor) else arg for arg in args]
        self.optimizer = None if _is_recorded(optimizer) else optimizer
        weights = list(chain.from_iterable(group["params"] for group in optimizer.param_groups))

        def step():
            result = gradients(*self.args)
            if self.optimizer is None:
                optimizer.step()
            return result

        _drop_gradients(weights)  # so that the recorded step makes them, and does not add to them
        try:
            self.replay_step, self.result = recorder.record(step)
            self.gradients = [(weight, weight.grad) for weight in weights]
        finally:
            _drop_gradients(weights)

    def replay(self, args):
        """Make the step with other arguments; the result lies where the next replay writes its own."""
        for own, given in zip(self.args, args, strict=True):
            if isinstance(own, torch.Tensor):
                own.copy_(given)
        self.replay_step()
        for weight, gradient in self.gradients:
            weight.grad = gradient
        if self.optimizer is not None:
            self.optimizer.step()
        return self.result


class CudaRecorder:
    """Records what is launched on a stream of its own, as a `torch.cuda.CUDAGraph`; all graphs share their memory.

    They may, as one runs after the other and what is read after a graph has run is copied before the next one does, or
    kept. Fits in threads share a device and its generator, whose state torch looks into when it records and replays: so
    both take the lock of those who draw from it.
    """

    def __init__(self, device):
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self):
        """Context on the recorder's stream, after all that was launched before it and before all that follows."""
        with GLOBAL_GENERATORS:
            outer = torch.cuda.current_stream(self.stream.device)
            self.stream.wait_stream(outer)
            try:
                with torch.cuda.stream(self.stream):
                    yield
            finally:
                outer.wait_stream(self.stream)

    def record(self, function):
        """Return a function that does on the device what `function()` would, and what `function()` returned.

        Raises
        ------
        RuntimeError
            When something in it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        with self.aside():
            try:
                graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
                result = function()
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()

        def replay():
            with GLOBAL_GENERATORS:
                graph.replay()

        return replay, result


RECORDERS = {"cuda": CudaRecorder}


def _step(gradients, optimizer, args, before_step=None):
    optimizer.zero_grad()
    result = gradients(*args)
    if before_step is not None:
        before_step()
    optimizer.step()
    return result


def _drop_gradients(weights):
    for weight in weights:
        weight.grad = None


def _kind_of(arg):
    return (*arg.shape, arg.dtype) if isinstance(arg, torch.Tensor) else arg


def _is_recorded(optimizer):
    """Whether its step is part of a recording: that of our Adam, unless code of a user's hangs on it."""
    return isinstance(optimizer, FusedAdam) and not optimizer.has_hooks


def _recorded_options(optimizer):
    """What a recording holds of the optimizer's options: learning rates and the like."""
    if not _is_recorded(optimizer):
        return ()
    return tuple((key, value) for group in optimizer.param_groups for key, value in group.items() if key != "params")


def _places_of_moments(optimizer):
    states = optimizer.state.values()
    return [value.data_ptr() for state in states for value in state.values() if isinstance(value, torch.Tensor)]


def _state_of(modules):
    """What a recorded step depends on besides the values of tensors on the device, its arguments and the optimizer."""
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
