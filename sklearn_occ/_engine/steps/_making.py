"""make_step: the eager step, wrapped only as asked. What wraps it is imported only then."""

import sys

import torch

from ..._warning import warn
from ._eager import EagerStep, FollowedStep

_NOT_PLAIN = "a layer of the network draws random numbers, has hooks or is not torch's"


def make_step(net, turns, optimizer=None, tensors=None, members=None):
    """The training step of one pass of a net.

    Parameters
    ----------
    net : OneClassNet
        Whose options say what the step is wrapped in.
    turns : list of Turn
        What the step does.
    optimizer : torch.optim.Optimizer, optional
        That of the turns' weights; None is the net's.
    tensors : list of tensors, optional
        All that the step may change besides the optimizer's state; None is those of the net's module and criterion.
    members : list of OneClassNet, optional
        Nets that the step trains, each of whose criteria hears of it (`after_step`); None is the net alone.

    Returns
    -------
    step : callable
        `step(x, *drawn)` returns the list of the turns' losses.
    """
    optimizer = net.optimizer_ if optimizer is None else optimizer
    if net.compiles:
        turns = _compiled(net, turns)
    if net.watcher_ is not None:
        turns, optimizer = net.watcher_.watched(turns, optimizer)
    if net.processes is not None:
        from ._shared import SharedStep

        step = SharedStep(turns, optimizer, net.processes)
    elif net.capture is True or (net.capture == "auto" and has_graphs(net.device)):
        step = _captured(net, turns, optimizer, tensors)
    else:
        step = EagerStep(turns, optimizer)
    if not hasattr(net.criterion_, "after_step"):
        return step

    def after():
        for member in members or [net]:
            member.criterion_.after_step(member.module_)

    return FollowedStep(step, after)


def has_graphs(device):
    """Whether steps can be recorded on a device."""
    return torch.device(device).type == "cuda"


def _compiled(net, turns):
    if net.compiled_ is None:
        from ._compiled import CompiledTurns

        net.compiled_ = CompiledTurns(net.verbose)
        if not net.is_plain_:
            net.compiled_.leave_out("a layer of the network draws random numbers or is not torch's")
    return net.compiled_.compiled(turns) if net.is_plain_now() else turns


def _captured(net, turns, optimizer, tensors):
    if net.recordings_ is None:
        from ._recordings import Recordings

        net.recordings_ = Recordings(lambda reason: _leave_out(net, reason))
    obstacle = _obstacle(net)
    if obstacle or net.recordings_.gave_up:
        if obstacle:
            net.recordings_.leave_out(obstacle)
        return EagerStep(turns, optimizer)
    from ._captured import CapturedStep

    modules = [net.module_, net.criterion_]
    if tensors is None:
        tensors = [tensor for part in modules for tensor in (*part.parameters(), *part.buffers())]
    net.recordings_.enter_pass(net.device, modules, optimizer)
    return CapturedStep(turns, optimizer, net.recordings_, tensors)


def _obstacle(net):
    """Why steps are not recorded, or None."""
    if not has_graphs(net.device):
        return f"the device is {torch.device(net.device).type}, which has no graphs"
    if net.watcher_ is not None:
        return "a callback watches batches"
    return None if net.is_plain_now() else _NOT_PLAIN


def _leave_out(net, reason):
    """Say that steps are not recorded: a warning if they were asked for, a line if the net prints."""
    if net.capture is True:
        warn(f"capture=True: no CUDA graph of the training step is used, as {reason}.")
    elif net.verbose:
        sys.stdout.write(f"CUDA graph: left out, as {reason}\n")
