"""Rows that stay in the host's memory or in a file, and batches read from them while the network trains."""

import mmap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from ...nn._sending import send
from . import _batches
from ._batches import ResidentBatches, dtype_on_device, resident


def placed(X, device):
    """`X` as a tensor on the device, or as `HostRows` where that would take too much memory.

    On CUDA rows stream when they need more than half of the memory that is free, on the CPU when they are a memory
    map of more than one buffer: what is read only has to be copied to become a tensor.
    """
    n_bytes = X.size * np.dtype(dtype_on_device(X)).itemsize
    return HostRows(X, device) if n_bytes > most_resident(X, torch.device(device)) else resident(X, device)


class HostRows:
    """Rows that are read when they are asked for, with as much of a tensor as training asks of one.

    Parameters
    ----------
    X : array of shape (n, ...)
        On the host, also a memory map: uint8 or floats.
    device : torch.device or str
        Where the rows go.

    Attributes
    ----------
    shape : tuple
    dtype : torch.dtype
        Of the rows on the device: uint8, or float32.
    device : torch.device
    """

    def __init__(self, X, device):
        self._X = X
        self.shape = X.shape
        self.dtype = torch.uint8 if X.dtype == np.uint8 else torch.float32
        self.device = torch.device(device)

    def __len__(self):
        return len(self._X)

    def __getitem__(self, rows):
        """Return some rows as a tensor on the device; `rows` as for an array or, on the host, for a tensor."""
        return resident(self._X[rows.numpy() if isinstance(rows, torch.Tensor) else rows], self.device)

    def copy_(self, rows):
        """Replace all rows by those of a tensor."""
        self._X[...] = rows.numpy()

    def buffer(self, n_rows):
        """An empty tensor on the host, pinned where CUDA copies from it."""
        return torch.empty((n_rows, *self.shape[1:]), dtype=self.dtype, pin_memory=self.device.type == "cuda")

    def read(self, spans, buffer):
        """Copy the rows of these spans (start, stop) into a buffer, one span behind the other."""
        done = 0
        values = buffer.numpy()
        for start, stop in spans:
            values[done : done + stop - start] = self._X[start:stop]
            done += stop - start
        return buffer


class StreamedBatches(ResidentBatches):
    """The batches of `ResidentBatches`, bit for bit, of rows on the host.

    A thread reads the next buffer, block by block, while the network trains on this one, so that two buffers are in
    memory. On CUDA they are pinned, and the host does not wait for their copies.

    Parameters
    ----------
    X : HostRows
        All rows.
    batch_size, stream
        As for `ResidentBatches`.
    """

    def _buffers(self):
        with ThreadPoolExecutor(1) as reader:
            ahead = None
            for spans, order in self._plan():
                buffer = self.X.buffer(sum(stop - start for start, stop in spans))
                coming = reader.submit(self.X.read, spans, buffer), order
                if ahead is not None:
                    yield self._arrived(*ahead)
                ahead = coming
            yield self._arrived(*ahead)

    def _arrived(self, reading, order):
        rows = reading.result().to(self.X.device, non_blocking=True)
        return rows, order if order is None else send(order, self.X.device)


def most_resident(X, device):
    """Bytes up to which rows are copied to the device."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # free, but not for others
        return (torch.cuda.mem_get_info(device)[0] + kept) // 2
    return _batches.BUFFER_BYTES if _is_memory_map(X) else np.inf


def _is_memory_map(X):
    while X is not None and not isinstance(X, mmap.mmap):
        X = getattr(X, "base", None)
    return X is not None
