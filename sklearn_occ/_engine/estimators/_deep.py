"""BaseDeepOneClass: a module and a criterion become a detector."""

import copy
from abc import abstractmethod
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import torch
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import Callback

from ..._device import available_device
from ..._docstrings import with_shared_docs
from ..._warning import warn
from ...base._fit_state import FitState
from ...base._one_class import BaseOneClass, finite
from .._processes import is_main, processes_of
from .._seeding import RandomStream
from ..nets._callbacks import LAST_STAGE
from ..nets._checkpoint import FitCheckpoint, identity_of_fit
from ..nets._net import OneClassNet
from ..nets._progress import ProgressLine, one_line
from ..rows._streaming import placed
from ..steps._adam import FusedAdam
from ._budget import Steps, epochs_by_parameter, epochs_or_auto, set_epochs

OPTIMIZERS = {
    "adam": (FusedAdam, {}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "sgd": (torch.optim.SGD, {"fused": True, "momentum": 0.9}),
    "rmsprop": (torch.optim.RMSprop, {}),
}
_BLOCK_VALUES = {"cpu": 2**17, "cuda": 2**20}  # values of X in one block of scoring: a CPU's cache, a GPU's many cores
_COMPARED_ROWS = 1000  # between processes that should train on the same
_NOT_THE_MODEL = {"capture", "checkpoint", "contamination", "device", "threshold_data", "verbose", "warm_start"}


@dataclass(eq=False)
class DeepFitState(FitState):
    """What a detector with a network keeps besides."""

    epochs_in_all: int | None = None  # of the last stage at the end of this fit, those before a warm start included
    epochs_before: int | None = None  # of the last stage when this fit began


class BaseDeepOneClass(BaseOneClass):
    """Detector whose score comes from a trained network.

    A subclass writes `_make_module()`, an untrained `torch.nn.Module`, and `_make_criterion()`, a
    `torch.nn.Module` with `forward(outputs, x)`, the loss of a batch, and `score(outputs, x)`, one float64
    score a row, higher = majority. It writes `_train(net, X, X_valid)` if one stage is not enough,
    `_make_callbacks()` if something happens between epochs, `_stage_optimizers()` if a stage has an optimizer of its
    own, `_check_trained(net, X)` if a trained network can be of no use. It names the steps of its stages in `_budgets`,
    see `set_epochs`. Where the criterion is a `ScoreOfParts` it says `_score_has_parts`.
    """

    _parameter_constraints: dict = {
        **BaseOneClass._parameter_constraints,
        "lr": [Interval(Real, 0, None, closed="neither")],
        "max_epochs": epochs_or_auto(),
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "optimizer": [StrOptions(set(OPTIMIZERS)), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "callbacks": [list, tuple, None],
        "device": [str, torch.device, HasMethods(["prepare", "reduce"])],  # the last is an accelerate.Accelerator
        "precision": [StrOptions({"float32", "bfloat16"})],
        "compile": ["boolean"],
        "capture": [StrOptions({"auto"}), "boolean"],
        "verbose": ["verbose", StrOptions({"auto"})],
        "warm_start": ["boolean"],
        "checkpoint": [str, Path, None],
    }

    _state_class = DeepFitState
    _net_class = OneClassNet
    _budgets = {"max_epochs": Steps(images=1000, table=1000)}
    _adam_betas = (0.9, 0.999)
    _score_has_parts = False

    def __init__(
        self,
        *,
        lr,
        max_epochs,
        batch_size,
        optimizer,
        weight_decay,
        contamination,
        threshold_data,
        validation_fraction,
        callbacks,
        image_shape,
        device,
        precision,
        compile,
        capture,
        random_state,
        verbose,
        warm_start,
        checkpoint,
    ):
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.contamination = contamination
        self.threshold_data = threshold_data
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.image_shape = image_shape
        self.device = device
        self.precision = precision
        self.compile = compile
        self.capture = capture
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.checkpoint = checkpoint

    @abstractmethod
    def _make_module(self): ...

    @abstractmethod
    def _make_criterion(self): ...

    def _make_callbacks(self):
        """Return what the method itself does between epochs, ahead of the user's callbacks."""
        return []

    def _stage_optimizers(self):
        """Return `{stage: (class, options)}` for stages whose optimizer is not that of the parameter."""
        return {}

    def _rows_of_epoch(self, parameter, n_rows):
        """Return how many of so many training rows an epoch of that stage has."""
        return n_rows

    def _stages(self):
        """Epochs by the name of each stage before the last one, in their order."""
        return {"pretrain": self.pretrain_epochs_} if getattr(self, "pretrain_epochs_", 0) else {}

    def _train(self, net, X, X_valid):
        net.train_stage(LAST_STAGE, X, X_valid, epochs=self._fit_state.epochs_in_all)

    def _pretrain(self, net, X, X_valid):
        """Train the stage before the last: `pretrain_epochs` epochs with `pretrain_lr`, `lr` where that is None.

        A module that gives something else in this stage has a flag `pretrains`, which is True meanwhile.
        """
        if self.pretrain_lr is not None:
            net.lr, net.lr_name_ = self.pretrain_lr, "pretrain_lr"
        has_flag = hasattr(net.module_, "pretrains")
        if has_flag:
            net.module_.pretrains = True
        net.train_stage("pretrain", X, X_valid, epochs=self.pretrain_epochs_)
        if has_flag:
            net.module_.pretrains = False
        net.lr, net.lr_name_ = self.lr, "lr"

    def _check_trained(self, net, X):
        """Warn of a trained network that is of no use; `X` is on the device."""

    @property
    def history_(self):
        """Rows of one epoch each, with `train_loss`, `valid_loss` where rows are held out, and `dur` (s)."""
        return self.net_.history_

    @property
    def device_(self):
        """The `torch.device` that holds the network."""
        return torch.device(self.net_.device)

    def _continues(self):
        return self.warm_start and hasattr(self, "net_")

    def _fit(self, X, X_valid):
        net = self._begin(X, X_valid)
        tensors = [rows if rows is None else placed(rows, net.device) for rows in (X, X_valid)]
        with one_line([net]):
            self._train(net, *tensors)
        self._end(net, tensors[0])

    def _begin(self, X, X_valid):
        """Return the net to train: a new one, or that of the fit before."""
        if self._continues():
            net = self.net_
            set_epochs(self, len(X), ["max_epochs"])
            self._fit_state.epochs_in_all = net.epochs_[LAST_STAGE] + self.max_epochs_
            net.finished_.discard(LAST_STAGE)
            net.interrupted_ = False
            for _, callback in net.callbacks_:
                if isinstance(callback, FitCheckpoint):  # the file is then that of one fit with all the epochs
                    callback.identity["max_epochs"] = repr(self._fit_state.epochs_in_all)
        else:
            set_epochs(self, len(X))
            self._fit_state.epochs_in_all = self.max_epochs_
            self._prepare(X)
            checkpoint = self._make_checkpoint(X, X_valid)
            net = self._make_net([checkpoint] if checkpoint and is_main(self.device) else [])
            if checkpoint:
                checkpoint.restore(net)
        if net.processes is not None:
            net.processes.agree(self._identity_of_start(net, X, X_valid))
        self._fit_state.epochs_before = net.epochs_.get(LAST_STAGE, 0)
        for _, callback in net.callbacks_:
            if isinstance(callback, ProgressLine):
                callback.plan = {**self._stages(), LAST_STAGE: self._fit_state.epochs_in_all}
        return net

    def _end(self, net, X):
        """Keep the trained net."""
        if net.processes is not None:
            if net.interrupted_:
                raise KeyboardInterrupt("the processes that train one net were interrupted at different steps.")
            net.processes.wait()  # for the one that writes the checkpoint
        self.net_ = net
        self._check_trained(net, X)
        if net.interrupted_:
            before = self._fit_state.epochs_before
            warn(
                f"{type(self).__name__}.fit was interrupted after {net.epochs_[LAST_STAGE] - before} of "
                f"{self._fit_state.epochs_in_all - before} epochs; the estimator works with what it has learned. "
                "Fit with warm_start=True to go on.",
            )

    def _prepare(self, X):
        """Set what the module depends on, before it is built."""

    def _make_net(self, last_callbacks):
        name = type(self).__name__
        device, processes = available_device(self.device, name), processes_of(self.device, name, self.batch_size)
        with RandomStream(self._fit_state.seed).as_global():
            module = self._make_module()
            criterion = self._make_criterion()
        optimizer, options = OPTIMIZERS.get(self.optimizer, (self.optimizer, {}))
        if self.weight_decay:  # not every optimizer of torch has it
            options = {**options, "weight_decay": self.weight_decay}
        if self.optimizer in ("adam", "adamw"):
            options = {**options, "betas": self._adam_betas}
        users_callbacks = self._users_callbacks()
        if self.verbose == "auto" and is_main(self.device):
            last_callbacks = [("progress", ProgressLine(type(self).__name__)), *last_callbacks]
        net = self._net_class(
            module,
            criterion,
            seed=self._fit_state.seed,
            precision=self.precision,
            compiles=self.compile,
            capture=self.capture,
            processes=processes,
            stage_optimizers=self._stage_optimizers(),
            optimizer=optimizer,
            **{f"optimizer__{key}": value for key, value in options.items()},
            lr=self.lr,
            batch_size=int(self.batch_size),
            callbacks=[*self._make_callbacks(), *users_callbacks, *last_callbacks],
            device=device,
            verbose=self._verbosity(),
        ).initialize()
        net.last_stage_callbacks_ = [item[-1] if isinstance(item, tuple) else item for item in users_callbacks]
        return net

    def _users_callbacks(self):
        callbacks = copy.deepcopy(list(self.callbacks or []))
        for item in callbacks:
            callback = item[-1] if isinstance(item, tuple) else item
            if not isinstance(callback, Callback):
                raise TypeError(
                    f"callbacks holds {item!r}, expected instances of skorch callbacks or (name, callback) pairs; "
                    "put them in a list."
                )
            monitored = getattr(callback, "monitor", None)
            if self.validation_fraction is None and str(monitored).startswith("valid"):
                raise ValueError(
                    f"The callback {type(callback).__name__} monitors {monitored!r}, but validation_fraction is None, "
                    "so no row is held out; set validation_fraction, for example to 0.2, or monitor 'train_loss'."
                )
        return callbacks

    def _make_checkpoint(self, X, X_valid):
        if self.checkpoint is None:
            return None
        folder = Path(self.checkpoint).absolute().parent
        if not folder.is_dir():
            raise FileNotFoundError(
                f"checkpoint={str(self.checkpoint)!r} lies in a folder that does not exist; create {str(folder)!r}."
            )
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint= needs an int random_state to resume to the same model, got {self.random_state!r}; "
                "set one."
            )
        return FitCheckpoint(self.checkpoint, self._identity(X, X_valid))

    def _identity(self, X, X_valid, **more):
        params = {k: v for k, v in self.get_params(deep=False).items() if k not in _NOT_THE_MODEL}
        params |= epochs_by_parameter(self)  # "auto" is the number that it stands for
        return identity_of_fit({"estimator": type(self), **params, **more}, X, X_valid)

    def _identity_of_start(self, net, X, X_valid):
        """What processes that train one net have to have in common; their callbacks may differ."""
        seed = self._fit_state.seed
        now = {"weights": net.module_, "epochs": net.epochs_, "random_state": seed, "number of rows": len(X)}
        identity = self._identity(_sample(X), _sample(X_valid), **now)
        del identity["callbacks"]
        return identity

    def _verbosity(self):
        """`verbose` in the process that prints, 0 in all others and with "auto", whose line is a callback's."""
        return self.verbose if self.verbose != "auto" and is_main(self.device) else 0

    @available_if(lambda self: self._score_has_parts)
    @with_shared_docs
    def score_parts(self, X):
        """Score the parts of each row's score, by name; each is higher = more like the majority, as scores are.

        The class docstring says what the parts are and how they make the score. Where the method has
        `score_function`, a name given there makes the score that part.

        {rows as fitted}

        Returns
        -------
        parts : dict of str to ndarray of shape (n,), float64
            In the unit of the class docstring, none of them weighted.
        """
        check_is_fitted(self)
        X = self._read_X(X, reset=False)
        return {name: finite(part, X, of=f"{name} score") for name, part in self._score_parts(X).items()}

    def _score_samples(self, X):
        return self._evaluate(X, self.net_.criterion_.score)

    def _score_parts(self, X):
        criterion = self.net_.criterion_
        found = self._evaluate(X, lambda outputs, x: torch.stack([*criterion.parts(outputs, x).values()], 1))
        return dict(zip(criterion.part_names, np.ascontiguousarray(found.T), strict=True))

    def _evaluate(self, X, read, module=None):
        return self.net_.evaluate(X, read, block_size=self._block_size(), module=module, dtype=self._evaluation_dtype())

    def _block_size(self):
        rows = _BLOCK_VALUES[self.device_.type] // self.n_features_in_
        return int(2 ** np.clip(np.floor(np.log2(max(rows, 1))), 0, 12))

    def _evaluation_dtype(self):
        """Float64 for tables, where it costs little; a network with code of a user's may know float32 only."""
        return torch.float64 if self.image_shape_ is None and self.net_.is_plain_in_eval_ else torch.float32

    def __getstate__(self):
        state = dict(super().__getstate__())  # which is the estimator's own
        if not isinstance(self.device, str | torch.device):  # an accelerator belongs to the processes that made it
            state["device"] = "auto"
        return state


def _sample(X):
    """About a thousand rows, from all over X; None stays None."""
    return None if X is None else X[:: max(1, len(X) // _COMPARED_ROWS)]
