"""Codes and variances of the training rows, against NumPy."""

import numpy as np
import pytest
import torch
from conftest import quick

from sklearn_occ._engine import all_codes, count_distinct, mean_and_deviation, total_variance


def test_total_variance(rng):
    rows = rng.normal(size=(50, 3, 4)) * 7 + 2
    batches = torch.from_numpy(rows).split(7)
    assert total_variance(batches) == pytest.approx(rows.reshape(50, -1).var(0).sum(), rel=1e-12)


@pytest.mark.parametrize(("shape", "axes"), [((50, 4), 0), ((50, 3, 5, 6), (0, 2, 3))])
def test_mean_and_deviation(shape, axes, rng):
    rows = rng.normal(size=shape) * 3 + 1e3
    mean, deviation = mean_and_deviation([(batch, None) for batch in torch.from_numpy(rows).split(7)])
    assert mean.dtype == deviation.dtype == torch.float64
    np.testing.assert_allclose(mean, rows.mean(axes), rtol=1e-12)
    np.testing.assert_allclose(deviation, rows.std(axes), rtol=1e-10)


def test_all_codes_are_those_of_transform(blobs):
    X = blobs(50)
    occ = quick("CAE", batch_size=7).fit(X)
    codes = all_codes(occ.net_, torch.from_numpy(X[:, None]))
    assert codes.dtype == torch.float64
    np.testing.assert_allclose(codes.numpy(), occ.transform(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 200])
def test_count_distinct(batch_size, rng):
    rows = rng.integers(0, 2, (200, 1, 2, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] *= -1  # some zeros become -0.0, which is 0.0
    expected = len(np.unique(rows.reshape(200, -1) + 0.0, axis=0))
    assert 64 < expected < 200
    assert count_distinct(torch.from_numpy(rows).split(batch_size)) == expected
