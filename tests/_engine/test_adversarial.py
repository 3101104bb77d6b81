"""AdversarialNet on a game that NumPy can play: whose weights a turn moves, in which order, and what is recorded."""

import copy
import signal
from itertools import pairwise

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn

from sklearn_occ._engine import AdversarialNet
from sklearn_occ._engine.steps._adam import FusedAdam

X = torch.from_numpy(np.random.default_rng(0).normal(size=(10, 1)).astype(np.float32))


class Player(nn.Module):
    def __init__(self, start):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(start))


class Game(nn.Module):
    """The second player runs away from what the first one does."""

    def __init__(self):
        super().__init__()
        self.first, self.second = Player(1.0), Player(2.0)
        self.register_parameter("nobodys", nn.Parameter(torch.tensor(3.0)))

    def forward(self, x, noise=None, *, player=None):
        a, b = self.first.weight, self.second.weight
        if player is None:
            return x
        return a * x - b + self.nobodys * noise if player == "first" else (a * b + noise * x * b, b)


class Rules(nn.Module):
    players = ("first", "second")
    rounds = {"train": (players,)}

    def __init__(self, drawn=None):
        super().__init__()
        self.drawn = drawn

    def draw(self, x, generator):
        noise = torch.rand(len(x), 1, generator=generator)
        if self.drawn is not None and self.training:
            self.drawn.append((x.double().numpy(), noise.double().numpy()))
        return x, noise

    def forward(self, outputs, x, *, player):
        if player == "first":
            return outputs.square().mean()
        product, b = outputs
        return product.square().mean() + b


def play(*, X_valid=None, epochs=3, game=None, rules=None, optimizer=torch.optim.SGD, callbacks=(), **params):
    params |= {"seed": 4, "optimizer": optimizer, "batch_size": 4, "callbacks": list(callbacks), "verbose": 0}
    net = AdversarialNet(game or Game(), rules or Rules(), **params).initialize()
    net.train_stage("train", X, X_valid, epochs=epochs)
    return net


class WatchBatches(Callback):
    """What a callback hears of each batch, which takes training through skorch's own loop."""

    def __init__(self):
        self.gradients = []
        self.losses = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.gradients.append({name: weight.grad.clone() for name, weight in named_parameters})
        others = {"first", "second"} - {net.criterion_.players[(len(self.gradients) - 1) % 2]}
        assert all(net.module_.get_submodule(other).weight.grad is None for other in others)

    def on_batch_end(self, net, batch, training, loss, **kwargs):
        self.losses.append((float(loss), len(batch[0])))


def test_turns_are_those_of_a_game_in_numpy():
    drawn = []
    net = play(rules=Rules(drawn), lr=0.05)
    a, b = 1.0, 2.0
    losses = {"first": [], "second": []}
    assert [len(x) for x, _ in drawn] == [4, 4, 2] * 3
    for x, u in drawn:
        gap = a * x - b + 3 * u
        losses["first"].append((gap**2).mean())
        a -= 0.05 * (2 * gap * x).mean()
        product = a * b + u * x * b  # the second player sees what the first one has just done
        losses["second"].append((product**2).mean() + b)
        b -= 0.05 * ((2 * product * (a + u * x)).mean() + 1)
    assert net.module_.first.weight.item() == pytest.approx(a, rel=1e-5)
    assert net.module_.second.weight.item() == pytest.approx(b, rel=1e-5)
    assert net.module_.nobodys.item() == 3
    for player, of_batches in losses.items():
        expected = np.reshape(of_batches, (3, 3)) @ [0.4, 0.4, 0.2]  # by rows, as train_loss
        np.testing.assert_allclose(net.history[:, f"train_{player}_loss"], expected, rtol=1e-5)


class Rematch(Rules):
    """A stage in which the first player, whose loss has two terms, has three rounds, the second one; then another."""

    rounds = {"warm_up": (("first",), ("first",), ("first", "second")), "train": (("second",),)}
    terms = {"first": ("near", "far")}

    def forward(self, outputs, x, *, player):
        if player == "second":
            return super().forward(outputs, x, player=player)
        gap, far = outputs
        return torch.stack([super().forward(gap, x, player=player), far])


class TwoTerms(Game):
    def forward(self, x, noise=None, *, player=None):
        outputs = super().forward(x, noise, player=player)
        return (outputs, 0.5 * self.first.weight * noise.mean()) if player == "first" else outputs


def play_rematch(*, X_valid=None, **params):
    params |= {"seed": 4, "optimizer": torch.optim.SGD, "batch_size": 4, "verbose": 0}
    drawn = []
    net = AdversarialNet(TwoTerms(), Rematch(drawn), **params).initialize()
    net.train_stage("warm_up", X, X_valid, epochs=2)
    after_first = net.module_.first.weight.item(), net.module_.second.weight.item()
    n_first = len(drawn)
    net.train_stage("train", X, X_valid, epochs=1)
    return net, drawn[:n_first], after_first


def test_rounds_of_a_stage_are_those_of_a_game_in_numpy():
    net, drawn, after_first = play_rematch(lr=0.05)
    a, b = 1.0, 2.0
    losses = {"near": [], "far": [], "second": []}
    assert len(drawn) == 3 * 2 * 3 and len({u.tobytes() for _, u in drawn}) == 18  # new numbers for each round
    for number, (x, u) in enumerate(drawn):
        gap = a * x - b + 3 * u
        losses["near"].append((gap**2).mean())
        losses["far"].append(0.5 * a * u.mean())
        a -= 0.05 * ((2 * gap * x).mean() + 0.5 * u.mean())
        if number % 3 == 2:
            product = a * b + u * x * b
            losses["second"].append((product**2).mean() + b)
            b -= 0.05 * ((2 * product * (a + u * x)).mean() + 1)
    assert after_first == pytest.approx((a, b), rel=1e-5)
    means = {name: np.reshape(found, (2, 3, -1)).mean(2) @ [0.4, 0.4, 0.2] for name, found in losses.items()}
    means["first"] = means["near"] + means["far"]
    rows = net.history[:2]
    for name, expected in means.items():
        np.testing.assert_allclose([row[f"train_{name}_loss"] for row in rows], expected, rtol=1e-5)
    np.testing.assert_allclose([row["train_loss"] for row in rows], means["first"] + means["second"], rtol=1e-5)


