"""OneClassNet: the one skorch net. It trains in stages, on batches cut on the device."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from skorch import NeuralNet
from skorch.utils import TeeGenerator

from .._seeding import RandomStream, is_plain
from ..rows._batches import ResidentBatches
from ..rows._streaming import HostRows, StreamedBatches
from ..steps import make_step
from ..steps._eager import Turn
from ._callbacks import call, default_callbacks, watch_batches
from ._running import evaluate_in_blocks, in_precision, on_copies


class OneClassNet(NeuralNet):
    """skorch net for `criterion(module(x), x)`, with named stages and a private random stream.

    Parameters
    ----------
    module, criterion : torch.nn.Module
        Built; `criterion(outputs, x)` is the loss, a scalar. If the criterion has a method `after_step(module)`, it is
        called after every training step.
    seed : int
        Seed of the order of the rows, and of what a module that is not plain draws.
    precision : {"float32", "bfloat16"}
        In which the module runs in training (`torch.autocast`); weights, loss and scores have float32 or more.
    compiles : bool
        Whether `torch.compile` makes the loss of a plain module; the others run as they are.
    capture : {"auto", True, False}
        Whether steps are recorded as CUDA graphs: "auto" if they can be, True with a warning if they cannot.
    processes : Processes, optional
        Those that train this net together, each with a copy; None in a pickle.
    stage_optimizers : dict of str to (class, dict)
        Optimizers, with options besides `lr`, of the stages that have another than `optimizer`.
    **kwargs
        As for `skorch.NeuralNet`.

    Attributes
    ----------
    epochs_ : dict of str to int
        Epochs trained so far in each stage.
    lr_name_ : str
        Parameter of the estimator that `lr` comes from in the running stage, which errors name.
    stage_ : str or None
        The stage being trained.
    finished_ : set of str
        Stages that came to their end, by their number of epochs or by a callback's wish.
    last_stage_callbacks_ : list of skorch callbacks
        Those of the user, which hear of the last stage ("train") only.
    interrupted_ : bool
        Whether Ctrl-C ended the last stage early.
    is_plain_, is_plain_in_eval_ : bool
        Whether the module is known to draw no random numbers and to leave its input alone, in training and in eval
        mode. Else the net's stream stands in for torch's global generators while the module runs, on a copy of its
        input.
    frozen_ : dict of str to list of str
        Submodules of the module that are kept as they are while the rest trains, with the parameters that
        could be trained before.
    step_ : EagerStep, or what wraps it
        What makes the training steps of the running pass; None between passes.
    """

    def __init__(
        self,
        module,
        criterion,
        *,
        seed=0,
        precision="float32",
        compiles=False,
        capture="auto",
        processes=None,
        stage_optimizers=None,
        **kwargs,
    ):
        super().__init__(module, criterion, train_split=None, **kwargs)
        self.seed = seed
        self.precision = precision
        self.compiles = compiles
        self.capture = capture
        self.processes = processes
        self.stage_optimizers = stage_optimizers

    @property
    def _default_callbacks(self):
        return default_callbacks(self.verbose)

    def initialize(self):
        """Set up modules, optimizer and callbacks, and start the random stream."""
        self.stream_ = RandomStream(self.seed)
        self.stream_of_share_ = None
        self.is_plain_ = is_plain(self.module)
        self.is_plain_in_eval_ = is_plain(self.module, training=False)
        self.epochs_ = {}
        self.lr_name_ = "lr"
        self.finished_ = set()
        self.stage_ = None
        self.interrupted_ = False
        self.frozen_ = {}
        self.last_stage_callbacks_ = []
        self.X_valid_ = None
        self.step_ = self.watcher_ = self.watched_batch_ = None
        self.compiled_ = self.recordings_ = None
        return super().initialize()

    def initialize_optimizer(self, *args, **kwargs):
        """As in skorch, for the stage that is trained."""
        self.forget_recordings()
        optimizer, options = (self.stage_optimizers or {}).get(self.stage_, (None, None))
        if optimizer is None:
            return super().initialize_optimizer(*args, **kwargs)
        weights = [weight for _, weight in self.get_all_learnable_params()]
        self.optimizer_ = optimizer(weights, lr=self.lr, **options)
        return self

    # Stages

    def train_stage(self, name, X, X_valid=None, *, epochs):
        """Train until the stage `name` has had `epochs` epochs in all, so that a resumed stage ends where it should.

        A stage begins with a fresh optimizer.

        Parameters
        ----------
        name : str
            Key of the stage in `epochs_`.
        X, X_valid : tensor of shape (n, ...) on the device, or HostRows
            Rows to train on, and rows whose loss is recorded as `valid_loss`.
        epochs : int
            Total number of epochs of this stage.

        Raises
        ------
        KeyboardInterrupt
            When Ctrl-C ended an earlier stage, which this one needs whole.
        """
        if self.enter_stage(name, epochs=epochs):
            self.X_valid_ = X_valid
            try:
                self.partial_fit(X)
            finally:
                self.X_valid_ = None
                self.forget_recordings()

    def enter_stage(self, name, *, epochs):
        """Make ready for a stage, as in `train_stage`; whether there is anything left to train in it."""
        done = self.epochs_.setdefault(name, 0)
        if name in self.finished_ or done >= epochs:
            return False
        if self.interrupted_ and name != self.stage_:
            raise KeyboardInterrupt(f"stage {self.stage_!r} was interrupted, and {name!r} needs it whole.")
        self.stage_, self.interrupted_ = name, False
        if not done:
            self.initialize_optimizer()
        self.max_epochs = epochs - done
        return True

    def freeze(self, name):
        """Keep a submodule as it is: no gradient, and batch normalisation in eval mode."""
        trainable = [key for key, p in self.module_.get_submodule(name).named_parameters() if p.requires_grad]
        self.module_.get_submodule(name).requires_grad_(False)
        self.frozen_.setdefault(name, trainable)

    def unfreeze(self, name):
        """Train again what `freeze` stopped in a submodule."""
        for key in self.frozen_.pop(name, []):
            self.module_.get_submodule(name).get_parameter(key).requires_grad_(True)

    # What skorch calls while it trains, in the order of the calls

    def fit_loop(self, X, y=None, **fit_params):
        """As in skorch, which swallows Ctrl-C; here it leaves a trace."""
        try:
            return super().fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not getattr(stop, "of_callback", False)
            if len(self.history) > sum(self.epochs_.values()):
                self.history.pop()  # the row of an epoch that did not end
            raise

    def get_split_datasets(self, X, y=None, **fit_params):
        """Return the rows of the running stage, as they were placed."""
        return X, self.X_valid_

    def get_iterator(self, dataset, training=False):
        """Batches of rows on the device or on the host, shuffled when training."""
        stream = self.stream_ if training else None
        if isinstance(dataset, HostRows):
            return StreamedBatches(dataset, self.batch_size, stream)
        if isinstance(dataset, torch.Tensor):
            return ResidentBatches(dataset, self.batch_size, stream)
        return super().get_iterator(dataset, training)  # skorch's own predict and forward

    def notify(self, method_name, **cb_kwargs):
        """As in skorch; the user's callbacks hear of the last stage only, and what they raise is marked as theirs."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            call(callback, method_name, self, cb_kwargs)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Note that the stage came to its end before the callbacks hear of it."""
        super().on_train_end(net, X=X, y=y, **kwargs)
        if not self.interrupted_:
            self.finished_.add(self.stage_)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Count the epoch before the callbacks hear of it."""
        super().on_epoch_end(net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs)
        self.epochs_[self.stage_] += 1

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        """As in skorch; the batch is kept for callbacks that watch gradients."""
        super().on_batch_begin(net, batch=batch, training=training, **kwargs)
        self.watched_batch_ = batch

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass; the loss stays on the device until its end, unless a callback watches batches."""
        if iterator is None:
            return
        self._set_training(training)
        is_watched = watch_batches(self.callbacks_)
        try:
            if training:
                self._begin_pass(is_watched)
            with nullcontext() if self.processes is None else self.processes.one_pass(self, training):
                if is_watched:
                    super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
                    loss = self.history[-1, "batches", :, prefix + "_loss"][-1]
                else:
                    # One tensor: thousands of small ones between freed batches would leave holes of hundreds of MB.
                    losses, n_rows = torch.empty(len(iterator), dtype=torch.float64, device=self.device), []
                    for number, batch in enumerate(iterator):
                        losses[number] = step_fn(batch)["loss"]
                        n_rows.append(len(batch[0]))
                    loss = np.average(losses.cpu().numpy(), weights=n_rows).item()
                    self.record_pass(prefix, loss, sum(n_rows), len(iterator))
        finally:
            self.step_ = self.watcher_ = self.watched_batch_ = None
        self.check_loss(prefix, loss)

    def record_pass(self, prefix, loss, n_rows, n_batches):
        """Write a pass into the history as one batch."""
        self.history.new_batch()
        self.history.record_batch(prefix + "_loss", loss)
        self.history.record_batch(prefix + "_batch_size", n_rows)
        self.history.record(prefix + "_batch_count", n_batches)

    def check_loss(self, prefix, loss):
        """Refuse a loss that is not finite."""
        if not np.isfinite(loss):
            raise ValueError(
                f"The {prefix} loss is {loss} in epoch {len(self.history)}, expected a finite number; lower "
                f"{self.lr_name_} (now {self.lr:g}) or bring X to a range near [0, 1]."
            )

    def train_step(self, batch, **fit_params):
        """One optimizer step."""
        return {"loss": self.step_(batch[0])[0], "y_pred": self.watcher_ and self.watcher_.outputs}

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Loss of one batch of rows held out."""
        inputs = self._held_out(batch)
        n_rows = len(inputs[0])
        if self.processes is not None:
            inputs = self.processes.rows_of_this(*inputs)
        outputs = self.infer(*inputs)
        loss = self.get_loss(outputs, None, X=inputs[0])
        if self.processes is not None:
            loss = self.processes.sums(self.processes.share_of(n_rows) * loss)
        return {"loss": loss, "y_pred": outputs}

    def _held_out(self, batch):
        """What the module gets of a batch of rows held out."""
        return batch[:1]

    def _begin_pass(self, is_watched):
        if is_watched:
            from ..steps._watched import Watcher

            self.watcher_ = Watcher(self._tell_gradients)
        self.step_ = self._step_of_pass()

    def _step_of_pass(self):
        return make_step(self, [Turn(self.played(), self.criterion_)])

    def _tell_gradients(self, turn):
        weights = self.get_all_learnable_params() if turn.player is None else self._weights_of(turn.player)
        self.notify(
            "on_grad_computed", named_parameters=TeeGenerator(weights), batch=self.watched_batch_, training=True
        )

    def forget_recordings(self):
        """Drop steps that were recorded as CUDA graphs."""
        if self.recordings_ is not None:
            self.recordings_.forget()

    # How the module runs

    def played(self, **of_turn):
        """The module as training calls it: itself, but for a precision, random numbers of its own, or a turn's name."""
        module = self.module_
        if self.precision != "float32":
            module = in_precision(module, torch.device(self.device).type, getattr(torch, self.precision))
        if not self.is_plain_now():
            module = on_copies(module, self.private_random)
        return partial(module, **of_turn) if of_turn else module

    def infer(self, x, *drawn, **fit_params):
        """Outputs of the module for a batch, and for what was drawn for it."""
        return self.played()(x.to(self.device), *drawn)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """`criterion(outputs, x)`."""
        return self.criterion_(y_pred, X)

    @torch.no_grad()
    def sweep(self, X, module=None):
        """Yield `(module(x), x)` for the batches of some rows, in order and in eval mode.

        Parameters
        ----------
        X : tensor of shape (n, ...) on the device, or HostRows
            Rows, as in training.
        module : torch.nn.Module, optional
            What to run: `module_`, or a part of it.
        """
        self._set_training(False)
        module = self.module_ if module is None else module
        run = module if self.is_plain_in_eval_ else on_copies(module, self.private_random)
        for x, _ in self.get_iterator(X):
            yield run(x), x

    def evaluate(self, X, read, *, block_size, module=None, dtype=torch.float32):
        """`read(module(x), x)` for all rows of `X`, in eval mode; see `evaluate_in_blocks`.

        `module` is what to run: `module_`, or a part of it.
        """
        self._set_training(False)
        with self.private_random(RandomStream(self.seed)):
            return evaluate_in_blocks(
                self.module_ if module is None else module,
                X,
                read,
                block_size=block_size,
                device=self.device,
                dtype=dtype,
                copies=not self.is_plain_in_eval_,
            )

    def private_random(self, stream=None):
        """Context in which a module that draws from torch's global generators draws from a stream of the net."""
        stream = stream or self.stream_of_share_ or self.stream_
        return nullcontext() if self.is_plain_now() else stream.as_global(self.device)

    def is_plain_now(self):
        """Whether the module is plain in the mode that it is in."""
        return self.is_plain_ if self.module_.training else self.is_plain_in_eval_

    def _set_training(self, training=True):
        super()._set_training(training)
        for name in self.frozen_:
            self.module_.get_submodule(name).eval()

    def __getstate__(self):
        # module and criterion are the very objects module_ and criterion_ hold, which skorch moves to the CPU
        # where there is no CUDA; left here they would be stored twice, and as CUDA tensors.
        state = super().__getstate__()
        state["module"], state["criterion"], state["processes"] = type(self.module), type(self.criterion), None
        return {**state, "recordings_": None, "compiled_": None}
