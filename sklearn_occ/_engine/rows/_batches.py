"""Batches cut from a tensor that lives on the device, and the order of rows in an epoch."""

from math import prod

import numpy as np
import torch

from ...nn._sending import send

_CHUNK_VALUES = 2**22  # values gathered at a time: 16 MiB of float32
BUFFER_BYTES = 2**27  # rows that are shuffled among themselves, and read at a time
BLOCK_BYTES = 2**22  # neighbouring rows, read together
_LARGEST_SEED = 2**62


def resident(X, device):
    """`X` as a tensor on the device: uint8 as it is, floats as float32. Shares memory where it can."""
    return torch.from_numpy(np.require(X, dtype=dtype_on_device(X), requirements=["C", "W"])).to(device)


def dtype_on_device(X):
    """NumPy dtype of what the device gets of an array: uint8 or float32."""
    return np.uint8 if X.dtype == np.uint8 else np.float32


def as_network_input(x, dtype=torch.float32):
    """Bytes divided by 255 in float32, then all cast."""
    return x.float().div_(255).to(dtype) if x.dtype == torch.uint8 else x.to(dtype)


def n_trained_rows(n_rows, batch_size):
    """Rows of an epoch: all, but for a last batch of a single row."""
    return n_rows - 1 if n_rows > batch_size > 1 and n_rows % batch_size == 1 else n_rows


def n_batches(n_rows, batch_size):
    """Batches of an epoch in training."""
    return -(-n_trained_rows(n_rows, batch_size) // batch_size)


class ResidentBatches:
    """Iterate over `(x, None)`, x float of shape (b, ...), as skorch expects of a data loader.

    Shuffled when a `stream` is given. Up to 128 MiB of rows are shuffled as a whole. Of more, blocks of 4 MiB of
    neighbouring rows are shuffled, and then the rows of each 128 MiB of blocks: an order in which a file can be
    read. It follows from the sizes of the data and of a batch and from the stream, so that batches are the same
    wherever the rows are. Rows are gathered in chunks of many batches, so that a batch is a slice. A last batch of a
    single row is left to the next epoch's shuffle, since batch normalisation cannot train on it.

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
        self.n_rows = len(X) if stream is None else n_trained_rows(len(X), batch_size)

    def __len__(self):
        return (self.n_rows + self.batch_size - 1) // self.batch_size

    def __iter__(self):
        chunk_size = self.batch_size * max(1, _CHUNK_VALUES // (self.batch_size * prod(self.X.shape[1:])))
        for rows, order in self._buffers():
            for start in range(0, len(rows if order is None else order), chunk_size):
                chunk = slice(start, start + chunk_size)
                for x in as_network_input(rows[chunk if order is None else order[chunk]]).split(self.batch_size):
                    yield x, None

    def _buffers(self):
        """Yield tensors of rows on the device, and the order in which to take them (None: as they are)."""
        for spans, order in self._plan():
            if order is None:
                yield self.X[spans[0][0] : spans[-1][1]], None
            else:
                yield self.X, send(_numbers(spans, order), self.X.device)

    def _plan(self):
        """Yield for each buffer the spans of row numbers in it, and the order of its rows (None: as they are)."""
        row_bytes = prod(self.X.shape[1:]) * (1 if self.X.dtype == torch.uint8 else 4)
        size = self.batch_size * max(1, BUFFER_BYTES // (self.batch_size * row_bytes))
        if self.stream is None:
            for start in range(0, len(self.X), size):
                yield [(start, min(start + size, len(self.X)))], None
            return
        is_one = len(self.X) <= size
        with self.stream.generator() as generator:  # not kept open: the network draws between buffers
            if is_one:
                order = torch.randperm(len(self.X), generator=generator)
            else:
                seed = torch.randint(_LARGEST_SEED, (), generator=generator).item()
        if is_one:
            yield [(0, len(self.X))], order[: self.n_rows]
            return
        generator, done = torch.Generator().manual_seed(seed), 0
        for spans in _shuffled_spans(len(self.X), max(1, BLOCK_BYTES // row_bytes), size, generator):
            order = torch.randperm(sum(stop - start for start, stop in spans), generator=generator)
            yield spans, order[: self.n_rows - done]
            done += len(order)

    def row_order(self):
        """Numbers of the rows in the order of one pass."""
        return torch.cat([_numbers(spans, order) for spans, order in self._plan()])


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
        batches = (ResidentBatches(self.X, self.batch_size, stream) for stream in self.streams)
        orders = send(torch.stack([one.row_order() for one in batches]), self.X.device)
        values_per_batch = self.batch_size * self.X[0].numel() * len(self.streams)
        chunk_size = self.batch_size * max(1, _CHUNK_VALUES // values_per_batch)
        for start in range(0, self.n_rows, chunk_size):
            stop = min(start + chunk_size, self.n_rows)
            yield from as_network_input(self.X[orders[:, start:stop]]).split(self.batch_size, dim=1)


def _numbers(spans, order):
    """Numbers of the rows of the spans, in that order of their places in them."""
    if len(spans) == 1 and not spans[0][0]:
        return order
    return torch.cat([torch.arange(*span) for span in spans])[order]


def _shuffled_spans(n_rows, block_size, buffer_size, generator):
    """Yield lists of spans (start, stop) of `buffer_size` rows each, the last list of what is left.

    The spans are the blocks in random order, cut where a buffer is full.
    """
    spans, room = [], buffer_size
    for block in torch.randperm(-(-n_rows // block_size), generator=generator).tolist():
        start, stop = block * block_size, min((block + 1) * block_size, n_rows)
        while stop - start >= room:
            spans.append((start, start + room))
            yield spans
            start, spans, room = start + room, [], buffer_size
        if start < stop:
            spans.append((start, stop))
            room -= stop - start
    if spans:
        yield spans
