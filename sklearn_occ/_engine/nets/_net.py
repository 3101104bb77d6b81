"""OneClassNet: the one skorch net. It trains in stages, on batches cut on the device."""

import numpy as np
import torch
from skorch.callbacks import Callback, EpochTimer, LRScheduler, PassthroughScoring, PrintLog

from .._seeding import RandomStream, is_plain
from ..rows._batches import ResidentBatches
from ..rows._streaming import HostRows, StreamedBatches
from ..steps._captured import CapturedSteps
from ..steps._compiled import CompiledFunctions
from ..steps._processes import ALONE
from ._interruption import asked_by_callback
from ._running import RunningNet

LAST_STAGE = "train"
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class OneClassNet(RunningNet):
    """skorch net for `criterion(module(x), x)`, with named stages and a private random stream.

    Parameters
    ----------
    module, criterion : torch.nn.Module
        Built; `criterion(outputs, x)` is the loss, a scalar.
    seed : int
        Seed of the order of the rows, and of what a module that is not plain draws.
    precision : {"float32", "bfloat16"}
        In which the module runs in training (`torch.autocast`); weights, loss and scores have float32 or more.
    compiles : bool
        Whether `torch.compile` makes the loss of a plain module; the others run as they are.
    processes : OneProcess or Processes
        Those that train this net together, each with a copy; `ALONE` in a pickle.
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
    """

    def __init__(
        self,
        module,
        criterion,
        *,
        seed=0,
        precision="float32",
        compiles=False,
        processes=ALONE,
        stage_optimizers=None,
        **kwargs,
    ):
        super().__init__(module, criterion, train_split=None, **kwargs)
        self.seed = seed
        self.precision = precision
        self.compiles = compiles
        self.processes = processes
        self.stage_optimizers = stage_optimizers

    @property
    def _default_callbacks(self):
        callbacks = [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
            ("valid_loss", PassthroughScoring(name="valid_loss")),
        ]
        return [*callbacks, ("print_log", PrintLog())] if self.verbose else callbacks

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
        self.captured_ = CapturedSteps(self.verbose)
        self.compiled_ = CompiledFunctions(self.verbose)
        if self.compiles and not self.is_plain_:
            self.compiled_.leave_out("a layer of the network draws random numbers or is not torch's")
        return super().initialize()

    def initialize_optimizer(self, *args, **kwargs):
        """As in skorch, for the stage that is trained."""
        self.captured_.forget()
        optimizer, options = (self.stage_optimizers or {}).get(self.stage_, (None, None))
        if optimizer is None:
            return super().initialize_optimizer(*args, **kwargs)
        weights = [weight for _, weight in self.get_all_learnable_params()]
        self.optimizer_ = optimizer(weights, lr=self.lr, **options)
        return self

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
                self.captured_.forget()

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

    # What skorch calls while it trains, in the order of the calls.

    def fit_loop(self, X, y=None, **fit_params):
        """As in skorch, which swallows Ctrl-C; here it leaves a trace."""
        try:
            return super().fit_loop(X, y, **fit_params)
        except KeyboardInterrupt as stop:
            self.interrupted_ = not asked_by_callback(stop)
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
        """As in skorch; the user's callbacks hear of the last stage only."""
        getattr(self, method_name)(self, **cb_kwargs)
        for _, callback in self.callbacks_:
            if self.stage_ == LAST_STAGE or all(callback is not users for users in self.last_stage_callbacks_):
                getattr(callback, method_name)(self, **cb_kwargs)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Note that the stage came to its end before the callbacks hear of it."""
        super().on_train_end(net, X=X, y=y, **kwargs)
        if not self.interrupted_:
            self.finished_.add(self.stage_)

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Count the epoch before the callbacks hear of it."""
        super().on_epoch_end(net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs)
        self.epochs_[self.stage_] += 1

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass; the loss stays on the device until its end, unless a callback watches batches."""
        if iterator is None:
            return
        self._set_training(training)
        self.watched_ = self._is_watched()
        if training:
            self.captured_.enter_pass(
                self.device, [self.module_, self.criterion_], self.optimizer_, obstacle=self._obstacle_to_capture()
            )
        with self.processes.one_pass(self, training):
            if self.watched_:
                super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
                loss = self.history[-1, "batches", :, prefix + "_loss"][-1]
            else:
                # One tensor: thousands of small ones, kept between freed batches, would leave holes of hundreds of MB.
                losses, n_rows = torch.empty(len(iterator), dtype=torch.float64, device=self.device), []
                for number, batch in enumerate(iterator):
                    losses[number] = step_fn(batch)["loss"].detach()
                    n_rows.append(len(batch[0]))
                loss = np.average(losses.cpu().numpy(), weights=n_rows).item()
                self.record_pass(prefix, loss, sum(n_rows), len(iterator))
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
        if self.watched_:
            return super().train_step(batch, **fit_params)
        loss = self.captured_.run(self._gradients, self.optimizer_, len(batch[0]), *self._inputs(batch))
        return {"loss": loss, "y_pred": None}

    def train_step_single(self, batch, **fit_params):
        """Loss and gradients of one batch, for callbacks that watch it; the mode was set when the epoch began."""
        outputs, loss = self.run_compiled(self._outputs_and_loss, *self._inputs(batch))
        return {"loss": self.processes.backward(self, loss, len(batch[0])), "y_pred": outputs}

    def _inputs(self, batch):
        """What the network and the loss get of a batch in training."""
        return self.processes.shares(batch[0])

    def _gradients(self, n_rows, *inputs):
        """Loss of a batch of `n_rows` rows; its gradients are left behind."""
        _, loss = self.run_compiled(self._outputs_and_loss, *inputs)
        return self.processes.backward(self, loss, n_rows).detach()

    def validation_step(self, batch, **fit_params):
        """Loss of one batch of rows held out."""
        step = super().validation_step((*self.processes.shares(batch[0]), None), **fit_params)
        return {**step, "loss": self.processes.total(step["loss"], len(batch[0]))}

    def _outputs_and_loss(self, x, *drawn):
        outputs = self.infer(x, *drawn)
        return outputs, self.get_loss(outputs, None, X=x)

    def _set_training(self, training=True):
        super()._set_training(training)
        for name in self.frozen_:
            self.module_.get_submodule(name).eval()

    def _obstacle_to_capture(self):
        """Why steps are not recorded as CUDA graphs, or None."""
        if self.watched_:
            return "a callback watches batches"
        if not self._is_plain_now():
            return "a layer of the network draws random numbers, has hooks or is not torch's"
        return "several processes train the network" if self.processes.n_processes > 1 else None

    def _is_watched(self):
        return any(_watches(callback, hook) for _, callback in self.callbacks_ for hook in _BATCH_HOOKS)

    def __getstate__(self):
        # module and criterion are the very objects module_ and criterion_ hold, which skorch moves to the CPU
        # where there is no CUDA; left here they would be stored twice, and as CUDA tensors.
        state = super().__getstate__()
        state["module"], state["criterion"], state["processes"] = type(self.module), type(self.criterion), ALONE
        return state


def _watches(callback, hook):
    """Whether a callback has anything to do there; `LRScheduler` by epoch has a method for it that does nothing."""
    method = getattr(type(callback), hook)
    is_idle = isinstance(callback, LRScheduler) and callback.step_every == "epoch"
    return method is not getattr(Callback, hook) and not (is_idle and method is getattr(LRScheduler, hook))
