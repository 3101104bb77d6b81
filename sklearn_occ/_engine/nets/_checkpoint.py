"""FitCheckpoint: a killed fit goes on from the last epoch that was written."""

import json
import os
import time
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.history import History

_PAUSE = 10  # writing takes at most about a tenth of the time


class FitCheckpoint(Callback):
    """Write the state of a fit to a file at the end of epochs, and read it back.

    Written after the first epoch, then whenever ten times the last writing's duration has passed, and at the
    end of each stage. The file is replaced in one step, so a kill leaves the old one or the new one.

    Parameters
    ----------
    path : str or path-like
        The file; its folder exists.
    identity : dict of str to str
        What has to agree for the state to be used: parameters and data of the fit.
    """

    def __init__(self, path, identity):
        self.path = path
        self.identity = identity

    def initialize(self):
        self.not_before_ = 0.0
        return self

    def on_epoch_end(self, net, **kwargs):
        if time.monotonic() >= self.not_before_:
            self.write(net)

    def on_train_end(self, net, **kwargs):
        if not net.interrupted_:  # else inside an epoch, where no resumed fit could start
            self.write(net)

    def write(self, net):
        """Replace the file by the present state of `net`."""
        started = time.monotonic()
        state = {
            "identity": self.identity,
            "module": net.module_.state_dict(),
            "criterion": net.criterion_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "stream": net.stream_.state,
            "cuda_stream": net.stream_.cuda_state,
            "stage": net.stage_,
            "epochs": net.epochs_,
            "finished": sorted(net.finished_),
            "history": json.dumps(list(net.history), default=lambda number: number.item()),
        }
        unfinished = Path(f"{self.path}.part")
        torch.save(state, unfinished)
        os.replace(unfinished, self.path)
        now = time.monotonic()
        self.not_before_ = now + _PAUSE * (now - started)

    def restore(self, net):
        """Bring an initialized net to the state in the file, if there is one."""
        if not Path(self.path).exists():
            return
        try:
            state = torch.load(self.path, map_location=net.device, weights_only=True)
            identity = state["identity"]
        except Exception as error:
            raise ValueError(
                f"checkpoint={str(self.path)!r} is not a checkpoint of sklearn_occ; remove the file or name another."
            ) from error
        differing = [key for key, value in self.identity.items() if identity.get(key) != value]
        if differing:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another fit, which differs in {', '.join(differing)}; "
                "remove the file, name another, or fit with the same parameters and data."
            )
        net.module_.load_state_dict(state["module"])
        net.criterion_.load_state_dict(state["criterion"])
        net.stage_ = state["stage"]
        net.initialize_optimizer()  # that of the stage
        net.optimizer_.load_state_dict(state["optimizer"])
        net.stream_.state = state["stream"].cpu()
        net.stream_.cuda_state = state["cuda_stream"] if state["cuda_stream"] is None else state["cuda_stream"].cpu()
        net.epochs_ = state["epochs"]
        net.finished_ = set(state["finished"])
        net.history_ = History(json.loads(state["history"]))


def identity_of_fit(params, X, X_valid):
    """Name parameters and data by text that another process would write too."""
    identity = {name: _describe(value) for name, value in params.items()}
    identity["X"] = joblib.hash(X)
    identity["rows held out"] = joblib.hash(X_valid)
    return identity


def _describe(value):
    if isinstance(value, torch.nn.Module):
        weights = {name: tensor.cpu().numpy() for name, tensor in value.state_dict().items()}
        return f"{value!r} {joblib.hash(weights)}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_describe, value))}]"
    if isinstance(value, Callback):
        return f"{type(value).__qualname__}({_describe(sorted(value.get_params(deep=False).items()))})"
    if isinstance(value, partial):
        return f"partial({_describe(value.func)}, {_describe(value.args)}, {_describe(sorted(value.keywords.items()))})"
    if isinstance(value, np.generic):
        return repr(value.item())
    if callable(value):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return repr(value)
