"""How a module runs if not simply called: in another precision, on copies, over all rows in blocks of one size."""

import numpy as np
import torch
from torch.func import functional_call
from torch.utils._pytree import tree_map_only

from ..rows._batches import as_network_input


def in_precision(module, device_type, dtype):
    """The module run under `torch.autocast` in a precision, its outputs as float32."""

    def run(*inputs, **of_turn):
        with torch.autocast(device_type, dtype):
            outputs = module(*inputs, **of_turn)
        return tree_map_only(torch.Tensor, torch.Tensor.float, outputs)

    return run


def on_copies(module, private_random):
    """The module run on copies of its inputs, which it may change, and in the context `private_random()`."""

    def run(*inputs, **of_turn):
        with private_random():
            return module(*(part.clone() for part in inputs), **of_turn)

    return run


@torch.no_grad()
def evaluate_in_blocks(module, X, read, *, block_size, device, dtype, copies):
    """`read(module(x), x)` for all rows of `X`, as a NumPy array of shape (n, ...).

    Blocks all have `block_size` rows, the last one padded, because a float32 matrix product of another
    height gives other last digits. `read` gets float64.

    Parameters
    ----------
    module : torch.nn.Module
        On the device, in eval mode.
    X : array of shape (n, ...)
        Rows on the host: uint8 images or floats.
    read : callable
        Gets outputs and inputs of a block, returns a tensor with one entry a row.
    block_size : int
        Rows of a block.
    device : str or torch.device
        Where the module is.
    dtype : torch.dtype
        Precision in which the module runs.
    copies : bool
        Whether the module gets a copy of its input, because it may change it.
    """
    weights = {k: v.to(dtype) if v.is_floating_point() else v for k, v in _tensors(module)}
    found = None
    for start in range(0, len(X), block_size):
        rows = np.require(X[start : start + block_size], requirements=["C", "W"])
        x = as_network_input(torch.from_numpy(rows).to(device), dtype)
        n_rows = len(x)
        if n_rows < block_size:
            x = torch.cat([x, x[:1].expand(block_size - n_rows, *x.shape[1:])])
        given = x.clone() if copies else x
        outputs = functional_call(module, weights, (given,)) if dtype == torch.float64 else module(given)
        outputs = tree_map_only(torch.Tensor, torch.Tensor.double, outputs)
        block = read(outputs, x.double())[:n_rows].cpu().numpy()
        if found is None:
            found = np.empty((len(X), *block.shape[1:]), block.dtype)
        found[start : start + n_rows] = block
    return found


def _tensors(module):
    yield from module.named_parameters()
    yield from module.named_buffers()
