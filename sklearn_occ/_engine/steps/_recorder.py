"""What records a turn of a training step, and what was recorded."""

from contextlib import contextmanager, suppress
from itertools import chain

import torch

from .._seeding import GLOBAL_GENERATORS
from ._adam import FusedAdam


def is_recorded(optimizer):
    """Whether its step is part of a recording: that of our Adam, unless code of a user's hangs on it."""
    return isinstance(optimizer, FusedAdam) and not optimizer.has_hooks


def drop_gradients(weights):
    """Leave the weights without a gradient."""
    for weight in weights:
        weight.grad = None


class RecordedTurn:
    """A turn that was recorded: Adam's step with it; another optimizer makes its step after each replay.

    Parameters
    ----------
    recorder : CudaRecorder
        What records.
    turn : RecordableTurn
        What is recorded.
    inputs : list of tensors
        Those of the batch; a replay gets others of the same shapes.
    """

    def __init__(self, recorder, turn, inputs):
        self.inputs = [part.clone() for part in inputs]
        self.optimizer = None if is_recorded(turn.optimizer) else turn.optimizer
        step = turn.step if self.optimizer is None else turn.without_optimizer
        weights = list(chain.from_iterable(group["params"] for group in turn.optimizer.param_groups))
        drop_gradients(weights)  # so that the recorded step makes them, and does not add to them
        try:
            self.replay_step, (self.loss,) = recorder.record(lambda: step(*self.inputs))
            self.gradients = [(weight, weight.grad) for weight in weights]
        finally:
            drop_gradients(weights)

    def replay(self, inputs):
        """Make the step on another batch; its loss."""
        loss = self.replay_recorded(inputs)
        if self.optimizer is not None:
            self.optimizer.step()
        return loss

    def replay_recorded(self, inputs):
        """Make what was recorded of the step, so without an optimizer that was not; the loss."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.replay_step()
        for weight, gradient in self.gradients:
            weight.grad = gradient
        return self.loss.clone()  # the next replay writes its own where it lies


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
