"""The methods that are compared, by name."""

import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .._detectors import PAPER_NAMES, all_detectors, has_network, has_parameter
from .._engine import BaseDeepOneClass
from ..pipelines._baselines import BASELINES
from ..reconstruction import CAE

_NOT_COMPARED = (
    "AlignedDetector",  # around another detector
    "PatchAutoencoder",  # for patches
    "PatchDetector",  # for images of differing sizes
    "SeedEnsemble",  # around another detector
)
DEFAULT_METHODS = (  # none that takes minutes to hours for three seeds of a small data set
    "OCSVM",
    "COCSVM",
    "PCAReconstruction",
    "AEGMM",
    "DAGMM",
    "DeepSVDD",
    "CAE",
    "SAE",
    "ConOCC",
)


def _maker(detector):
    """`make(seed, network)` of a class; `network` holds what all networks share: epochs, channels, device, ..."""
    if has_parameter(detector, "autoencoder"):
        return lambda seed, network: detector(autoencoder=CAE(**network), random_state=seed)
    if has_network(detector):
        return lambda seed, network: detector(random_state=seed, **network)
    return lambda seed, network: detector(random_state=seed)


_COMPARED = {name: detector for name, detector in all_detectors().items() if name not in _NOT_COMPARED}
METHODS = {name: _maker(detector) for name, detector in _COMPARED.items()} | {
    name: lambda seed, network, make=make: make(random_state=seed) for name, make in BASELINES.items()
}
WITHOUT_NETWORK = {*BASELINES, *(name for name, detector in _COMPARED.items() if not has_network(detector))}


def parse_methods(names):
    """Read names of methods, in any case and with or without hyphens.

    Parameters
    ----------
    names : iterable of str
        Each holds one name or several, separated by commas or blanks: ``["CAE,c-ocsvm", "SAE"]``.

    Returns
    -------
    methods : tuple of str
        Keys of `METHODS`, in the order given, each once.

    Raises
    ------
    ValueError
        If a name is not known, or none is given.

    See Also
    --------
    compare : Fit the methods.

    Examples
    --------
    >>> from sklearn_occ.comparison import parse_methods
    >>> parse_methods(["conocc, c-ocsvm", "CAE"])
    ('ConOCC', 'COCSVM', 'CAE')
    """
    spelled = {_plain(name): method for name, method in [*zip(METHODS, METHODS, strict=True), *PAPER_NAMES.items()]}
    methods = {}
    for word in " ".join(names).replace(",", " ").split():
        name = spelled.get(_plain(word))
        if name is None:
            raise ValueError(f"{word!r} is no method here: choose among {', '.join(METHODS)}.")
        methods[name] = None
    if not methods:
        raise ValueError(f"No method is given: choose among {', '.join(METHODS)}.")
    return tuple(methods)


def _plain(name):
    return name.replace("-", "").casefold()


def choose_device(device):
    """Return "cuda" or "cpu" for "auto", "cuda" or "cpu"."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' is not available, torch finds no CUDA device: use 'auto' or 'cpu'.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def make_detector(name, *, seed, table, network):
    """Return the unfitted detector; on a table it comes behind a `StandardScaler`."""
    detector = METHODS[name](seed, network)
    return make_pipeline(StandardScaler(), detector) if table else detector


def network_of(fitted):
    """Return the deep detector that was trained inside `fitted`, None where there is none."""
    last = fitted[-1] if hasattr(fitted, "steps") else fitted
    inner = getattr(last, "autoencoder_", last)
    return inner if isinstance(inner, BaseDeepOneClass) else None
