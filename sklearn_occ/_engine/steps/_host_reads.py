"""HostReads: finds operations that a CUDA graph cannot hold, before one is recorded."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_INDEXING = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)


class HostReads(TorchDispatchMode):
    """Context that notes operations for which the host has to wait for the device: `names`, a set of text.

    They read values (`item`, a comparison in an `if`), have a result whose shape depends on values (`nonzero`, a mask
    as an index), or copy between host and device. A recording in which one is met fails, and a failed recording leaves
    torch's allocator and random numbers of that device unusable in some versions.
    """

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        given = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
        made = [leaf for leaf in tree_flatten(result)[0] if isinstance(leaf, torch.Tensor)]
        if _reads(function, given) or _copies(given + made):
            self.names.add(str(function))
        return result


def _reads(function, given):
    if function.overloadpacket in _INDEXING:
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in given[1:])
    return torch.Tag.data_dependent_output in function.tags or torch.Tag.dynamic_output_shape in function.tags


def _copies(tensors):
    """Whether both host and device are among them; a single number of the host's goes along with a launch."""
    return len({tensor.device.type for tensor in tensors if tensor.ndim or tensor.device.type != "cpu"}) > 1
