"""How a module runs if it is not simply called: in another precision, or with random numbers of its own."""

import torch
from torch.utils._pytree import tree_map_only


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
