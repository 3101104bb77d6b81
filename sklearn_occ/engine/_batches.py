"""Batches cut from a tensor that lives on the device."""

import numpy as np
import torch

_CHUNK_VALUES = 2**22  # values gathered at a time: 16 MiB of float32


def resident(X, device):
    """`X` as a tensor on the device: uint8 as it is, floats as float32. Shares memory where it can."""
    dtype = np.uint8 if X.dtype == np.uint8 else np.float32
    return torch.from_numpy(np.require(X, dtype=dtype, requirements=["C", "W"])).to(device)


def as_network_input(x, dtype=torch.float32):
    """Bytes divided by 255 in float32, then all cast."""
    return x.float().div_(255).to(dtype) if x.dtype == torch.uint8 else x.to(dtype)


class ResidentBatches:
    """Iterate over `(x, None)`, x float of shape (b, ...), as skorch expects of a data loader.

    Shuffled when a `stream` is given: rows are gathered in chunks of many batches, so that a batch is a
    slice. A last batch of a single row is then left to the next epoch's shuffle, since batch normalisation
    cannot train on it.

    Parameters
    ----------
    X : tensor of shape (n, ...)
        All rows, on the device.
    batch_size : int
        Rows of a batch; the last one may be smaller.
    stream : RandomStream, optional
        Where the order comes from; None keeps the order of X.
    """

    def __init__(self, X, batch_size, stream=None):
        self.X = X
        self.batch_size = batch_size
        self.stream = stream
        single = stream is not None and len(X) > batch_size > 1 and len(X) % batch_size == 1
        self.n_rows = len(X) - 1 if single else len(X)

    def __len__(self):
        return (self.n_rows + self.batch_size - 1) // self.batch_size

    def __iter__(self):
        order = self._order()
        values_per_batch = self.batch_size * self.X[0].numel()
        chunk_size = self.batch_size * max(1, _CHUNK_VALUES // values_per_batch)
        for start in range(0, self.n_rows, chunk_size):
            stop = min(start + chunk_size, self.n_rows)
            rows = self.X[start:stop] if order is None else self.X[order[start:stop]]
            for x in as_network_input(rows).split(self.batch_size):
                yield x, None

    def _order(self):
        if self.stream is None:
            return None
        return _shuffled(len(self.X), self.stream).to(self.X.device)


class StackedBatches(ResidentBatches):
    """Iterate over x of shape (k, b, ...): for each of k streams the batch that `ResidentBatches` would give.

    Parameters
    ----------
    X : tensor of shape (n, ...)
        All rows, on the device.
    batch_size : int
        Rows of a batch of each stream.
    streams : list of RandomStream
        Where the orders come from.
    """

    def __init__(self, X, batch_size, streams):
        super().__init__(X, batch_size, streams[0])
        self.streams = streams

    def __iter__(self):
        orders = torch.stack([_shuffled(len(self.X), stream) for stream in self.streams]).to(self.X.device)
        values_per_batch = self.batch_size * self.X[0].numel() * len(self.streams)
        chunk_size = self.batch_size * max(1, _CHUNK_VALUES // values_per_batch)
        for start in range(0, self.n_rows, chunk_size):
            stop = min(start + chunk_size, self.n_rows)
            yield from as_network_input(self.X[orders[:, start:stop]]).split(self.batch_size, dim=1)


def _shuffled(n_rows, stream):
    with stream.generator() as generator:
        return torch.randperm(n_rows, generator=generator)
