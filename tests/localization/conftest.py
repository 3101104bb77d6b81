import numpy as np
import pytest
from scipy import ndimage


def tissue(shape, seed):
    """Smooth texture in [0, 1], float32."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.fixture(name="tissue")
def tissue_fixture():
    return tissue


@pytest.fixture
def images():
    """Six images of differing sizes."""
    return [tissue((60 + 5 * k, 80), k) for k in range(6)]
