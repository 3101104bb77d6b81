"""ProgressLine: how far a fit is and how long it will take, on one line of a terminal or a notebook."""

from contextlib import contextmanager

from skorch.callbacks import Callback

from ..._progress import Line, duration, shows_progress


class ProgressLine(Callback):
    """Write stage, epoch, loss and an estimate of the time left, for all stages, at the end of epochs.

    Nothing is written where `shows_progress()` is False when training begins. The time left is that of the epochs left,
    each as long as the mean of its stage, or of all epochs until its stage has begun. It is read from the clock alone,
    so that nothing that trains depends on it.

    Parameters
    ----------
    name : str
        Of the method.

    Attributes
    ----------
    plan : dict of str to int
        Epochs of each stage, in their order; set before training.
    is_muted : bool
        Whether it writes nothing, as another one does.
    """

    def __init__(self, name):
        self.name = name
        self.plan = {}
        self.is_muted = False

    def initialize(self):
        self.line_ = None
        self.seconds_ = {}
        return self

    def on_train_begin(self, net, **kwargs):
        self.plan.setdefault(net.stage_, net.epochs_[net.stage_] + net.max_epochs)
        if self.line_ is None and not self.is_muted and shows_progress():
            self.line_ = Line()

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        n_epochs, seconds = self.seconds_.get(net.stage_, (0, 0.0))
        self.seconds_[net.stage_] = n_epochs + 1, seconds + row["dur"]
        if self.line_ is None:
            return
        done, planned = net.epochs_[net.stage_], self.plan[net.stage_]
        stage = f", {net.stage_}" if len(self.plan) > 1 else ""
        text = f"{self.name}{stage}: epoch {done} of {planned}, loss {row['train_loss']:.4g}"
        self.line_.write(f"{text}, about {duration(self._left(net))} left", at_once=done == planned)

    def _left(self, net):
        """Seconds of the epochs left."""
        all_epochs, all_seconds = map(sum, zip(*self.seconds_.values(), strict=True))
        left = 0.0
        for stage, planned in self.plan.items():
            if stage not in net.finished_:
                n_epochs, seconds = self.seconds_.get(stage, (all_epochs, all_seconds))
                left += max(0, planned - net.epochs_.get(stage, 0)) * seconds / n_epochs
        return left

    def erase(self):
        """End the line of a fit."""
        if self.line_ is not None:
            self.line_.erase()
        self.line_ = None

    def __getstate__(self):
        return {**vars(self), "line_": None}


@contextmanager
def one_line(nets):
    """Context of a training of nets, of which the first alone shows its progress; its line is erased at the end."""
    lines = [callback for net in nets for _, callback in net.callbacks_ if isinstance(callback, ProgressLine)]
    for line in lines[1:]:
        line.is_muted = True
    try:
        yield
    finally:
        for line in lines:
            line.is_muted = False
            line.erase()
