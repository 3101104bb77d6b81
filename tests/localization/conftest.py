import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sklearn_occ import CAE, OCSVM, DeepSVDD, PatchAutoencoder, PatchDetector, SeedEnsemble
from sklearn_occ.preprocessing import HOG


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


QUICK = {
    "PatchAutoencoder": PatchAutoencoder(max_epochs=2),
    "CAE": CAE(max_epochs=2, channels=2),
    "DeepSVDD": DeepSVDD(pretrain_epochs=1, max_epochs=1, channels=2),
    "OCSVM": OCSVM(),
    "HOG-OCSVM": make_pipeline(HOG(), OCSVM()),
    "SeedEnsemble": SeedEnsemble(CAE(max_epochs=1, channels=2), n_estimators=2),
}
SETTINGS = {"patch_size": 16, "foreground": None, "random_state": 0}


def patch_detector(name="CAE", **params):
    return PatchDetector(clone(QUICK[name]), **{**SETTINGS, **params})


@pytest.fixture
def quick():
    """`quick(name, **params)`: a PatchDetector of small patches whose scorer has that name in `QUICK`."""
    return patch_detector


def written(images, folder):
    paths = [folder / f"{k}.png" for k in range(len(images))]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray((255 * image).astype(np.uint8)).save(path)
    return paths


@pytest.fixture
def files_of():
    """`files_of(images, folder)`: paths of the images, written as PNG."""
    return written
