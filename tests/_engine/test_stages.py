"""A method of two stages, as later methods have: what the engine promises them."""

import numpy as np
import pytest
import torch
from conftest import CtrlC
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklearn_occ._engine import BaseDeepOneClass
from sklearn_occ.nn._autoencoder import Autoencoder
from sklearn_occ.nn._losses import ReconstructionLoss


class StopAt(Callback):
    """Ask for the end of the stage after so many epochs in all, and mark that as a wish."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) >= self.n_epochs:
            stop = KeyboardInterrupt()
            stop.of_callback = True
            raise stop


class TwoStages(BaseDeepOneClass):
    def __init__(self, *, own_callbacks=(), callbacks=None, warm_start=False, checkpoint=None, max_epochs=4):
        super().__init__(
            lr=1e-3,
            max_epochs=max_epochs,
            batch_size=16,
            optimizer="adam",
            weight_decay=0.0,
            contamination=0.1,
            threshold_data="train",
            validation_fraction=None,
            callbacks=callbacks,
            image_shape=None,
            device="cpu",
            precision="float32",
            compile=False,
            capture="auto",
            random_state=0,
            verbose=0,
            warm_start=warm_start,
            checkpoint=checkpoint,
        )
        self.own_callbacks = own_callbacks

    _parameter_constraints: dict = {**BaseDeepOneClass._parameter_constraints, "own_callbacks": [tuple]}

    def _make_module(self):
        d = self.n_features_in_
        return Autoencoder(nn.Sequential(nn.Linear(d, 4), nn.BatchNorm1d(4)), nn.Linear(4, d))

    def _make_criterion(self):
        return ReconstructionLoss()

    def _make_callbacks(self):
        return list(self.own_callbacks)

    def _train(self, net, X, X_valid):
        net.train_stage("pretrain", X, X_valid, epochs=3)
        net.freeze("encoder")
        super()._train(net, X, X_valid)


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 6))


def test_stages_count_their_own_epochs(X):
    occ = TwoStages().fit(X)
    assert occ.net_.epochs_ == {"pretrain": 3, "train": 4}
    assert occ.net_.finished_ == {"pretrain", "train"}


def test_a_frozen_encoder_stays_put_batch_statistics_included(X):
    states = {}

    class Remember(Callback):
        def on_epoch_end(self, net, **kwargs):
            states[len(net.history)] = {key: value.clone() for key, value in net.module_.state_dict().items()}

    TwoStages(own_callbacks=(Remember(),)).fit(X)

    def moved(a, b):
        return {key for key in states[a] if not torch.equal(states[a][key], states[b][key])}

    assert {"encoder.1.running_mean", "encoder.1.running_var", "encoder.0.weight"} <= moved(1, 3)
    assert moved(3, 7) == {"decoder.weight", "decoder.bias"}


def test_the_users_callbacks_hear_of_the_last_stage_only(X):
    class Count(Callback):
        def on_train_begin(self, net, **kwargs):
            self.epochs = 0

        def on_epoch_end(self, net, **kwargs):
            self.epochs += 1

    occ = TwoStages(callbacks=[("count", Count())]).fit(X)
    assert dict(occ.net_.callbacks_)["count"].epochs == 4


def test_ctrl_c_in_the_first_stage_is_raised_by_the_second(X):
    with pytest.raises(KeyboardInterrupt, match="stage 'pretrain' was interrupted, and 'train' needs it whole"):
        TwoStages(own_callbacks=(CtrlC(2),)).fit(X)


def test_ctrl_c_in_the_last_stage_leaves_a_usable_estimator(X):
    with pytest.warns(UserWarning, match="interrupted after 1 of 4 epochs"):
        occ = TwoStages(callbacks=[CtrlC(5)]).fit(X)
    assert np.isfinite(occ.score_samples(X)).all()
    assert len(occ.history_) == 4  # three of the first stage, one of the last: no row of an epoch that did not end


def test_a_warm_start_adds_to_the_last_stage_only(X):
    occ = TwoStages(warm_start=True, own_callbacks=(StopAt(2),)).fit(X)
    assert occ.net_.epochs_ == {"pretrain": 2, "train": 1}
    occ.fit(X)
    assert occ.net_.epochs_ == {"pretrain": 2, "train": 2}


def test_a_fit_that_a_callback_ended_is_loaded_as_it_was(X, tmp_path):
    stopping = EarlyStopping("train_loss", patience=1, threshold=10.0, sink=lambda text: None)
    lengths = [
        len(TwoStages(checkpoint=tmp_path / "fit.pt", callbacks=[stopping], max_epochs=50).fit(X).history_)
        for _ in range(3)
    ]
    assert lengths == [5, 5, 5]


def test_a_checkpoint_between_stages_resumes_to_the_same_bits(X, tmp_path):
    whole = TwoStages().fit(X)
    with pytest.raises(KeyboardInterrupt):
        TwoStages(checkpoint=tmp_path / "fit.pt", own_callbacks=(CtrlC(3),)).fit(X)
    resumed = TwoStages(checkpoint=tmp_path / "fit.pt")
    state = torch.load(tmp_path / "fit.pt", weights_only=True)
    state["identity"]["own_callbacks"] = "[]"
    torch.save(state, tmp_path / "fit.pt")
    resumed.fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert resumed.history_[:, "train_loss"] == whole.history_[:, "train_loss"]


class TwoOptimizers(TwoStages):
    """Momentum in the first stage, Adam in the second."""

    def _stage_optimizers(self):
        return {"pretrain": (torch.optim.SGD, {"momentum": 0.5, "nesterov": True})}


def test_a_stage_with_an_optimizer_of_its_own(X):
    seen = []

    class Spy(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append((net.stage_, type(net.optimizer_).__name__, net.optimizer_.param_groups[0]["lr"]))

    occ = TwoOptimizers(own_callbacks=(("spy", Spy()),)).fit(X)
    assert seen == [("pretrain", "SGD", 1e-3)] * 3 + [("train", "FusedAdam", 1e-3)] * 4
    assert "nesterov" not in occ.net_.optimizer_.param_groups[0]


@pytest.mark.parametrize("epoch", [2, 5])
def test_a_fit_killed_in_either_stage_goes_on_with_its_optimizer(epoch, X, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_occ._engine.nets._checkpoint._PAUSE", 0)  # written after every epoch

    class Kill(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == epoch:
                raise RuntimeError("killed")

    whole = TwoOptimizers().fit(X)
    checkpoint = str(tmp_path / "fit.pt")
    own = (("kill", Kill()),)
    with pytest.raises(RuntimeError, match="killed"):
        TwoOptimizers(checkpoint=checkpoint, own_callbacks=own).fit(X)
    state = torch.load(checkpoint, weights_only=True)
    assert state["stage"] == ("pretrain" if epoch == 2 else "train")
    state["identity"]["own_callbacks"] = "[]"
    torch.save(state, checkpoint)
    resumed = TwoOptimizers(checkpoint=checkpoint).fit(X)
    np.testing.assert_array_equal(resumed.score_samples(X), whole.score_samples(X))
    assert resumed.history_[:, "train_loss"] == whole.history_[:, "train_loss"]
