"""Networks of a user's own: instances, factories, what they draw, where they lie, what is refused."""

import copy

import numpy as np
import pytest
import torch
from conftest import WITH_ENCODER, quick
from torch import nn

from sklearn_occ import CAE, ConOCC


class Dropping(nn.Module):
    """A user's encoder that draws from torch's global generator."""

    def __init__(self, n_features=144, n_components=5):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(n_features, n_components))

    def forward(self, x):
        return self.layers(x)


def flat_decoder(n_components, image_shape):
    return nn.Sequential(nn.Linear(n_components, int(np.prod(image_shape))), nn.Unflatten(1, image_shape))


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


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_an_encoder_may_be_fitted_inside_its_factory(device, X):
    def pretrained(image_shape, n_components):
        return quick("CAE", n_components=n_components, device=device, random_state=5).fit(X).net_.module_.encoder

    assert CAE(encoder=pretrained, n_components=4, device=device, max_epochs=1).fit(X).n_components_ == 4


def test_what_a_factory_returns_may_lie_on_another_device(X):
    class Elsewhere(nn.Linear):
        is_elsewhere = True

        def _apply(self, function, recurse=True):  # what moves a module
            self.is_elsewhere = False
            return super()._apply(function, recurse)

        def forward(self, x):
            if self.is_elsewhere:
                raise RuntimeError("Expected all tensors to be on the same device")
            return super().forward(x)

    def encoder(image_shape, n_components):
        return nn.Sequential(nn.Flatten(), Elsewhere(144, n_components))

    assert CAE(encoder=encoder, n_components=4, max_epochs=1).fit(X).transform(X).shape == (50, 4)


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


def test_fits_in_threads_do_not_disturb_each_other(X):
    from joblib import Parallel, delayed

    encoder = Dropping()

    def scores(seed):
        return quick("CAE", encoder=encoder, random_state=seed).fit(X).score_samples(X)

    together = Parallel(n_jobs=4, prefer="threads")(delayed(scores)(seed) for seed in range(4))
    np.testing.assert_allclose(together, [scores(seed) for seed in range(4)], rtol=1e-6)