def test_the_next_stage_has_players_of_its_own():
    net, _, after_first = play_rematch(lr=0.05, X_valid=X[:7])
    assert net.module_.first.weight.item() == after_first[0]
    assert net.module_.second.weight.item() != after_first[1]
    assert net.history[2]["train_second_loss"] == pytest.approx(net.history[2]["train_loss"], rel=1e-6)
    assert not any("first" in column or "near" in column for column in net.history[2])
    before = net.history[1]
    assert before["valid_near_loss"] + before["valid_far_loss"] == pytest.approx(before["valid_first_loss"], rel=1e-6)


def test_noise_differs_from_turn_to_turn_and_follows_the_seed():
    drawn, again = [], []
    play(rules=Rules(drawn), lr=0.05)
    play(rules=Rules(again), lr=0.05)
    assert len({u.tobytes() for _, u in drawn}) == 9
    for first, second in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_losses_of_the_players_add_up_to_train_loss():
    history = play(lr=0.05, X_valid=X[:7]).history
    for prefix in ("train", "valid"):
        parts = (np.array(history[:, f"{prefix}_{player}_loss"]) for player in Rules.players)
        np.testing.assert_allclose(sum(parts), history[:, f"{prefix}_loss"], rtol=1e-5)


@pytest.mark.parametrize("optimizer", [FusedAdam, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_a_turn_leaves_the_other_players_moments_and_weights_alone(optimizer):
    states = []

    class Spy(Game):
        def forward(self, *drawn, player=None):
            states.append((player, copy.deepcopy(self.state_dict())))
            return super().forward(*drawn, player=player)

    net = play(game=Spy(), optimizer=optimizer, lr=0.05, optimizer__weight_decay=0.5)
    assert [player for player, _ in states] == ["first", "second"] * 9
    for (player, before), (_, after) in pairwise(states):
        assert {key for key in after if not torch.equal(before[key], after[key])} == {f"{player}.weight"}
    moments = net.optimizer_.state
    assert set(moments) == {net.module_.first.weight, net.module_.second.weight}
    assert {float(moment["step"]) for moment in moments.values()} == {9.0}


def test_weights_that_are_not_to_be_trained_stay():
    game = Game()
    game.first.extra = nn.Parameter(torch.tensor(5.0), requires_grad=False)
    net = play(game=game, lr=0.05, optimizer=torch.optim.Adam, optimizer__weight_decay=0.5)
    assert net.module_.first.extra.item() == 5 and net.module_.first.weight.item() != 1


def test_callbacks_that_watch_batches_see_them_and_change_nothing():
    plain, watched = play(lr=0.05), play(lr=0.05, callbacks=[WatchBatches()])
    callback = next(each for _, each in watched.callbacks_ if isinstance(each, WatchBatches))
    for ours, theirs in zip(plain.module_.parameters(), watched.module_.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for column in ("train_loss", "train_first_loss", "train_second_loss"):
        np.testing.assert_allclose(watched.history[:, column], plain.history[:, column], rtol=1e-6)
    assert len(callback.losses) == 9 and len(callback.gradients) == 18
    assert all(gradients["weight"] != 0 for gradients in callback.gradients)
    of_last_epoch = np.array(callback.losses[-3:])
    assert watched.history[-1, "train_loss"] == pytest.approx(
        np.average(of_last_epoch[:, 0], weights=of_last_epoch[:, 1])
    )


def test_gradient_clipping_of_skorch_reaches_each_player():
    free, clipped = (play(lr=0.05, epochs=1, callbacks=[GradientNormClipping(most)]) for most in (1e9, 1e-6))
    for player in Rules.players:
        start = getattr(Game(), player).weight.item()
        assert abs(getattr(free.module_, player).weight.item() - start) > 1e-2
        assert abs(getattr(clipped.module_, player).weight.item() - start) < 1e-5


def test_the_loss_on_rows_held_out_is_that_of_the_weights_alone():
    still = play(lr=1e-30, X_valid=X[:7], epochs=4).history
    assert len(set(still[:, "valid_loss"])) == len(set(still[:, "valid_second_loss"])) == 1
    assert len(set(still[:, "train_loss"])) == 4  # new noise in each epoch
    # Validation draws nothing from the stream that training draws from.
    with_rows, without = play(lr=0.05, X_valid=X[:7]), play(lr=0.05)
    assert torch.equal(with_rows.module_.first.weight, without.module_.first.weight)
    assert len(set(with_rows.history[:, "valid_loss"])) == 3


def test_a_loss_that_is_not_finite_stops_the_game():
    with pytest.raises(ValueError, match="The train loss is (nan|inf) in epoch"):
        play(lr=1e20)


def test_ctrl_c_inside_an_epoch_leaves_nothing_of_it():
    class Stop(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 2:
                signal.raise_signal(signal.SIGINT)

    net = play(lr=0.05, callbacks=[Stop()])
    assert net.interrupted_ and len(net.history) == 1
    assert vars(net).keys() == vars(play(lr=0.05)).keys()
