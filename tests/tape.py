"""Tape: records operations on the CPU under the rules of a CUDA graph."""

from contextlib import nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only


class Tape(TorchDispatchMode):
    """While it records nothing has happened in the end; `replay` does the same to the same memory, without Python.

    Values that the host reads are refused, as CUDA refuses them.
    """

    def __init__(self):
        super().__init__()
        self.calls, self.made, self.before = [], set(), {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        kwargs = kwargs or {}
        for tensor in _tensors((args, kwargs)):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.made and storage.data_ptr() not in self.before:
                self.before[storage.data_ptr()] = storage, storage.clone()
        call = _as_now((args, kwargs))
        result = function(*args, **kwargs)
        self.made |= {tensor.untyped_storage().data_ptr() for tensor in _tensors(result)} - set(self.before)
        self.calls.append((function, call, _as_now(result)))
        return result

    def undo(self):
        for storage, before in self.before.values():
            storage.copy_(before)

    @torch.no_grad()
    def replay(self):
        for function, call, result in self.calls:
            args, kwargs = _as_now(call)
            for old, new in zip(_tensors(result), _tensors(function(*args, **kwargs)), strict=True):
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    once = tuple(slice(None) if stride else slice(1) for stride in old.stride())  # of what is expanded
                    old[once].copy_(new[once])


class TapeRecorder:
    """Stands in for `CudaRecorder`, on the CPU."""

    tapes = []  # of all recorders, with how often each was replayed
    n_aside = 0

    def __init__(self, device):
        assert device.type == "cpu"

    def aside(self):
        TapeRecorder.n_aside += 1
        return nullcontext()

    def record(self, function):
        tape, count = Tape(), [0]
        try:
            with tape:
                result = function()
        finally:
            tape.undo()
        self.tapes.append(count)

        def replay():
            count[0] += 1
            tape.replay()

        return replay, result


def _as_now(tree):
    """The same tensors, whose shapes operations such as `unsqueeze_` do not change."""
    return tree_map_only(torch.Tensor, torch.Tensor.detach, tree)


def _tensors(tree):
    return [leaf for leaf in tree_flatten(tree)[0] if isinstance(leaf, torch.Tensor)]
