"""Several fits of one network in one loop: their weights stacked along a new first axis, one step for all."""

from itertools import chain

import torch
from torch.func import functional_call, vmap

from .._engine._processes import has_several
from .._engine.estimators._deep import OPTIMIZERS, BaseDeepOneClass
from .._engine.nets._callbacks import LAST_STAGE
from .._engine.nets._net import OneClassNet
from .._engine.nets._progress import one_line
from .._engine.rows._batches import StackedBatches, as_network_input
from .._engine.rows._streaming import placed
from .._engine.steps import make_step
from .._engine.steps._eager import Turn


class StackingError(ValueError):
    """The fits cannot share a loop; the text says why, as the end of a sentence about the estimator."""


def fit_stacked(estimators, X):
    """Fit detectors that differ in their seeds alone, as `fit` does one after the other but in one loop.

    Each has its own initial weights and its own order of the rows, from its own stream. All work in step: one forward
    pass under `torch.func.vmap`, one backward pass and one step of one optimizer over the stacked weights. The results
    are those of separate fits but for rounding, whose order differs. What a method's callbacks set besides buffers has
    to depend on the number of epochs alone, and so be the same for all.

    Parameters
    ----------
    estimators : list of BaseDeepOneClass
        Unfitted clones of one estimator, each with a seed of its own. When this raises they are of no use.
    X : ndarray of shape (n, d) or (n, C, H, W)
        Majority rows, all of which are trained on.

    Returns
    -------
    estimators : list of BaseDeepOneClass
        The same, fitted; `history_` has the time of an epoch of all of them.

    Raises
    ------
    StackingError
        When more than one stage, code between or around the steps, or an operation without a rule for stacking
        is in the way.
    """
    _refuse(estimators[0])
    for estimator in estimators:
        rows, _ = estimator._rows_to_fit(X, None)
    nets = [estimator._begin(rows, None) for estimator in estimators]
    if not nets[0].is_plain_:
        raise StackingError("has a network that draws random numbers, works in place or has code of its own")
    on_device = placed(rows, nets[0].device)
    if not isinstance(on_device, torch.Tensor):
        raise StackingError(f"has {len(rows)} rows, which need more memory than the device should give")
    with one_line(nets):
        _train(nets, on_device, estimators[0]._fit_state.epochs_in_all)
    for estimator, net in zip(estimators, nets, strict=True):
        estimator._end(net, on_device)
        estimator._calibrate(rows, None)
    return estimators


def _refuse(estimator):
    if isinstance(estimator, BaseDeepOneClass) and estimator._net_class is not OneClassNet:
        raise StackingError("draws random numbers for its steps, or has players that take turns")
    if not isinstance(estimator, BaseDeepOneClass) or type(estimator)._train is not BaseDeepOneClass._train:
        raise StackingError("is not one network trained in one stage")
    estimator._validate_params()
    if estimator.optimizer not in OPTIMIZERS:
        raise StackingError(f"has an optimizer that is not one of {', '.join(OPTIMIZERS)}")
    for name in ("callbacks", "checkpoint", "validation_fraction"):
        if getattr(estimator, name) not in (None, [], ()):
            raise StackingError(f"has {name}, which follows one fit")
    if has_several(estimator.device):
        raise StackingError("trains in several processes")
    if estimator.compile or estimator.precision != "float32":
        raise StackingError("has compile=True or another precision than float32")


def _train(nets, X, epochs):
    for net in nets:
        net.enter_stage(LAST_STAGE, epochs=epochs)
    with (
        _Stacked([net.module_ for net in nets]) as modules,
        _Stacked([net.criterion_ for net in nets]) as criteria,
    ):
        _try(modules, criteria, X)
        args, options = nets[0].get_params_for_optimizer("optimizer", chain(modules.weights(), criteria.weights()))
        optimizer = nets[0].optimizer(*args, **options)
        batches = StackedBatches(X, nets[0].batch_size, [net.stream_ for net in nets])
        _notify(nets, "on_train_begin", X=X, y=None)
        for _ in range(epochs):
            _notify(nets, "on_epoch_begin", dataset_train=X, dataset_valid=None)
            nets[0]._set_training(True)
            modules.follow_freezing()
            _run_epoch(nets, batches, modules, criteria, optimizer)
            _notify(nets, "on_epoch_end", dataset_train=X, dataset_valid=None)
        _notify(nets, "on_train_end", X=X, y=None)
        nets[0].forget_recordings()
        for k, net in enumerate(nets):
            for part in (modules, criteria):
                part.share_out(optimizer.state, k, net.optimizer_.state)


