"""The methods of the benchmarks by name: the paper's eight, ours beside them, and other libraries' detectors.

Every method has the settings of its paper, `SETTINGS`, but for seed, epochs, channels and device, and what `params`
names.
"""

import time
from importlib.util import find_spec

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_occ import _detectors
from sklearn_occ._detectors import PAPER_NAMES, all_detectors, has_parameter
from sklearn_occ.comparison._methods import METHODS, network_of
from sklearn_occ.metrics import aupr_score
from sklearn_occ.pipelines._baselines import BASELINES

PAPER = ("OCSVM", "C-OCSVM", "DAGMM", "D-SVDD", "AnoGAN", "SAE", "CAE", "ConOCC")  # in the order of its table 2
_SPELLED = {ours: name for name, ours in PAPER_NAMES.items()}
_CLASSES = {_SPELLED.get(name, name): all_detectors()[name] for name in METHODS if name not in BASELINES}
OURS = (*PAPER, *(name for name in _CLASSES if name not in PAPER))
SCIKIT_LEARN = ("OneClassSVM", "IsolationForest", "LocalOutlierFactor")
PYOD = ("PyOD AutoEncoder", "PyOD DeepSVDD", "PyOD AnoGAN")
PEERS = ("HOG-OCSVM", "FineHOG-OCSVM", *SCIKIT_LEARN, *PYOD)

FIGURES = ("auc", "aupr_majority", "aupr_minority")

SETTINGS = {  # published ones by name, and what differs from them
    "OCSVM": ("conocc", {}),
    "C-OCSVM": ("conocc", {}),
    "DAGMM": ("conocc", {}),
    "D-SVDD": ("conocc", {}),
    "AnoGAN": ("conocc", {}),
    "SAE": ("conocc", {}),
    "CAE": ("conocc", {}),
    "ConOCC": ("experiments", {}),
    "VAE": ("guo", {}),
    "CascadeVAE": ("section 4.2", {}),
    "CVAD": ("section 4.2", {}),
    "TEND": ("R=150", {}),
    "ICS": ("ICS", {"symmetric": True}),
    "GANomaly": ("ganomaly", {"n_components": None}),
    "FAnoGAN": ("schlegl", {"n_components": None, "pretrain_lr": 1e-3, "lr": 1e-3}),  # whose rates have lower AUCs
}
OWN = {"DenoisingAutoencoder": {"noise_std": 0.6, "channels": 8, "lr": 2e-3, "batch_size": 32}}  # not published


def has_network(name):
    """Whether epochs and device matter to the method."""
    return name in PYOD or (name in _CLASSES and _detectors.has_network(_CLASSES[name]))


def has_channels(name, kind):
    """Whether the width of a convolutional network matters to the method on data of this kind."""
    return has_network(name) and name not in PYOD and kind == "images"


def params_on(device, name, epochs):
    """What differs from `SETTINGS` besides seed, epochs, channels and device.

    Networks with a stage before the last one have as many epochs in either, as D-SVDD has by its authors; on the CPU
    AnoGAN's search has 100 steps from one start, not 500 from two.
    """
    if name in _CLASSES and has_parameter(_CLASSES[name], "pretrain_epochs"):
        return {"pretrain_epochs": epochs}
    return {"search_steps": 100, "n_restarts": 1} if name == "AnoGAN" and device == "cpu" else {}


def other_settings(names, device, epochs):
    """One line on `params_on` of these methods, to be printed beside a table; "" where there is none."""
    said = {name: params for name in names if (params := params_on(device, name, epochs))}
    return "; ".join(f"{name}: {', '.join(f'{k}={v}' for k, v in params.items())}" for name, params in said.items())


def why_absent(name):
    """Why the method cannot run here, "" when it can."""
    if name in PYOD and find_spec("pyod") is None:
        return f'{name} is left out, as PyOD is not installed: pip install ".[bench]"'
    return ""


def without_absent(cells):
    """Cells of the methods that can run here; prints a line for each that cannot."""
    absent = {name: reason for name in dict.fromkeys(cell["method"] for cell in cells) if (reason := why_absent(name))}
    for reason in absent.values():
        print(reason)
    return [cell for cell in cells if cell["method"] not in absent]


