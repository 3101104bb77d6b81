"""StructuralSimilarity against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from sklearn_occ.nn._similarity import StructuralSimilarity


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (28, 28), (33, 50)], ids=str)
@pytest.mark.parametrize(("channels", "data_range"), [(1, 1.0), (3, 7.5)])
def test_maps_are_those_of_scikit_image(size, channels, data_range, rng):
    a, b = data_range * rng.uniform(-0.3, 1, (2, 4, channels, *size))
    b[:2] = a[:2] + 0.1 * b[:2]  # some alike
    maps = StructuralSimilarity(size, data_range).maps(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    window = min(11, min(size) - 1 + min(size) % 2)  # odd, on which only the mean depends
    for at in np.ndindex(maps.shape[:2]):
        expected = structural_similarity(
            *(x[at] for x in (a, b)),
            data_range=data_range,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            win_size=window,
            full=True,
        )[1]
        np.testing.assert_allclose(maps[at], expected, rtol=1e-9, atol=1e-12)
    means = StructuralSimilarity(size, data_range)(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert means[:2].min() > means[2:].max()


@pytest.mark.parametrize(("size", "inner"), [((8, 8), (4, 4)), ((9, 13), (5, 7)), ((19, 20), (11, 10))], ids=str)
def test_the_mean_is_of_inner_pixels(size, inner, rng):
    similarity = StructuralSimilarity(size, 1.0)
    a, b = (torch.from_numpy(x) for x in rng.uniform(0, 1, (2, 3, 2, *size)))
    rows, columns = ((side - kept) // 2 for side, kept in zip(size, inner, strict=True))
    maps = similarity.maps(a, b)[:, :, rows : rows + inner[0], columns : columns + inner[1]]
    torch.testing.assert_close(similarity(a, b), maps.mean((1, 2, 3)), rtol=1e-12, atol=0)


def test_it_is_the_mean_that_scikit_image_gives(rng):
    a, b = rng.uniform(0, 1, (2, 24, 31))
    expected = structural_similarity(
        a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, win_size=11
    )
    rows = (torch.from_numpy(x)[None, None] for x in (a, b))
    assert StructuralSimilarity((24, 31), 1.0)(*rows).item() == pytest.approx(expected, rel=1e-10)


def test_identities(rng):
    a, b = (torch.from_numpy(x) for x in rng.uniform(0, 1, (2, 5, 2, 12, 10)))
    similarity = StructuralSimilarity((12, 10), 1.0)
    torch.testing.assert_close(similarity(a, a), torch.ones(5, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(similarity(a, b), similarity(b, a), rtol=1e-12, atol=0)
    black, white = torch.zeros(1, 1, 12, 10), torch.ones(1, 1, 12, 10)
    assert similarity(black, white).item() == pytest.approx(1e-4 / 1.0001)  # C1 / (1 + C1)
    assert similarity(a.float(), b.float()).dtype == torch.float64


def test_its_buffers_are_not_in_a_checkpoint():
    assert not StructuralSimilarity((12, 10), 1.0).state_dict()
