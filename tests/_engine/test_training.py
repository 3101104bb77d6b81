"""How a net is trained: stages, warm start, Ctrl-C, callbacks, optimizers."""

import copy
import pickle
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, WITH_ENCODER, CtrlC, quick
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from sklearn_occ import COCSVM, ConOCC


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_training_lowers_the_loss(name, X):
    weak = {"gamma": 1e-3} if "Con" in name else {}
    occ = quick(name, max_epochs=30, lr=1e-3, **weak).fit(X)
    losses = occ.history_[:, "train_loss"]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_warm_start_goes_on_as_if_never_stopped(name, X):
    at_once = quick(name, max_epochs=8, update_interval=2) if "Con" in name else quick(name, max_epochs=8)
    in_two = copy.deepcopy(at_once).set_params(max_epochs=4, warm_start=True)
    at_once.fit(X)
    net = in_two.fit(X).net_
    in_two.fit(X)
    assert in_two.net_ is net
    np.testing.assert_array_equal(in_two.score_samples(X), at_once.score_samples(X))
    assert in_two.history_[:, "train_loss"] == at_once.history_[:, "train_loss"]
    assert in_two.offset_ == at_once.offset_


def test_warm_start_goes_on_with_the_same_rows_held_out(X):
    params = {"validation_fraction": 0.3, "threshold_data": "validation"}
    at_once = quick("CAE", max_epochs=6, **params).fit(X)
    in_two = quick("CAE", max_epochs=3, warm_start=True, **params).fit(X)
    in_two = pickle.loads(pickle.dumps(in_two)).fit(X)
    np.testing.assert_array_equal(in_two.score_samples(X), at_once.score_samples(X))
    np.testing.assert_array_equal(in_two.calibration_scores_, at_once.calibration_scores_)


@pytest.mark.parametrize("change", [{"validation_fraction": 0.5}, {"validation_fraction": None}, "rows"], ids=str)
def test_warm_start_refuses_to_hold_out_rows_that_were_trained_on(X, change):
    occ = quick("CAE", warm_start=True, validation_fraction=0.3).fit(X)
    scores = occ.score_samples(X)
    with pytest.raises(ValueError, match=r"warm start holds out .* fit with warm_start=False"):
        occ.fit(X[1:]) if change == "rows" else occ.set_params(**change).fit(X)
    np.testing.assert_array_equal(occ.score_samples(X), scores)


def test_warm_start_of_a_checkpointed_fit_keeps_its_file_true(X, tmp_path):
    occ = quick("CAE", warm_start=True, max_epochs=3, checkpoint=tmp_path / "fit.pt").fit(X).fit(X)
    loaded = quick("CAE", max_epochs=6, checkpoint=tmp_path / "fit.pt").fit(X)
    np.testing.assert_array_equal(loaded.score_samples(X), occ.score_samples(X))
    with pytest.raises(ValueError, match="differs in max_epochs"):
        quick("CAE", max_epochs=3, checkpoint=tmp_path / "fit.pt").fit(X)


def test_warm_start_wants_the_fitted_features(X):
    occ = quick("CAE", warm_start=True).fit(X)
    with pytest.raises(ValueError, match="was fitted on"):
        occ.fit(X[:, 1:])


def test_without_warm_start_fit_begins_anew(X):
    occ = quick("CAE").fit(X)
    first = occ.score_samples(X)
    np.testing.assert_array_equal(occ.fit(X).score_samples(X), first)
    assert len(occ.history_) == 2


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_ctrl_c_leaves_a_usable_estimator_that_says_so(name, X):
    occ = quick(name, max_epochs=6)
    occ.set_params(callbacks=[CtrlC(2 + getattr(occ, "pretrain_epochs", 0))])
    with pytest.warns(UserWarning, match="interrupted after 1 of 6 epochs"):
        occ.fit(X)
    assert np.isfinite(occ.decision_function(X)).all()
    assert occ.net_.interrupted_


def test_ctrl_c_before_the_first_centre_leaves_a_centre(X):
    occ = quick("ConOCC-joint", max_epochs=20, score_function="distance", callbacks=[CtrlC(3)])
    with pytest.warns(UserWarning, match="interrupted after 2 of 20"):
        occ.fit(X)
    np.testing.assert_allclose(occ.center_, occ.transform(X / 255.0).mean(0), rtol=1e-5, atol=1e-6)


