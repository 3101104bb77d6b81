"""Every estimator of the package, in settings that fit in a moment."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # read when scipy is imported; without it scikit-learn skips a check
os.environ.setdefault("OMP_NUM_THREADS", "1")  # small networks; two threads crawl when a core is busy

import importlib.util
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback

from sklearn_occ import CAE, OCSVM, SAE
from sklearn_occ._detectors import all_detectors, has_parameter
from sklearn_occ._engine import BaseDeepOneClass, Steps

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell starts background jobs so; some tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    """Hide GPUs where no chosen test is meant for one: "auto" is then the CPU, in processes that tests begin, too."""
    if not any(item.get_closest_marker("gpu") for item in session.items):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


OTHER_ROWS = ("PatchDetector",)  # takes images of differing sizes and no table; tests/localization has its promises
FEW = {"max_epochs": 2, "pretrain_epochs": 1, "warm_up_epochs": 1, "search_steps": 5, "n_estimators": 2}
WITH_NETWORK_INSIDE = ("autoencoder", "estimator")
PARTICULAR = {  # what makes a method's two epochs tell more, or take less
    "AlignedDetector": {"estimator": None},  # without a network
    "CAE": {"lr": 1e-3},
    "COCSVM": {"svm": OCSVM(nu=0.2)},
    "ConOCC": {"score_function": "sum"},
    "OCSVM": {"nu": 0.2},
    "PatchAutoencoder": {"batch_size": 8},
    "TEND": {"margin": 10.0},
}
VARIANTS = {
    "ConOCC-joint": ("ConOCC", {"schedule": "joint"}),
    "DeepSVDD-soft": ("DeepSVDD", {"objective": "soft-boundary", "pretrain_epochs": 0}),
    "SeedEnsemble-score": (
        "SeedEnsemble",
        {"estimator": SAE(max_epochs=2), "n_estimators": 3, "combination": "score", "vectorized": True},
    ),
}


def short(name, **params):
    """The detector of that name with few epochs and steps, also of a network inside; `params`, and else defaults."""
    detector = all_detectors()[name]
    few = FEW | {inside: CAE(max_epochs=2, lr=1e-3) for inside in WITH_NETWORK_INSIDE}
    return detector(**{key: value for key, value in few.items() if has_parameter(detector, key)} | params)


NAMES = [name for name in all_detectors() if name not in OTHER_ROWS]
QUICK = {name: short(name, **PARTICULAR.get(name, {})) for name in NAMES} | {
    name: short(of, **params) for name, (of, params) in VARIANTS.items()
}


def module_of_docs(name):
    """The module `docs/<name>.py`, which writes a page."""
    path = Path(__file__).resolve().parents[1] / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names_with(parameter):
    """Names in `QUICK` of what has that parameter, itself or in a detector inside."""
    return [name for name, occ in QUICK.items() if parameter in {key.split("__")[-1] for key in occ.get_params()}]


DEEP = names_with("max_epochs")
ONE_NETWORK = [name for name, estimator in QUICK.items() if isinstance(estimator, BaseDeepOneClass)]
WITH_ENCODER = [name for name in ONE_NETWORK if hasattr(QUICK[name], "decoder")]  # one loss, which training lowers
REAL_DATA = Path(os.environ.get("SKLEARN_OCC_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
NARROW = 4  # channels


def quick(name, *, narrow=True, **params):
    """A fresh estimator of that name; `narrow` makes its network of images small."""
    estimator = clone(QUICK[name]).set_params(random_state=0)
    known = estimator.get_params()
    if narrow:
        params = {key: NARROW for key in known if key.split("__")[-1] == "channels"} | params
    return estimator.set_params(**params)


def network_in(occ):
    """The fitted detector with a network: `occ`, its first stage, or its first member."""
    return vars(occ)["estimators_"][0] if hasattr(occ, "estimators_") else getattr(occ, "autoencoder_", occ)


class CtrlC(Callback):
    """Press Ctrl-C when the network first runs in the given epoch, so not inside this callback."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:

            def press(module, inputs):
                hook.remove()
                signal.raise_signal(signal.SIGINT)

            hook = net.module_.register_forward_pre_hook(press)


def loss_of(criterion, player, module, *drawn):
    """Loss of one player's turn on what was drawn for it."""
    return criterion(module(*drawn, player=player), drawn[0], player=player)


@pytest.fixture(params=list(QUICK))
def make(request):
    """Factory of one estimator, with all estimators in turn."""
    return lambda **params: quick(request.param, **params)


@pytest.fixture(params=DEEP)
def make_deep(request):
    """As `make`, without the estimators that train no network."""
    return lambda **params: quick(request.param, **params)


@pytest.fixture(autouse=True)
def same_weights():
    """Networks that a test makes by itself begin with the same weights in each run."""
    torch.manual_seed(0)


@pytest.fixture
def short_budgets(monkeypatch):
    """What is not given a number of epochs, such as a first stage, trains for five."""
    for detector in all_detectors().values():
        if hasattr(detector, "_budgets"):
            monkeypatch.setattr(detector, "_budgets", dict.fromkeys(detector._budgets, Steps(images=5, table=5)))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def blobs(n, seed=0, size=12, channels=None):
    """Images (n, [C,] size, size) of one Gaussian spot at a random place, uint8."""
    rng = np.random.default_rng(seed)
    height, width = (size, size) if np.isscalar(size) else size
    centre = rng.uniform(0.35, 0.65, (n, 2, 1, 1)) * np.array([height, width]).reshape(1, 2, 1, 1)
    y, x = np.mgrid[:height, :width]
    spot = np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / (0.04 * height * width))
    images = np.clip(200 * spot + rng.normal(20, 5, spot.shape), 0, 255)
    if channels:
        gains = np.linspace(1, 0.5, channels).reshape(1, channels, 1, 1)
        images = images[:, None] * gains
    return images.astype(np.uint8)


@pytest.fixture(name="blobs")
def blobs_fixture():
    return blobs


@pytest.fixture
def X():
    """50 images of 12 x 12."""
    return blobs(50)


@pytest.fixture
def table(rng):
    """50 rows of 6 features that hang together."""
    return rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))


@pytest.fixture
def real_data(monkeypatch):
    """`real_data(name)`: path of a file of real data; SKLEARN_OCC_DATA names its folder during the test.

    Patients' images and other authors' tables have licences and sizes of their own and are not shipped: where a file is
    absent the test is skipped, and what it would show is left to whoever has it.
    """

    def path_of(name):
        if not (REAL_DATA / name).is_file():
            pytest.skip(f"{name} is not shipped with the package: set SKLEARN_OCC_DATA to a folder that holds it")
        monkeypatch.setenv("SKLEARN_OCC_DATA", str(REAL_DATA))
        return REAL_DATA / name

    return path_of
