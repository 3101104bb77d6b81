"""SharedStep: a step that several processes make together, each on its rows of the batch."""

from itertools import chain


class SharedStep:
    """The step of `EagerStep`, with gradients and losses summed over processes.

    With `b_r` the rows of process r in a batch of b and `L_r` their mean loss, the loss of the batch is
    `sum_r (b_r / b) L_r`, and so is its gradient: the copies of the network stay equal. A batch of fewer than two rows
    for each process goes whole to all.

    Parameters
    ----------
    turns, optimizer
        As for `EagerStep`.
    processes : Processes
        Those that share the step.
    """

    def __init__(self, turns, optimizer, processes):
        self.turns = turns
        self.optimizer = optimizer
        self.processes = processes

    def __call__(self, x, *drawn):
        """Make the step on a batch, of which this process takes its rows; losses of the whole batch."""
        share, mine = self.processes.share_of(len(x)), self.processes.rows_of_this(x, *drawn)
        losses = []
        for play, loss_of, weights, _ in self.turns:
            self.optimizer.zero_grad()
            part = share * loss_of(play(*mine), mine[0])
            if weights == []:  # nothing to move, see `IdleStep`
                losses.append(self.processes.sums(part.detach()))
                continue
            (part.sum() if part.ndim else part).backward(inputs=weights)
            losses.append(self.processes.sums(part.detach(), self._gradients()))
            self.optimizer.step()
        return losses

    def _gradients(self):
        weights = chain.from_iterable(group["params"] for group in self.optimizer.param_groups)
        return [weight.grad for weight in weights if weight.grad is not None]
