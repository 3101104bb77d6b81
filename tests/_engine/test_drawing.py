"""DrawingNet: where the noise of a step comes from."""

import numpy as np
import pytest
import torch
from conftest import quick
from skorch.callbacks import Callback

from sklearn_occ.variational._vae import VariationalLoss


@pytest.fixture
def table(rng):
    return rng.normal(size=(60, 6))


@pytest.fixture
def noises(monkeypatch):
    """What the criterion drew, in order."""
    drawn, original = [], VariationalLoss.draw

    def spy(self, x, generator):
        rows, noise = original(self, x, generator)
        drawn.append((self.training, noise))
        return rows, noise

    monkeypatch.setattr(VariationalLoss, "draw", spy)
    return drawn


def test_noise_of_training_goes_on_and_that_of_rows_held_out_begins_anew(table, noises):
    occ = quick("VAE", max_epochs=3, lr=1e-30, validation_fraction=0.25).fit(table)
    trained, held_out = ([noise for training, noise in noises if training is kind] for kind in (True, False))
    assert len(trained) == len(held_out) == 3
    assert len({noise.sum().item() for noise in trained}) == 3
    assert all(torch.equal(noise, held_out[0]) for noise in held_out)
    # The weights did not move: the losses differ by the noise alone.
    assert len(set(occ.history_[:, "train_loss"])) == 3
    assert len(set(occ.history_[:, "valid_loss"])) == 1


def test_every_batch_held_out_has_the_same_noise(table, noises):
    quick("VAE", max_epochs=1, batch_size=5, validation_fraction=0.25).fit(table)
    held_out = [noise for training, noise in noises if not training]
    assert len(held_out) == 3
    assert all(torch.equal(noise, held_out[0]) for noise in held_out)


def test_callbacks_get_the_outputs(table):
    shapes = []

    class Look(Callback):
        def on_batch_end(self, net, y_pred, training, **kwargs):
            shapes.append((training, [part.shape for part in y_pred]))

    quick("VAE", max_epochs=1, n_components=2, validation_fraction=0.25, callbacks=[Look()]).fit(table)
    assert shapes == [(True, [(45, 6), (45, 2), (45, 2)]), (False, [(15, 6), (15, 2), (15, 2)])]


def test_noise_is_that_of_the_nets_stream(table, noises):
    occ = quick("VAE", max_epochs=1).fit(table)
    generator = torch.Generator().manual_seed(occ.net_.seed)
    torch.randperm(60, generator=generator)  # the order of the rows
    assert torch.equal(noises[0][1], torch.randn(60, 3, generator=generator))


class WatchesBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        """Anything: that it is there makes skorch's own loop run."""


def test_skorchs_own_loop_makes_the_same_steps(table):
    params = {"max_epochs": 4, "batch_size": 16, "validation_fraction": 0.25}
    plain, watched = (
        quick("VAE", callbacks=callbacks, **params).fit(table) for callbacks in (None, [WatchesBatches()])
    )
    np.testing.assert_array_equal(plain.score_samples(table), watched.score_samples(table))
    for name in ("train_loss", "valid_loss"):
        np.testing.assert_allclose(plain.history_[:, name], watched.history_[:, name], rtol=1e-6)


def test_no_noise_for_scores(table, noises):
    occ = quick("VAE").fit(table)
    n_drawn = len(noises)
    for call in (occ.score_samples, occ.transform, occ.reconstruct):
        np.testing.assert_array_equal(call(table), call(table))
    assert len(noises) == n_drawn
