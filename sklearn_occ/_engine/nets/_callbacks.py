"""Who hears what of training: the net's own callbacks, those of the method, and those of the user."""

from skorch.callbacks import Callback, EpochTimer, LRScheduler, PassthroughScoring, PrintLog

LAST_STAGE = "train"
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


def default_callbacks(verbose):
    """Those of every net, as skorch takes them: the time of an epoch, its losses, and a table of them if asked for."""
    callbacks = [
        ("epoch_timer", EpochTimer()),
        ("train_loss", PassthroughScoring(name="train_loss", on_train=True)),
        ("valid_loss", PassthroughScoring(name="valid_loss")),
    ]
    return [*callbacks, ("print_log", PrintLog())] if verbose else callbacks


def call(callback, method_name, net, arguments):
    """Call a method of a callback; the user's hear of the last stage only.

    A KeyboardInterrupt out of a user's callback is marked as theirs, with `of_callback`: so skorch's EarlyStopping ends
    training. Any other is Ctrl-C, unless a callback of the method marks it itself; so is one out of a user's that says
    `may_end_training = False`.
    """
    is_users = any(callback is users for users in net.last_stage_callbacks_)
    if is_users and net.stage_ != LAST_STAGE:
        return
    try:
        getattr(callback, method_name)(net, **arguments)
    except KeyboardInterrupt as stop:
        is_theirs = is_users and getattr(callback, "may_end_training", True)
        stop.of_callback = is_theirs or getattr(stop, "of_callback", False)
        raise


def watch_batches(callbacks):
    """Whether one of (name, callback) pairs has anything to do within an epoch."""
    return any(_watches(callback, hook) for _, callback in callbacks for hook in _BATCH_HOOKS)


def _watches(callback, hook):
    """Whether a callback overrides a hook; `LRScheduler` by epoch has a method for it that does nothing."""
    method = getattr(type(callback), hook)
    is_idle = isinstance(callback, LRScheduler) and callback.step_every == "epoch"
    return method is not getattr(Callback, hook) and not (is_idle and method is getattr(LRScheduler, hook))
