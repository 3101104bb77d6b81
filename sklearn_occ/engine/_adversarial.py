"""AdversarialNet: players that take turns in each step."""

import numpy as np
import torch

from ._net import OneClassNet
from ._seeding import RandomStream


class AdversarialNet(OneClassNet):
    """Net whose criterion has `players`: submodules, each of which makes a step on every batch, in their order.

    The criterion writes `draw(x, generator)`, what a turn needs besides the weights (a tuple: rows, random codes),
    and `loss_of(player, module, *drawn)`. The gradient of that loss goes to the player's weights alone, and with it
    one step of the one optimizer, which leaves weights without a gradient as they are. `train_loss` is the sum of the
    players' losses, `train_<player>_loss` each of them.
    """

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One pass, recording each player's mean loss besides their sum."""
        if iterator is None:
            return
        self.turns_ = {player: [] for player in self.criterion_.players}
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        for player, losses in self.turns_.items():
            self.history.record(f"{prefix}_{player}_loss", float(np.mean(torch.stack(losses).tolist())))
        del self.turns_

    def train_step(self, batch, **fit_params):
        """One optimizer step of each player."""
        with self.stream_.generator() as generator:
            drawn = self.criterion_.draw(batch[0], generator)
        losses = []
        for player in self.criterion_.players:
            weights = dict(self.module_.get_submodule(player).named_parameters())
            self.optimizer_.zero_grad()
            with self.private_random():
                loss = self.criterion_.loss_of(player, self.module_, *drawn)
            loss.backward(inputs=[weight for weight in weights.values() if weight.requires_grad])
            if self.watched_:
                self.notify("on_grad_computed", named_parameters=weights.items(), batch=batch, training=True)
            self.optimizer_.step()
            losses.append(self._noted(player, loss.detach()))
        return {"loss": sum(losses), "y_pred": None}

    @torch.no_grad()
    def validation_step(self, batch, **fit_params):
        """Losses on rows held out, with the same random codes in each epoch."""
        with RandomStream(self.seed).generator() as generator:
            drawn = self.criterion_.draw(batch[0], generator)
        with self.private_random():
            losses = [
                self._noted(player, self.criterion_.loss_of(player, self.module_, *drawn))
                for player in self.criterion_.players
            ]
        return {"loss": sum(losses), "y_pred": None}

    def _noted(self, player, loss):
        self.turns_[player].append(loss)
        return loss
