"""Processes: several of them train one net, each on its rows of every batch; usually it is one, with all rows."""

import threading
from contextlib import contextmanager

import numpy as np
import torch

from ._seeding import RandomStream

_LEAST_ROWS = 2  # of a batch for each process: batch normalisation cannot train on one
_LAUNCHES = ("NO", "MULTI_CPU", "MULTI_GPU")


def is_main(device):
    """Whether this process is to print and to write files: all but the first of an accelerator's are not."""
    return getattr(device, "is_main_process", True)


def has_several(device):
    """Whether a `device=` parameter is the accelerator of several processes."""
    return getattr(device, "num_processes", 1) > 1


def processes_of(device, name, batch_size):
    """`Processes` where a `device=` parameter is the accelerator of several, else None.

    Raises
    ------
    ValueError
        When the accelerator has settings that training does not follow, or there are too few rows in a batch;
        `name` is that of the estimator.
    """
    if not hasattr(device, "num_processes"):
        return None
    launch, precision = device.distributed_type.value, device.mixed_precision
    if launch not in _LAUNCHES:
        raise ValueError(
            f"{name} trains on CPUs or CUDA devices with whole copies of its network, got an accelerator launched as "
            f"{launch}; launch it as MULTI_GPU."
        )
    if precision != "no" or device.gradient_accumulation_steps != 1:
        raise ValueError(
            f"{name} takes processes and device from an accelerator, got one with mixed_precision={precision!r} and "
            f"gradient_accumulation_steps={device.gradient_accumulation_steps}; leave both as they are by default and "
            f"set precision and batch_size of {name}."
        )
    if not has_several(device):
        return None
    if threading.current_thread() is not threading.main_thread():
        raise ValueError(
            f"{name} was fitted in a thread with an accelerator of several processes, where the sums of two fits could "
            "mix; fit in the main thread, with n_jobs=None."
        )
    if batch_size < _LEAST_ROWS * device.num_processes:
        raise ValueError(
            f"batch_size={batch_size} of {name} leaves fewer than {_LEAST_ROWS} rows to each of "
            f"{device.num_processes} processes; set it to at least {_LEAST_ROWS * device.num_processes}."
        )
    return Processes(device)


class Processes:
    """Processes that train copies of one net together; see `SharedStep` for what they share of a step.

    Parameters
    ----------
    accelerator : accelerate.Accelerator
        Of two processes or more.
    """

    def __init__(self, accelerator):
        self.accelerator = accelerator
        self.n_processes = accelerator.num_processes
        self.index = accelerator.process_index

    def rows_of_this(self, *parts):
        """What this process takes of the tensors of a batch, which all have its rows."""
        return [part[self._rows_of(len(part))] for part in parts]

    def share_of(self, n_rows):
        """Share of this process's rows in a batch, `b_r / b`, which weighs their loss."""
        rows = self._rows_of(n_rows)
        return 1 / self.n_processes if rows == slice(None) else (rows.stop - rows.start) / n_rows

    def sums(self, part, gradients=()):
        """Sum of all processes' parts of a loss; gradients are replaced by their sums."""
        total = part.to(gradients[0] if gradients else part, copy=True)
        self._exchange([*gradients, total], "sum")
        return total

    @contextmanager
    def one_pass(self, net, training):
        """A pass over the rows, in which a module draws other random numbers in each process.

        After training, running means and variances are the means over the processes.
        """
        seeds = [net.seed, len(net.history), int(training), self.index]
        net.stream_of_share_ = RandomStream(int(np.random.SeedSequence(seeds).generate_state(1)[0] >> 1))
        try:
            yield
        finally:
            net.stream_of_share_ = None
        if training:
            self._exchange([buffer for buffer in net.module_.buffers() if buffer.is_floating_point()], "mean")

    def _rows_of(self, n_rows):
        if n_rows < _LEAST_ROWS * self.n_processes:
            return slice(None)
        return slice(n_rows * self.index // self.n_processes, n_rows * (self.index + 1) // self.n_processes)

    def _exchange(self, tensors, reduction):
        """Replace tensors by their sums or means over the processes, in one message."""
        if tensors:
            message = self.accelerator.reduce(torch.cat([tensor.flatten() for tensor in tensors]), reduction)
            for tensor, part in zip(tensors, message.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def agree(self, identity):
        """Refuse a fit that is not the same in all processes; `identity` describes it, a dict of str to str."""
        from accelerate.utils import gather_object

        found = gather_object([identity])
        differing = [key for key in identity if any(other[key] != identity[key] for other in found)]
        if differing:
            raise ValueError(
                f"The {self.n_processes} processes of one fit differ in {', '.join(differing)}; call fit in each of "
                "them with the same data, parameters and int random_state, and with a checkpoint that all can read."
            )

    def wait(self):
        """Wait until all processes have come here."""
        self.accelerator.wait_for_everyone()
