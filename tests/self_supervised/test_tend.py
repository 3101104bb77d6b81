"""TEND against its formulas in NumPy; stages, centre, freezing; and that training is of use."""

import copy

import numpy as np
import pytest
import torch
from conftest import CtrlC, quick
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_occ import TEND
from sklearn_occ.datasets import load_one_class_digits
from sklearn_occ.nn import DenseEncoder, MapDecoder, MapEncoder
from sklearn_occ.nn._margin import MarginHead, map_code_width
from sklearn_occ.self_supervised._margin_loss import MarginLoss


@pytest.fixture
def outputs(rng):
    rows = np.linspace(0.5, 1.2, 10)[:, None] * rng.normal(size=(10, 512))  # some on either side of the margin
    return torch.from_numpy(rows), torch.from_numpy(rng.normal(size=10))


def loss_of(phase, **params):
    criterion = MarginLoss(
        **{"margin": 700.0, "probability_share": 0.3, "classifier": True, "amplitude": 1.0, "shape": (2,)} | params
    )
    criterion.phase = phase
    criterion.center = torch.linspace(-1, 1, 512, dtype=torch.float64)
    return criterion


def distances(outputs):
    return ((outputs[0].numpy() - np.linspace(-1, 1, 512)) ** 2).sum(1)


class Watch(Callback):
    """Copies of module and criterion at the beginning of each epoch of the last stage, and at its end."""

    def __init__(self):
        self.seen = []

    def __deepcopy__(self, memo):  # the estimator copies its callbacks
        return self

    def on_epoch_begin(self, net, **kwargs):
        self.seen.append((copy.deepcopy(net.module_), copy.deepcopy(net.criterion_)))

    on_train_end = on_epoch_begin


def moved(before, after):
    before, after = before.state_dict(), after.state_dict()
    return {key.split(".")[0] for key in after if not torch.equal(before[key], after[key])}


@pytest.mark.parametrize("phase", ["classifier", "margin"])
@pytest.mark.parametrize("classifier", [True, False])
def test_loss_is_the_formula(phase, classifier, outputs):
    p = 1 / (1 + np.exp(-outputs[1].numpy()))
    cross_entropy = -np.concatenate([np.log(1 - p[:5]), np.log(p[5:])]).mean()
    d = distances(outputs)
    outside = np.maximum(700 - d[5:], 0)
    assert 0 < np.count_nonzero(outside) < 5
    expected = cross_entropy * classifier + (phase == "margin") * (d[:5].mean() + outside.mean())
    loss = loss_of(phase, classifier=classifier)(outputs, torch.zeros(5, 2))
    assert float(loss) == pytest.approx(expected, rel=1e-12)


def test_the_first_stage_is_that_of_an_autoencoder(rng, X):
    reconstruction, x = rng.normal(size=(2, 5, 3))
    loss = loss_of("reconstruction")((torch.from_numpy(reconstruction), None), torch.from_numpy(x))
    assert float(loss) == pytest.approx(((reconstruction - x) ** 2).sum(1).mean(), rel=1e-12)
    params = {"encoder": DenseEncoder((144,), 5), "lr": 1e-3, "batch_size": 20}
    ours = quick("TEND", pretrain_epochs=4, **params).fit(X.reshape(50, -1))
    theirs = quick("CAE", max_epochs=4, **params).fit(X.reshape(50, -1))
    assert ours.history_[:4, "train_loss"] == theirs.history_[:, "train_loss"]


def test_rows_beyond_the_margin_are_left_alone(outputs):
    embedding = outputs[0].requires_grad_()
    loss_of("margin", classifier=False)((embedding, outputs[1]), torch.zeros(5, 2)).backward()
    is_beyond = distances((embedding.detach(), None)) > 700
    gradient = embedding.grad.norm(dim=1).numpy()
    assert (gradient[:5] > 0).all()
    np.testing.assert_array_equal(gradient[5:] == 0, is_beyond[5:])


@pytest.mark.parametrize(("share", "classifier"), [(0.3, True), (0.0, True), (1.0, True), (0.3, False)])
def test_score_is_the_formula(share, classifier, outputs):
    p, d = 1 / (1 + np.exp(-outputs[1].numpy())), distances(outputs) / 700
    expected = -(share * p + (1 - share) * d) if classifier else -d
    scores = loss_of("margin", probability_share=share, classifier=classifier).score(outputs, None)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["images", "table"])
