"""Two processes that train one network on the CPU, over the loopback address, and what they are asked to do."""

import contextlib
import io
import multiprocessing
import os
import pickle
import socket
import warnings
from datetime import timedelta
from unittest import mock

import torch
from conftest import quick
from sklearn.base import clone
from torch import nn

from sklearn_occ._engine.rows import _batches, _streaming

_SECONDS = 60  # until a process that does not answer is given up
_SECONDS_TO_START = 300  # which takes long on a busy machine, and would else be missing from the first answer's


class TwoProcesses:
    """`two(function, *args)`: the list of what `function(accelerator, *args)` returns or raises in each of them."""

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        spawn = multiprocessing.get_context("spawn")
        pipes = [spawn.Pipe() for _ in range(2)]
        self.connections = [here for here, _ in pipes]
        self.processes = [
            spawn.Process(target=_serve, args=(there, rank, port), daemon=True) for rank, (_, there) in enumerate(pipes)
        ]
        for process in self.processes:
            process.start()
        self._answers(_SECONDS_TO_START)
        return self

    def __exit__(self, *exception):
        for process in self.processes:
            process.kill()
            process.join()

    def __call__(self, function, *args):
        for connection in self.connections:
            connection.send((function, args))
        return self._answers(_SECONDS)

    def _answers(self, seconds):
        for connection in self.connections:
            if not connection.poll(seconds):
                raise TimeoutError(f"no answer from a process after {seconds} s")
        return [connection.recv() for connection in self.connections]


def _serve(connection, rank, port):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    from accelerate import Accelerator, InitProcessGroupKwargs

    timeout = InitProcessGroupKwargs(timeout=timedelta(seconds=_SECONDS / 2))
    accelerator = Accelerator(cpu=True, kwargs_handlers=[timeout])
    warnings.simplefilter("error")
    connection.send("ready")
    while True:
        function, args = connection.recv()
        try:
            found = function(accelerator, *args)
        except BaseException as error:
            found = error
        connection.send(found)


def fitted(accelerator, name, X, params):
    """Pickle of an estimator that all processes fitted together."""
    occ = quick(name, **params)
    devices = [key for key in occ.get_params() if key.split("__")[-1] == "device" and not key.startswith("svm")]
    return pickle.dumps(occ.set_params(**dict.fromkeys(devices, accelerator)).fit(X))


def fitted_on_its_own(accelerator, name, inputs):
    """The same, where each process has rows and parameters of its own."""
    return fitted(accelerator, name, *inputs[accelerator.process_index])


def fitted_streaming(accelerator, *args):
    """The same, with rows that stay where they are and are read in buffers of 15 rows of 8 floats."""
    with (
        mock.patch.multiple(_batches, BUFFER_BYTES=640, BLOCK_BYTES=160),
        mock.patch.object(_streaming, "most_resident", lambda X, device: 0),
    ):
        return fitted(accelerator, *args)


def refitted(accelerator, name, X, params):
    """The same of a clone, with one more epoch after a first fit."""
    occ = clone(quick(name, device=accelerator, warm_start=True, **params))
    assert occ.get_params()["device"].num_processes == 2
    return pickle.dumps(occ.fit(X).set_params(max_epochs=1).fit(X))


def printed(accelerator, *args):
    """What a fit writes to standard output."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        fitted(accelerator, *args)
    return out.getvalue()


class Recorder(nn.Module):
    """Two linear features of images of 12 x 12; notes the rows and a random number of each training step."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(144, 2)
        self.rows, self.drawn = [], []

    def forward(self, x):
        if self.training:
            self.rows.append(len(x))
            self.drawn.append(torch.rand(()).item())
        return self.layer(x.flatten(1))