def test_ctrl_c_in_the_first_of_two_stages_is_raised(X):
    occ = COCSVM(autoencoder=quick("CAE", callbacks=[CtrlC(2)]))
    with (
        pytest.warns(UserWarning, match="interrupted"),
        pytest.raises(KeyboardInterrupt, match="first stage"),
    ):
        occ.fit(X)
    assert not hasattr(occ, "offset_")


def test_a_refit_that_ctrl_c_ends_leaves_the_first_model(X):
    occ = quick("COCSVM").fit(X)
    scores = occ.score_samples(X)
    occ.set_params(autoencoder__callbacks=[CtrlC(2)])
    with pytest.warns(UserWarning, match="interrupted"), pytest.raises(KeyboardInterrupt):
        occ.fit(X[:30])
    np.testing.assert_array_equal(occ.score_samples(X), scores)


def test_a_validation_loss_that_is_not_finite_stops_the_fit(X):
    class Poison(Callback):
        def on_epoch_begin(self, net, dataset_valid=None, **kwargs):
            dataset_valid[:] = float("nan")

    with pytest.raises(ValueError, match="valid loss is nan in epoch 1"):
        quick("CAE", validation_fraction=0.2, callbacks=[Poison()]).fit(X / 255)


def test_a_loss_that_is_not_finite_stops_the_fit(X):
    with pytest.raises(ValueError, match=r"train loss is (nan|inf) in epoch .* lower lr \(now 1e\+20\)"):
        quick("CAE", lr=1e20, optimizer="sgd", output_activation="linear", max_epochs=5).fit(X)


