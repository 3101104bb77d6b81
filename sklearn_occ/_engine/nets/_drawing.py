"""DrawingNet: a net whose criterion draws random numbers for each step."""

import torch

from .._seeding import RandomStream
from ._net import OneClassNet


class DrawingNet(OneClassNet):
    """Net for `criterion(module(x, *drawn), x)`, with `x, *drawn = criterion.draw(rows, generator)`.

    Drawn are tensors with a row for each of the batch: noise, or other rows made of them. In training the generator is
    that of the net's stream; on rows held out it begins anew with each batch, so that each of them, in each epoch, has
    the same numbers. For scores the module runs without, `module(x)`. Callbacks get the outputs as `y_pred`, as in any
    net.
    """

    def train_step(self, batch, **fit_params):
        """One optimizer step, on what is drawn for the batch."""
        with self.stream_.generator() as generator, torch.no_grad():
            x, *drawn = self.criterion_.draw(batch[0], generator)
        return {"loss": self.step_(x, *drawn)[0], "y_pred": self.watcher_ and self.watcher_.outputs}

    def _held_out(self, batch):
        with RandomStream(self.seed).generator() as generator:
            return self.criterion_.draw(batch[0], generator)
