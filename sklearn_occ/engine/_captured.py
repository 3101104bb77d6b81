"""CapturedSteps: training steps recorded once and replayed, as CUDA graphs."""

import sys
import threading
from contextlib import contextmanager, suppress
from itertools import chain

import torch

from ._adam import FusedAdam

_MOST_GRAPHS = 16  # kept; a callback that changes the learning rate in each epoch asks for a new one each time

_PLAIN_VALUES = (bool, int, float, str, tuple, type(None))

_one_aside = threading.Lock()


class CapturedSteps:
    """Steps of an optimizer that are recorded when they come a second time, and then replayed without Python.

    A recorded step does what it did to the same memory: it reads its arguments from tensors of its own, into which
    those of each call are copied, and finds weights, buffers and moments where they were. So what it depends on
    besides is compared before every pass (`enter_pass`): which weights are trained, where tensors lie, and the numbers,
    flags and texts that modules hold. The first step of a kind runs as it is, since libraries and the optimizer set
    themselves up in it, on the recorder's own stream.

    Parameters
    ----------
    verbose : bool
        Whether a line says what is not recorded, and why.
    """

    def __init__(self, verbose):
        self.verbose = verbose
        self.recorder = None
        self.failed = False
        self.told = set()
        self.forget()

    def forget(self):
        """Drop all recordings, and the memory that they hold."""
        self.ran, self.graphs, self.state = set(), {}, None

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
        if make_recorder is None or self.failed:
            return
        if obstacle:
            self._leave_out(obstacle)
            return
        if self.recorder is None:
            self.recorder = make_recorder(torch.device(device))
        self.state = hash(_state_of(modules, optimizer))

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
        kind = self.state, gradients.__name__, *map(_kind_of, args)
        if kind not in self.ran:
            self.ran.add(kind)
            with self.recorder.aside():
                return _step(gradients, optimizer, args)
        kind = *kind, *_options_of(optimizer)
        if kind not in self.graphs and not self._record(kind, gradients, optimizer, args):
            return _step(gradients, optimizer, args)
        return self.graphs[kind].replay(args).clone()

    def _record(self, kind, gradients, optimizer, args):
        """Record a step; whether that was possible."""
        while len(self.graphs) >= _MOST_GRAPHS:
            del self.graphs[next(iter(self.graphs))]
        try:
            self.graphs[kind] = RecordedStep(self.recorder, gradients, optimizer, args)
        except RuntimeError as error:
            self.failed, self.state = True, None
            self._leave_out(f"a step cannot be recorded: {' '.join(str(error).split())[:200]}")
        return not self.failed

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
        self.optimizer = None if isinstance(optimizer, FusedAdam) else optimizer
        weights = list(chain.from_iterable(group["params"] for group in optimizer.param_groups))

        def step():
            result = gradients(*self.args)
            if self.optimizer is None:
                optimizer.step()
            return result

        _drop_gradients(weights)  # so that the recorded step makes them, and does not add to them
        try:
            self.replay_step, self.result = recorder.record(step)
            self.gradients = [] if self.optimizer is None else [(weight, weight.grad) for weight in weights]
        finally:
            _drop_gradients(weights)

    def replay(self, args):
        """Make the step with other arguments; the result lies where the next replay writes its own."""
        for own, given in zip(self.args, args, strict=True):
            if isinstance(own, torch.Tensor):
                own.copy_(given)
        self.replay_step()
        if self.optimizer is not None:
            for weight, gradient in self.gradients:
                weight.grad = gradient
            self.optimizer.step()
        return self.result


class CudaRecorder:
    """Records what is launched on a stream of its own, as a `torch.cuda.CUDAGraph`; all graphs share their memory.

    They may, as one runs after the other and nothing but the copied result of a graph is read after it.
    """

    def __init__(self, device):
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self):
        """Context on the recorder's stream, after all that was launched before it and before all that follows.

        One at a time: fits in threads share a device, and torch's streams come from a pool of a few.
        """
        with _one_aside:
            outer = torch.cuda.current_stream(self.stream.device)
            self.stream.wait_stream(outer)
            with torch.cuda.stream(self.stream):
                yield
            outer.wait_stream(self.stream)

    def record(self, function):
        """Return a function that does on the device what `function()` would, and what `function()` returned.

        Raises
        ------
        RuntimeError
            When something in it cannot be recorded, such as a value that the host reads.
        """
        graph = torch.cuda.CUDAGraph()
        with self.aside():
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            try:
                result = function()
            except BaseException:
                with suppress(RuntimeError):
                    graph.capture_end()
                raise
            graph.capture_end()
        return graph.replay, result


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


def _options_of(optimizer):
    """What a recording of Adam's step holds of its options: learning rates and the like."""
    if not isinstance(optimizer, FusedAdam):
        return ()
    return tuple((key, value) for group in optimizer.param_groups for key, value in group.items() if key != "params")


def _state_of(modules, optimizer):
    """What a recorded step depends on besides the values of tensors, its arguments and the optimizer's options."""
    held, tensors = [], []
    for part in chain.from_iterable(module.modules() for module in modules):
        held += [value for value in vars(part).values() if isinstance(value, _PLAIN_VALUES)]
        tensors += [weight for weight in part._parameters.values() if weight is not None]
        tensors += [buffer for buffer in part._buffers.values() if buffer is not None]
    for state in optimizer.state.values():
        tensors += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return str(held), *((tensor.data_ptr(), tensor.requires_grad) for tensor in tensors)
