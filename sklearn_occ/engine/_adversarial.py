"""AdversarialNet: players that take turns in each step."""

import numpy as np
import torch

from ._net import LAST_STAGE, OneClassNet
from ._seeding import RandomStream


class AdversarialNet(OneClassNet):
    """Net whose criterion has `players`: submodules, each of which makes a step on every batch, in their order.

    The criterion writes `draw(x, generator)`, what a turn needs besides the weights (a tuple: rows, random codes),
    and `loss_of(player, module, *drawn)`. The gradient of that loss goes to the player's weights alone, and with it
    one step of the one optimizer, which leaves weights without a gradient as they are. `train_loss` is the sum of the
    players' losses, `train_<player>_loss` each of them. Turns are those of the last stage; stages before it have
    `criterion(module(x), x)`, as in any net.

    A subclass writes `_drawn_for(batch, generator)` and `_weights_of(player)` where a turn needs more of a batch than
    its rows, or moves other weights.
    """

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass, recording each player's mean loss besides their sum."""
        if iterator is None:
            return
        if self.stage_ != LAST_STAGE:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            return
        self.n_rows_ = []
        shape = len(iterator), len(self.criterion_.players)
        self.turns_ = torch.empty(shape, dtype=torch.float64, device=self.device)
        try:
            super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
            means = np.average(self.turns_.cpu().numpy(), axis=0, weights=self.n_rows_)
        finally:
            del self.turns_, self.n_rows_
        for player, mean in zip(self.criterion_.players, means.tolist(), strict=True):
            self.history.record(f"{prefix}_{player}_loss", mean)

    def train_step(self, batch, **fit_params):
        """One optimizer step of each player."""
        if self.stage_ != LAST_STAGE:
            return super().train_step(batch, **fit_params)
        with self.stream_.generator() as generator:
            drawn = self._drawn_for(batch, generator)
        losses, n_rows = [], len(batch[0])
        for player in self.criterion_.players:
            loss = self._loss_of(player, drawn)
            weights = {name: weight for name, weight in self._weights_of(player) if weight.requires_grad}
            if not weights:  # a network of the user's that is to stay as it is
                losses.append(self.processes.total(loss, n_rows).detach())
                continue
            self.optimizer_.zero_grad()
            losses.append(self.processes.backward(self, loss, n_rows, list(weights.values())).detach())
            if self.watched_:
                self.notify("on_grad_computed", named_parameters=weights.items(), batch=batch, training=True)
            self.optimizer_.step()
        return self._noted(batch, losses)

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses on rows held out, with the same random codes in each epoch."""
        if self.stage_ != LAST_STAGE:
            return super().validation_step(batch, **fit_params)
        with RandomStream(self.seed).generator() as generator:
            drawn = self._drawn_for(batch, generator)
        losses = [self._loss_of(player, drawn) for player in self.criterion_.players]
        return self._noted(batch, [self.processes.total(loss, len(batch[0])) for loss in losses])

    def _drawn_for(self, batch, generator):
        return self.criterion_.draw(batch[0], generator)

    def _weights_of(self, player):
        return self.module_.get_submodule(player).named_parameters()

    def _loss_of(self, player, drawn):
        drawn = self.processes.shares(*drawn)
        if not self._is_plain_now():  # a network may work in place
            drawn = [part.clone() for part in drawn]
        with self.private_random():
            return self.run_compiled(self._loss_in_precision, player, *drawn)

    def _loss_in_precision(self, player, *drawn):
        kind, bfloat16 = torch.device(self.device).type, self.precision == "bfloat16"
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16):
            return self.criterion_.loss_of(player, self.module_, *drawn).float()

    def _noted(self, batch, losses):
        self.turns_[len(self.n_rows_)] = torch.stack(losses)
        self.n_rows_.append(len(batch[0]))
        return {"loss": sum(losses), "y_pred": None}
