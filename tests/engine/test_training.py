"""How a net is trained: stages, warm start, Ctrl-C, callbacks, users' networks."""

import copy
import pickle
import sys
import warnings

import numpy as np
import pytest
import torch
from conftest import ONE_NETWORK, WITH_ENCODER, CtrlC, quick
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch import nn

from sklearn_occ import CAE, COCSVM, ConOCC


class Dropping(nn.Module):
    """A user's encoder that draws from torch's global generator."""

    def __init__(self, n_features=144, n_components=5):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_features, n_components))

    def forward(self, x):
        return self.layers(x)


def flat_decoder(n_components, image_shape):
    return nn.Sequential(nn.Linear(n_components, int(np.prod(image_shape))), nn.Unflatten(1, image_shape))


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
    np.testing.assert_allclose(occ.mu_, occ.transform(X / 255.0).mean(0), rtol=1e-5, atol=1e-6)


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
    held_out = np.setdiff1d(np.arange(50), occ._training_rows)
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


def test_a_users_module_is_copied_and_keeps_its_weights(X):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(144, 7))
    before = copy.deepcopy(encoder.state_dict())
    occ = CAE(encoder=encoder, decoder=flat_decoder, max_epochs=1, lr=1e-12, random_state=0).fit(X)
    assert occ.n_components_ == 7
    for key, value in before.items():
        torch.testing.assert_close(encoder.state_dict()[key], value, rtol=0, atol=0)
    codes = encoder(torch.from_numpy(X / 255).float().unsqueeze(1)).detach().numpy()
    np.testing.assert_allclose(occ.transform(X), codes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_a_users_factories(name, X):
    asked = []

    def encoder(image_shape, n_components):
        asked.append((image_shape, n_components))
        return Dropping(n_components=n_components)

    occ = quick(name, encoder=encoder, decoder=flat_decoder, n_components=3).fit(X)
    assert asked == [((1, 12, 12), 3)]
    assert occ.transform(X).shape == (50, 3)
    assert not hasattr(occ, "reconstruct") or occ.reconstruct(X).shape == X.shape


def test_a_users_dropout_leaves_the_global_generator_alone_and_repeats(X):
    encoder, state = Dropping(), torch.get_rng_state()
    first, second, other = (
        CAE(encoder=encoder, max_epochs=3, random_state=seed).fit(X).score_samples(X) for seed in (0, 0, 1)
    )
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_users_network_that_works_in_place_leaves_x_alone(X):
    rows = (X / 255).astype(np.float32)
    before = rows.copy()
    encoder = nn.Sequential(nn.Threshold(0.3, 0.0, inplace=True), nn.Flatten(), nn.Linear(144, 3))
    occ = CAE(encoder=encoder, max_epochs=2, validation_fraction=0.2, random_state=0).fit(rows)
    scores = occ.score_samples(rows)
    np.testing.assert_array_equal(rows, before)
    error = ((occ.reconstruct(rows).astype(float) - rows) ** 2).mean((1, 2))
    np.testing.assert_allclose(scores, -error, rtol=1e-5)


def test_a_users_network_that_draws_in_eval_mode_leaves_the_global_generator_alone(X):
    class Noisy(Dropping):
        def forward(self, x):
            return super().forward(x) + 0.01 * torch.randn(len(x), 1)

    encoder, state = Noisy(), torch.get_rng_state()
    ConOCC(encoder=encoder, max_epochs=2, random_state=0).fit(X).transform(X)
    assert torch.equal(state, torch.get_rng_state())


def test_an_encoder_may_be_fitted_inside_its_factory(X):
    def pretrained(image_shape, n_components):
        return quick("CAE", n_components=n_components, random_state=5).fit(X).net_.module_.encoder

    assert CAE(encoder=pretrained, n_components=4, max_epochs=1).fit(X).n_components_ == 4


def test_skorchs_own_predict_works(X):
    occ = quick("CAE").fit(X)
    rows = (X[:, None] / 255).astype(np.float32)
    np.testing.assert_allclose(occ.net_.predict(rows)[:, 0], occ.reconstruct(X), rtol=1e-4, atol=1e-6)


def test_a_users_network_in_float32_works_on_tables(rng):
    class Float32Only(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("shift", torch.ones(6))
            self.linear = nn.Linear(6, 2)

        def forward(self, x):
            return self.linear(x + torch.ones(6, dtype=torch.float32) * self.shift)

    X = rng.normal(size=(30, 6))
    assert np.isfinite(CAE(encoder=Float32Only(), max_epochs=2).fit(X).score_samples(X)).all()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"encoder": nn.Linear(12, 3)},
            r"encoder turns 2 rows of shape \(1, 12, 12\) into shape \(2, 1, 12, 3\)",
        ),
        ({"encoder": Dropping(), "n_components": 9}, r"into shape \(2, 5\), expected \(2, 9\)"),
        (
            {"encoder": Dropping(), "decoder": nn.Linear(5, 144)},
            r"rows of shape \(144,\), expected \(1, 12, 12\)",
        ),
    ],
    ids=["not flat", "other width", "wrong shape"],
)
def test_networks_that_do_not_fit_are_named(params, message, X):
    with pytest.raises(ValueError, match=message):
        CAE(max_epochs=1, **params).fit(X)


def test_a_factory_that_returns_no_module(X):
    with pytest.raises(TypeError, match=r"returned str, expected a torch\.nn\.Module"):
        CAE(encoder=lambda image_shape, n_components: "conv").fit(X)


@pytest.mark.skipif(torch.cuda.is_available(), reason="the case is a machine without CUDA")
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


def test_fits_in_threads_do_not_disturb_each_other(X):
    from joblib import Parallel, delayed

    encoder = Dropping()

    def scores(seed):
        return quick("CAE", encoder=encoder, random_state=seed).fit(X).score_samples(X)

    together = Parallel(n_jobs=4, prefer="threads")(delayed(scores)(seed) for seed in range(4))
    np.testing.assert_allclose(together, [scores(seed) for seed in range(4)], rtol=1e-6)


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
