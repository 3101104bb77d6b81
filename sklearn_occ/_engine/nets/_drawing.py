"""DrawingNet: a net whose criterion draws random numbers for each step."""

import torch

from .._seeding import RandomStream
from ._net import OneClassNet


class DrawingNet(OneClassNet):
    """Net for `criterion(module(x, *drawn), x)`, with `x, *drawn = criterion.draw(rows, generator)`.

    What is drawn has a row for each of the batch: noise, or other rows made of them. In training the generator is that
    of the net's stream; on rows held out it begins anew with each batch, so that each of them, in each epoch, has the
    same numbers. For scores the module runs without, `module(x)`. Callbacks get the outputs as `y_pred`, as in any net.
    """

    def _inputs(self, batch):
        with self.stream_.generator() as generator:
            return self._drawn(batch[0], generator)

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Loss of one batch of rows held out."""
        with RandomStream(self.seed).generator() as generator:
            drawn = self._drawn(batch[0], generator)
        outputs, loss = self._outputs_and_loss(*drawn)
        return {"loss": self.processes.total(loss, len(batch[0])), "y_pred": outputs}

    @torch.no_grad()
    def _drawn(self, x, generator):
        return self.processes.shares(*self.criterion_.draw(x, generator))