def test_an_optimizer_without_weight_decay(X):
    occ = quick("CAE", optimizer=torch.optim.Rprop, lr=1e-3, max_epochs=5).fit(X)
    assert occ.history_[-1, "train_loss"] < occ.history_[0, "train_loss"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop", torch.optim.NAdam])
def test_optimizers(optimizer, X):
    occ = quick("CAE", optimizer=optimizer, weight_decay=0.01, lr=1e-3, max_epochs=5).fit(X)
    group = occ.net_.optimizer_.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (1e-3, 0.01)
    assert occ.history_[-1, "train_loss"] < occ.history_[0, "train_loss"]


def test_validation_loss_is_recorded_for_rows_held_out(X):
    occ = quick("CAE", max_epochs=3, validation_fraction=0.2).fit(X)
    assert len(occ.history_[:, "valid_loss"]) == 3
    held_out = np.setdiff1d(np.arange(50), occ._fit_state.training_rows)
    loss = -occ.score_samples(X[held_out]).mean() * 144
    assert occ.history_[-1, "valid_loss"] == pytest.approx(loss, rel=1e-5)


def test_early_stopping_on_held_out_rows(X):
    stopping = EarlyStopping(monitor="valid_loss", patience=1, threshold=10.0, sink=lambda text: None)
    occ = quick("CAE", max_epochs=50, validation_fraction=0.2, callbacks=[stopping]).fit(X)
    assert len(occ.history_) == 2
    assert stopping.misses_ == 0  # the callback that was passed is not touched
    assert not occ.net_.interrupted_


def test_monitoring_a_loss_that_is_not_there_is_refused_before_training(X):
    with pytest.raises(ValueError, match="EarlyStopping monitors 'valid_loss', but validation_fraction is None"):
        quick("CAE", callbacks=[("stop", EarlyStopping())]).fit(X)


@pytest.mark.parametrize("bad", [[EarlyStopping], ("stop", EarlyStopping()), ["stop"]], ids=["class", "pair", "text"])
def test_what_is_no_callback_is_refused(X, bad):
    with pytest.raises(TypeError, match="expected instances of skorch callbacks"):
        quick("CAE", callbacks=bad).fit(X)


def test_numpy_scalars_are_numbers(X):
    ours = quick("CAE", max_epochs=np.int64(2), batch_size=np.int64(16), lr=np.float32(1e-3), n_components=np.int32(3))
    plain = quick("CAE", max_epochs=2, batch_size=16, lr=float(np.float32(1e-3)), n_components=3)
    np.testing.assert_array_equal(ours.fit(X).score_samples(X), plain.fit(X).score_samples(X))


def test_learning_rate_schedule_of_skorch(X):
    occ = quick("CAE", max_epochs=4, lr=1e-2, callbacks=[LRScheduler("StepLR", step_size=1, gamma=0.1)]).fit(X)
    assert occ.net_.optimizer_.param_groups[0]["lr"] == pytest.approx(1e-6)


def test_callbacks_that_watch_batches_see_them_and_change_nothing(X):
    class Watch(Callback):
        def on_train_begin(self, net, **kwargs):
            self.n_batches = self.n_gradients = 0

        def on_batch_end(self, net, training, **kwargs):
            self.n_batches += training

        def on_grad_computed(self, net, **kwargs):
            self.n_gradients += 1

    watched = quick("CAE", batch_size=20, max_epochs=3, callbacks=[("watch", Watch())]).fit(X)
    watch = dict(watched.net_.callbacks_)["watch"]
    assert watch.n_batches == watch.n_gradients == 9
    plain = quick("CAE", batch_size=20, max_epochs=3).fit(X)
    np.testing.assert_array_equal(watched.score_samples(X), plain.score_samples(X))
    np.testing.assert_allclose(watched.history_[:, "train_loss"], plain.history_[:, "train_loss"], rtol=1e-6)


def test_verbose_prints_one_line_an_epoch(X, capsys):
    quick("CAE", max_epochs=3, verbose=1).fit(X)
    assert capsys.readouterr().out.count("\n") == 5  # a head of two lines
    quick("CAE", max_epochs=3).fit(X)
    assert capsys.readouterr() == ("", "")


def test_history_is_written_to_the_epoch(X):
    history = quick("CAE", max_epochs=3).fit(X).history_
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all(row["dur"] > 0 and row["train_loss"] > 0 for row in history)


def test_skorchs_own_predict_works(X):
    occ = quick("CAE").fit(X)
    rows = (X[:, None] / 255).astype(np.float32)
    np.testing.assert_allclose(occ.net_.predict(rows)[:, 0], occ.reconstruct(X), rtol=1e-4, atol=1e-6)


def test_a_model_fitted_on_cuda_unpickles_where_there_is_none(X):
    occ = quick("ConOCC").fit(X)
    scores = occ.score_samples(X)
    occ.net_.device = "cuda"  # what a fit on CUDA leaves behind
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # skorch says that it moves the net to the CPU
        loaded = pickle.loads(pickle.dumps(occ))
    assert loaded.device_ == torch.device("cpu")
    np.testing.assert_array_equal(loaded.score_samples(X), scores)


def test_pickles_hold_each_weight_once(X):
    occ = quick("CAE", narrow=False, optimizer="sgd").fit(X)
    n_bytes = sum(p.numel() * 4 for p in occ.net_.module_.parameters())
    assert len(pickle.dumps(occ)) < 2.3 * n_bytes  # weights and momentum


def test_a_frozen_part_stays_put(blobs):
    X = blobs(50, size=28)
    occ = ConOCC(schedule="joint", channels=4, max_epochs=1, warm_start=True, random_state=0).fit(X)
    net = occ.net_
    net.freeze("decoder")
    before = copy.deepcopy(net.module_.state_dict())
    occ.fit(X)
    after = net.module_.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    assert moved and all(key.startswith("encoder") for key in moved)
    assert not any(p.requires_grad for p in net.module_.decoder.parameters())
    net.unfreeze("decoder")
    assert all(p.requires_grad for p in net.module_.decoder.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize("name", ONE_NETWORK)
def test_cuda_agrees_with_the_cpu(name, X):
    scores = [quick(name, device=device, max_epochs=5).fit(X).score_samples(X) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-2)


def test_no_module_of_the_package_sets_threads():
    import pathlib

    import sklearn_occ

    sources = pathlib.Path(sys.modules[sklearn_occ.__name__].__file__).parent.rglob("*.py")
    assert not any("set_num_threads" in source.read_text() for source in sources)