def make(name, *, seed, epochs, channels, device, kind, n_features, checkpoint=None, **params):
    """Return the unfitted detector.

    Parameters
    ----------
    name : str
        One of `OURS` or `PEERS`.
    seed, epochs, channels : int
        As far as the method has them.
    device : {"cpu", "cuda"}
        The same.
    kind : {"images", "table", "features"}
        `channels` is for images only; features are a table that is not standardised.
    n_features : int
        Values in a row, which PyOD's DeepSVDD wants to know.
    checkpoint : Path or None
        For networks of ours.
    **params
        What differs from the defaults.
    """
    if name in PYOD:
        return _make_pyod(name, seed=seed, epochs=epochs, device=device, n_features=n_features, **params)
    if name == "OneClassSVM":
        return OneClassSVM(**params)
    if name in BASELINES:
        return BASELINES[name](random_state=seed).set_params(**params)
    if name == "LocalOutlierFactor":
        return LocalOutlierFactor(novelty=True, **params)
    if not has_network(name):
        return _published(name, random_state=seed, **params)
    network = {"max_epochs": epochs, "device": device, "checkpoint": checkpoint}
    if kind == "images":
        network["channels"] = channels
    if has_parameter(_CLASSES[name], "autoencoder"):
        return _published(name, autoencoder=_published("CAE", **network), random_state=seed, **params)
    return _published(name, random_state=seed, **network, **params)


def _published(name, **params):
    """The detector of `SETTINGS`, or of `OWN`, with these parameters."""
    detector = _CLASSES[name]
    if name not in SETTINGS:
        return detector(**OWN.get(name, {})).set_params(**params)
    setting, differing = SETTINGS[name]
    return detector.from_paper(setting, **{**differing, **params})


def _make_pyod(name, *, seed, epochs, device, n_features, **params):
    from pyod.models.anogan import AnoGAN
    from pyod.models.auto_encoder import AutoEncoder
    from pyod.models.deep_svdd import DeepSVDD

    torch.manual_seed(seed)  # AnoGAN has no seed of its own
    if name == "PyOD AutoEncoder":
        return AutoEncoder(epoch_num=epochs, random_state=seed, device=device, verbose=0, **params)
    if name == "PyOD DeepSVDD":
        return DeepSVDD(n_features, epochs=epochs, random_state=seed, verbose=0, **params)
    return AnoGAN(epochs=epochs, device=device, **params)


def prepared(name, X_train, X_test, kind):
    """Return both in the form that the method takes.

    Tables are standardised by the training rows for every method. Images go to ours and to pipelines as they are, to
    the others flat and, where they are uint8, divided by 255.
    """
    if kind == "table":
        scaler = StandardScaler().fit(X_train)
        return scaler.transform(X_train), scaler.transform(X_test)
    if name in OURS or name in BASELINES:
        return X_train, X_test
    return tuple(
        (X.astype(np.float32) / 255 if X.dtype == np.uint8 else X).reshape(len(X), -1) for X in (X_train, X_test)
    )


def fit_and_score(name, X_train, X_test, *, kind, **settings):
    """Fit on one, score the other.

    Returns
    -------
    detector : estimator
        Fitted.
    scores : ndarray of shape (n_test,)
        Higher = majority; PyOD's are turned.
    about : dict
        `fit_seconds`, `score_seconds`, and the detector's `params` as text.

    Raises
    ------
    KeyboardInterrupt
        At Ctrl-C, also where skorch kept it to itself.
    """
    X_train, X_test = prepared(name, X_train, X_test, kind)
    detector = make(name, kind=kind, n_features=int(np.prod(X_train.shape[1:])), **settings)
    started = time.perf_counter()
    detector.fit(X_train)
    fitted = time.perf_counter()
    network = network_of(detector)
    if network is not None and network.net_.interrupted_:
        raise KeyboardInterrupt
    scores = -detector.decision_function(X_test) if name in PYOD else detector.score_samples(X_test)
    scored = time.perf_counter()
    # A fit that went on from its checkpoint has more in its history than this process has seen.
    trained = 0.0 if network is None else sum(network.history_[:, "dur"])
    params = {
        key: repr(value)
        for key, value in detector.get_params().items()
        if not key.endswith("checkpoint") and not hasattr(value, "get_params")
    }
    about = {"fit_seconds": max(fitted - started, trained), "score_seconds": scored - fitted, "params": params}
    return detector, scores, about


def figures_of(y_test, scores):
    """`FIGURES` of scores (higher = majority) against labels 1 majority, -1 minority."""
    majority, minority = aupr_score(y_test, scores), aupr_score(y_test, scores, pos_label=-1)
    return dict(zip(FIGURES, (float(roc_auc_score(y_test == 1, scores)), majority, minority), strict=True))