def test_score_parts_make_the_score(kind, X, table):
    rows = X if kind == "images" else table
    occ = quick("TEND", probability_share=0.2).fit(rows)
    parts = occ.score_parts(rows)
    combined = 0.2 * parts["probability"] + 0.8 * parts["distance"]
    np.testing.assert_allclose(occ.score_samples(rows), combined, rtol=1e-12)
    module = copy.deepcopy(occ.net_.module_).double().eval()
    x = torch.from_numpy(X / 255)[:, None] if kind == "images" else torch.from_numpy(table)
    with torch.no_grad():
        c, logit = module.head(module.encoder(x))
    np.testing.assert_allclose(-parts["probability"], logit.sigmoid(), rtol=1e-4)
    np.testing.assert_allclose(-parts["distance"], ((c - torch.from_numpy(occ.center_)) ** 2).sum(1) / 10, rtol=1e-3)


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_centre_is_the_mean_after_the_warm_up_and_stays(kind, X, table):
    rows, watch = X if kind == "images" else table, Watch()
    occ = quick("TEND", warm_up_epochs=3, max_epochs=7, lr=1e-3, callbacks=[watch]).fit(rows)
    phases = [criterion.phase for _, criterion in watch.seen]
    assert phases == 3 * ["classifier"] + 5 * ["margin"]
    assert all(not criterion.center.any() for _, criterion in watch.seen[:3])
    assert all(np.array_equal(criterion.center, occ.center_) for _, criterion in watch.seen[3:])
    module = watch.seen[3][0].eval()
    x = torch.from_numpy(X / 255).float()[:, None] if kind == "images" else torch.from_numpy(table).float()
    with torch.no_grad():
        np.testing.assert_allclose(occ.center_, module(x)[0].mean(0), rtol=1e-4, atol=1e-6)
    losses = occ.history_[1:, "train_loss"]  # the first is the autoencoder's
    assert max(losses[:3]) < 2 < min(losses[3:])


def test_the_warm_up_is_at_most_half_of_the_epochs(X):
    assert quick("TEND", warm_up_epochs=10, max_epochs=7).fit(X).warm_up_epochs_ == 3
    assert quick("TEND", warm_up_epochs=10, max_epochs=7, classifier=False).fit(X).warm_up_epochs_ == 0
    occ = quick("TEND", warm_up_epochs=10, max_epochs=1).fit(X)
    assert occ.warm_up_epochs_ == 0 and occ.center_.any()


@pytest.mark.parametrize("freeze_encoder", [True, False])
def test_what_the_second_stage_moves(freeze_encoder, blobs):
    watch = Watch()
    occ = quick("TEND", freeze_encoder=freeze_encoder, max_epochs=3, callbacks=[watch]).fit(blobs(50, size=28))
    first, last = watch.seen[0][0], watch.seen[-1][0]
    assert any("running_mean" in key for key in last.encoder.state_dict())
    assert moved(first, last) == ({"head"} if freeze_encoder else {"head", "encoder"})
    assert any(weight.requires_grad for weight in occ.net_.module_.encoder.parameters()) is not freeze_encoder


def test_a_margin_learner_trains_no_classifier(X):
    watch = Watch()
    occ = quick("TEND", classifier=False, max_epochs=3, callbacks=[watch]).fit(X)
    before, after = (module.head.state_dict() for module, _ in (watch.seen[0], watch.seen[-1]))
    stayed = {key for key in after if torch.equal(before[key], after[key])}
    assert stayed == {"logit.weight", "logit.bias"}
    parts = occ.score_parts(X)
    assert list(parts) == ["distance"]
    np.testing.assert_array_equal(occ.score_samples(X), parts["distance"])


def test_half_of_a_batch_is_resampled_and_half_distorted(X, rng):
    x, criterion = torch.from_numpy(X / 255).float()[:, None], loss_of("margin", shape=(1, 12, 12))
    rows, distorted = criterion.draw(x, torch.Generator().manual_seed(0))
    assert 0 < (rows - x).abs().mean() < 0.3 * (distorted - x).abs().mean()
    criterion.phase = "reconstruction"
    (alone,) = criterion.draw(x, torch.Generator().manual_seed(0))
    assert torch.equal(alone, x)
    rows, distorted = loss_of("margin").draw(x[:, 0, 0, :2], torch.Generator().manual_seed(0))
    assert torch.equal(rows, x[:, 0, 0, :2]) and not torch.equal(distorted, rows)


def test_a_tables_features_are_scaled_by_all_training_rows(table):
    table = 1e4 + table * [1, 10, 100, 1e-2, 0, 1]
    criterion = quick("TEND", batch_size=7).fit(table).net_.criterion_
    np.testing.assert_allclose(criterion.mean, table.mean(0), rtol=1e-6)
    np.testing.assert_allclose(criterion.scale, table.astype(np.float32).std(0, dtype=float), rtol=1e-5, atol=1e-9)