def _run_epoch(nets, batches, modules, criteria, optimizer):
    turn = Turn(lambda x: _losses(modules, criteria, x), lambda losses, x: losses)
    tensors = [*modules.tensors.values(), *criteria.tensors.values()]
    step, losses, n_rows = make_step(nets[0], [turn], optimizer, tensors, nets), [], []
    for x in batches:
        losses.append(step(x)[0])
        n_rows.append(x.shape[1])
    shares = torch.tensor(n_rows, device=losses[0].device) / sum(n_rows)
    for net, mean in zip(nets, (shares @ torch.stack(losses)).tolist(), strict=True):
        net.record_pass("train", mean, sum(n_rows), len(n_rows))
        net.check_loss("train", mean)


def _losses(modules, criteria, x):
    """Loss of each member on its batch: x (k, b, ...) -> (k,)."""

    def loss_of_one(of_module, of_criterion, x):
        outputs = functional_call(modules.first, of_module, (x,), tie_weights=False)  # which costs, and see __enter__
        return functional_call(criteria.first, of_criterion, (outputs, x), tie_weights=False)

    return vmap(loss_of_one)(modules.tensors, criteria.tensors, x)


@torch.no_grad()
def _try(modules, criteria, X):
    """Run two rows in train mode and put all tensors back: not every operation has a rule for stacking."""
    before = [part.copies() for part in (modules, criteria)]
    two_rows = as_network_input(X[:2])
    try:
        _losses(modules, criteria, two_rows.expand(len(modules.members), *two_rows.shape))
    except RuntimeError as error:
        raise StackingError(
            f"has a network that torch.func.vmap cannot run ({' '.join(str(error).split())})"
        ) from error
    for part, tensors in zip((modules, criteria), before, strict=True):
        part.put_back(tensors)


def _notify(nets, method_name, **of_skorch):
    for net in nets:
        net.notify(method_name, **of_skorch)


class _Stacked:
    """Modules of one architecture: `tensors[name]`, (k, ...), holds that weight or buffer of all of them.

    Inside the context the modules' own tensors are views of these, so that what a callback reads from a module or
    writes to it is what is trained. After it they lie apart again, each with its part of the values.
    """

    def __init__(self, members):
        self.members = members
        self.first = members[0]

    def __enter__(self):
        self._named = [_all_tensors(member) for member in self.members]
        self._apart = [{name: tensor.data for name, tensor in named.items()} for named in self._named]
        self.tensors, stacked = {}, {}
        for name, tensor in self._named[0].items():
            if tensor not in stacked:  # else shared with a part before
                stacked[tensor] = torch.stack([apart[name] for apart in self._apart]).contiguous()
            self.tensors[name] = stacked[tensor]
            for k, named in enumerate(self._named):
                named[name].data = self.tensors[name][k]
        self.follow_freezing()
        return self

    def __exit__(self, *exception):
        for k, (named, apart) in enumerate(zip(self._named, self._apart, strict=True)):
            for name, tensor in named.items():
                tensor.data = apart[name].copy_(self.tensors[name].detach()[k])

    def weights(self):
        """Names and stacked tensors of the parameters, as an optimizer takes them."""
        return ((name, self.tensors[name]) for name, _ in self.first.named_parameters())

    def follow_freezing(self):
        """Train those weights that the first member trains."""
        for name, weight in self.first.named_parameters():
            self.tensors[name].requires_grad_(weight.requires_grad)

    def copies(self):
        return {name: tensor.detach().clone() for name, tensor in self.tensors.items()}

    def put_back(self, copies):
        for name, tensor in self.tensors.items():
            tensor.detach().copy_(copies[name])

    def share_out(self, state, k, state_of_member):
        """Give member k's optimizer its part of the stacked optimizer's state, laid out as its weights are."""
        for name, weight in self.members[k].named_parameters():
            stacked = self.tensors[name]
            for key, value in state.get(stacked, {}).items():
                is_count = value.shape != stacked.shape  # of the steps, the same for all
                state_of_member[weight][key] = (
                    value.clone() if is_count else torch.empty_like(self._apart[k][name]).copy_(value[k])
                )


def _all_tensors(module):
    """Weights and buffers of each part by name: a part that is used twice once, a weight that two parts share twice."""
    return {
        f"{prefix}.{name}".lstrip("."): tensor
        for prefix, part in module.named_modules()
        for named in (part.named_parameters, part.named_buffers)
        for name, tensor in named(recurse=False, remove_duplicate=False)
    }
