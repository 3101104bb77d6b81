"""AnoGAN's search for codes: against a plain loop, what it may not change, and that its steps help."""

import copy

import numpy as np
import pytest
import torch
from conftest import quick

from sklearn_occ import AnoGAN
from sklearn_occ._engine import RandomStream
from sklearn_occ.adversarial._latent_search import LatentSearch
from sklearn_occ.datasets import load_one_class_digits


@pytest.fixture
def on_images(X):
    """Trained long enough for the search to have something to find."""
    return quick("AnoGAN", max_epochs=40, lr=1e-3, batch_size=25).fit(X)


@pytest.fixture
def on_a_table(table):
    return quick("AnoGAN", max_epochs=40, lr=1e-3, batch_size=25).fit(table)


def searched_by_a_loop(occ, X):
    """Both losses, code and generated row of each row of X: one row and one start at a time, float64."""
    module = copy.deepcopy(occ.net_.module_).double().eval().requires_grad_(False)
    rows = torch.from_numpy(X).double() / (255 if X.dtype == np.uint8 else 1)
    with RandomStream(occ._fit_state.seed).generator() as generator:
        starts = torch.rand(occ.n_restarts, occ.n_components_, generator=generator) * 2 - 1
    found = []
    for row in rows[:, None] if X.ndim == 3 else rows:
        best = (np.inf,)
        for start in starts.double():
            code = start.clone().requires_grad_()
            optimizer = torch.optim.Adam([code], lr=occ.search_lr)
            for step in range(occ.search_steps + 1):
                made = module.made(code[None])[0]
                residual = (row - made).abs().mean()
                gap = module.discriminator.features(row[None]) - module.discriminator.features(made[None])
                loss = (1 - occ.feature_share) * residual + occ.feature_share * gap.abs().mean()
                if loss.item() < best[0]:
                    parts = residual.item(), gap.abs().mean().item()
                    best = loss.item(), *parts, code.detach().numpy().copy(), made.detach().numpy().copy()
                if step < occ.search_steps:
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    code.data = code.data.clamp(-1, 1)
        found.append(best[1:])
    return [np.array(part) for part in zip(*found, strict=True)]