def test_other_units_of_a_table_change_little(table):
    """The distortion goes by standardised features; an encoder that is none leaves the units to it."""
    params = {"encoder": nn.Linear(6, 6), "pretrain_epochs": 0, "max_epochs": 1, "warm_up_epochs": 0, "lr": 1e-12}
    factors = np.array([1, 10, 100, 0.01, 5, 1])
    first = quick("TEND", **params).fit(table)
    with torch.no_grad():
        rescaled = copy.deepcopy(params["encoder"])
        rescaled.weight /= torch.from_numpy(factors).float()
    second = quick("TEND", **{**params, "encoder": rescaled}).fit(table * factors)
    assert second.history_[-1, "train_loss"] == pytest.approx(first.history_[-1, "train_loss"], rel=1e-4)


def test_the_loss_of_rows_held_out_is_of_the_same_distortions_in_each_epoch(X):
    params = {"warm_up_epochs": 0, "max_epochs": 3, "validation_fraction": 0.4, "lr": 1e-12}
    occ = quick("TEND", **params).fit(X)
    losses = occ.history_[1:, "valid_loss"]
    assert losses[1:] == pytest.approx(losses[:-1], rel=0.2)  # batch normalisation's averages move
    np.testing.assert_array_equal(losses, quick("TEND", **params).fit(X).history_[1:, "valid_loss"])


def test_ctrl_c_in_the_warm_up_leaves_a_centre(X):
    occ = quick("TEND", warm_up_epochs=4, max_epochs=8, callbacks=[CtrlC(3)])
    with pytest.warns(UserWarning, match="interrupted after 1 of 8"):
        occ.fit(X)
    assert occ.center_.any()


def test_a_head_that_collapses_is_warned_of(X):
    class Flatten(Callback):
        """Let the head forget its code when the last epoch begins."""

        def on_epoch_begin(self, net, **kwargs):
            if net.epochs_["train"] == 2:
                net.module_.head.embedding[-1].weight.data.zero_()
                net.module_.head.embedding[-1].bias.data.copy_(net.criterion_.center)

    occ = quick("TEND", max_epochs=3, lr=1e-9, callbacks=[Flatten()])
    with pytest.warns(ConvergenceWarning, match="collapsed onto its centre: .* Lower lr, now 1e-09, or train fewer"):
        occ.fit(X)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (17, 40), (64, 64)])
@pytest.mark.parametrize("n_components", [None, 5])
def test_networks_fit_any_size(size, n_components):
    shape = (2, *size)
    width = n_components or map_code_width(shape, 4)
    encoder, decoder = MapEncoder(shape, width, 4), MapDecoder(width, shape, 4)
    x = torch.rand(3, *shape)
    code = encoder(x)
    assert code.shape == (3, width) and decoder(code).shape == x.shape
    assert len(encoder.code_shape) == (3 if n_components is None else 1)
    if n_components is None:
        assert (code >= 0).all() and 4 <= min(encoder.code_shape[1:]) <= 8
    embedding, logit = MarginHead(encoder.code_shape)(code)
    assert embedding.shape == (3, 512) and logit.shape == (3,)


def test_the_networks_of_the_thesis():
    encoder = MapEncoder((1, 256, 256), map_code_width((1, 256, 256), 16))
    widths = [layer.out_channels for layer in encoder.convolutions if isinstance(layer, nn.Conv2d)]
    assert widths == [16, 32, 64, 128, 256] and encoder.code_shape == (256, 8, 8)
    head = MarginHead(encoder.code_shape)
    convolution, dense = head.embedding[1], head.embedding[-1]
    assert (convolution.out_channels, dense.in_features, dense.out_features) == (512, 8192, 512)
    assert map_code_width((1, 512, 512), 16) == 256 * 8 * 8


def test_too_small_images(blobs):
    with pytest.raises(ValueError, match="7 x 7 pixels are too small"):
        TEND(max_epochs=1).fit(blobs(10, size=7))


@pytest.mark.parametrize("majority", [0, 4])
def test_training_is_of_use(majority):
    digits = load_one_class_digits(majority=majority)
    aucs = []
    for params in ({"pretrain_epochs": 0, "max_epochs": 1, "lr": 1e-12}, {"pretrain_epochs": 20, "max_epochs": 40}):
        occ = TEND(random_state=0, channels=8, **params).fit(digits.X_train)
        aucs.append(roc_auc_score(digits.y_test, occ.score_samples(digits.X_test)))
    assert aucs[1] > aucs[0] + 0.02 and aucs[1] > 0.9