@pytest.mark.parametrize("kind", ["images", "table"])
def test_the_search_is_a_plain_loop_over_rows_and_starts(kind, on_images, on_a_table, X, table):
    occ, rows = (on_images, X[:4]) if kind == "images" else (on_a_table, table[:4])
    occ.set_params(search_steps=25, n_restarts=3, feature_share=0.3)
    of_rows, of_features, code, made = searched_by_a_loop(occ, rows)
    parts = occ.score_parts(rows)
    np.testing.assert_allclose(parts["reconstruction"], -of_rows, rtol=1e-8)
    np.testing.assert_allclose(parts["feature"], -of_features, rtol=1e-8)
    np.testing.assert_allclose(occ.transform(rows), code, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(occ.reconstruct(rows), made.reshape(rows.shape), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(occ.score_samples(rows), -0.7 * of_rows - 0.3 * of_features, rtol=1e-8)


def test_scores_and_parts_are_those_of_the_row_that_is_made(on_images, X):
    rows = X.astype(np.float32) / np.float32(255)
    made = on_images.reconstruct(X)
    features = copy.deepcopy(on_images.net_.module_.discriminator.features).eval()
    with torch.no_grad():
        of_rows, of_made = (features(torch.from_numpy(images)[:, None]).numpy() for images in (rows, made))
    parts = on_images.score_parts(X)
    np.testing.assert_allclose(parts["reconstruction"], -np.abs(rows - made).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(parts["feature"], -np.abs(of_rows - of_made).mean(1), rtol=1e-4)
    for name, expected in {**parts, "sum": 0.9 * parts["reconstruction"] + 0.1 * parts["feature"]}.items():
        np.testing.assert_allclose(on_images.set_params(score_function=name).score_samples(X), expected, rtol=1e-9)
    np.testing.assert_allclose(on_images.inverse_transform(on_images.transform(X)), made, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("feature_share", "part"), [(0.0, "reconstruction"), (1.0, "feature")])
def test_at_its_ends_the_share_leaves_one_part(feature_share, part, on_a_table, table):
    on_a_table.set_params(feature_share=feature_share, search_steps=30)
    alone = on_a_table.score_parts(table)[part]
    np.testing.assert_allclose(on_a_table.score_samples(table), alone, rtol=1e-12)
    assert alone.mean() > on_a_table.set_params(feature_share=0.5).score_parts(table)[part].mean()


def test_more_steps_and_more_starts_never_raise_the_loss(on_images, X):
    def loss(**params):
        return -on_images.set_params(**params).score_samples(X[:10])

    by_steps = [loss(search_steps=n, n_restarts=1) for n in (0, 1, 5, 20, 60)]
    by_starts = [loss(search_steps=5, n_restarts=n) for n in (1, 2, 4, 16)]
    for losses in (by_steps, by_starts):
        assert (np.diff(losses, axis=0) <= 1e-12).all()
    assert by_steps[-1].mean() < 0.95 * by_steps[0].mean()
    assert by_starts[-1].mean() < by_starts[0].mean()


def test_codes_stay_in_the_cube(on_images, on_a_table, X, table):
    far = 100 * table
    for occ, rows in ((on_images, 1 - X / 255), (on_a_table, far)):
        codes = occ.set_params(search_lr=0.5, search_steps=40).transform(rows)
        assert codes.min() == -1 and codes.max() == 1
        assert codes.shape == (50, occ.n_components_)


def test_the_best_of_the_starts_counts_where_no_step_is_made(on_a_table, table):
    codes = on_a_table.set_params(search_steps=0, n_restarts=7).transform(table)
    assert 1 < len(np.unique(codes, axis=0)) <= 7
    distances = np.stack(
        [np.abs(on_a_table.inverse_transform(c[None]) - table).mean(1) for c in np.unique(codes, axis=0)]
    )
    on_a_table.set_params(feature_share=0.0)
    np.testing.assert_allclose(-on_a_table.score_samples(table), distances.min(0), rtol=1e-6)


def test_the_search_leaves_the_networks_alone(on_images, X):
    module = on_images.net_.module_
    before = copy.deepcopy(module.state_dict())
    on_images.score_samples(X)
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert all(weight.dtype == torch.float32 for weight in module.parameters())


def test_a_score_of_the_default_search_depends_on_no_other_row():
    digits = load_one_class_digits(majority=5)
    occ = quick("AnoGAN", max_epochs=100, lr=1e-3, search_steps=0).fit(digits.X_train).set_params(search_steps=500)
    few = digits.X_test[:6]
    together = occ.score_samples(few)
    np.testing.assert_allclose(occ.score_samples(few[2:3]), together[2:3], rtol=1e-6)
    among_others = np.concatenate([digits.X_test[-64:], few[::-1]])  # in another order, in another block
    np.testing.assert_allclose(occ.score_samples(among_others)[:63:-1], together, rtol=1e-6)


def test_steps_of_the_search_beat_as_many_random_codes():
    digits = load_one_class_digits(majority=5)
    new = digits.X_test[digits.y_test == 1][:40]
    params = {"channels": 16, "lr": 1e-3, "max_epochs": 400, "random_state": 0}
    occ = AnoGAN(search_steps=0, **params).fit(digits.X_train)
    searched = -occ.set_params(n_restarts=1, search_steps=500).score_samples(new)
    drawn = -occ.set_params(n_restarts=500, search_steps=0).score_samples(new)
    assert searched.mean() <= 0.8 * drawn.mean()
    assert (searched < drawn).all()


def test_a_search_that_finds_no_number_is_an_error(on_a_table, table):
    with torch.no_grad():
        on_a_table.net_.module_.generator[0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="The score of row 0 is nan"):
        on_a_table.score_samples(table)


def test_a_search_in_float32_gives_the_same_to_its_precision(on_a_table, table):
    module = copy.deepcopy(on_a_table.net_.module_).eval()
    starts = torch.rand(2, on_a_table.n_components_, generator=torch.Generator().manual_seed(0)) * 2 - 1
    params = {"n_steps": 10, "lr": 0.05, "feature_share": 0.1}
    with torch.no_grad():
        single = LatentSearch(module, starts, **params)(torch.from_numpy(table).float())
        double = LatentSearch(module.double(), starts, **params)(torch.from_numpy(table))
    np.testing.assert_allclose(single.sum, double.sum, rtol=1e-3)
    np.testing.assert_allclose(double.sum, 0.9 * double.reconstruction + 0.1 * double.feature, rtol=1e-12)


def test_verbose_counts_the_rows_that_were_searched(blobs, capsys):
    quick("AnoGAN", verbose=1).fit(blobs(150))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("search:")]
    assert lines[-1] == "search: 150 of 150 rows" and len(lines) > 1
    quick("AnoGAN").fit(blobs(20))
    assert "search" not in capsys.readouterr().out
