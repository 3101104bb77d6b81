"""The methods that are compared, by name."""

import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .._engine import BaseDeepOneClass
from ..adversarial import AnoGAN, FAnoGAN, GANomaly
from ..density import AEGMM, DAGMM
from ..hypersphere import DeepSVDD
from ..pipelines._baselines import BASELINES
from ..reconstruction import CAE, SAE, ConOCC, DenoisingAutoencoder, PCAReconstruction
from ..self_supervised import TEND
from ..splitting import IntraClassSplitting
from ..svm import COCSVM, OCSVM
from ..variational import CVAD, VAE, CascadeVAE

# `network` holds what every network here shares: epochs, channels, device, callbacks, checkpoint.
METHODS = {
    "OCSVM": lambda seed, network: OCSVM(random_state=seed),
    "COCSVM": lambda seed, network: COCSVM(autoencoder=CAE(**network), random_state=seed),
    "PCAReconstruction": lambda seed, network: PCAReconstruction(random_state=seed),
    "AEGMM": lambda seed, network: AEGMM(autoencoder=CAE(**network), random_state=seed),
    "DAGMM": lambda seed, network: DAGMM(random_state=seed, **network),
    "DeepSVDD": lambda seed, network: DeepSVDD(random_state=seed, **network),
    "AnoGAN": lambda seed, network: AnoGAN(random_state=seed, **network),
    "GANomaly": lambda seed, network: GANomaly(random_state=seed, **network),
    "FAnoGAN": lambda seed, network: FAnoGAN(random_state=seed, **network),
    "VAE": lambda seed, network: VAE(random_state=seed, **network),
    "CascadeVAE": lambda seed, network: CascadeVAE(random_state=seed, **network),
    "CVAD": lambda seed, network: CVAD(random_state=seed, **network),
    "TEND": lambda seed, network: TEND(random_state=seed, **network),
    "CAE": lambda seed, network: CAE(random_state=seed, **network),
    "SAE": lambda seed, network: SAE(random_state=seed, **network),
    "ConOCC": lambda seed, network: ConOCC(random_state=seed, **network),
    "DenoisingAutoencoder": lambda seed, network: DenoisingAutoencoder(random_state=seed, **network),
    "IntraClassSplitting": lambda seed, network: IntraClassSplitting(random_state=seed, **network),
    **{name: lambda seed, network, make=make: make(random_state=seed) for name, make in BASELINES.items()},
}
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
WITHOUT_NETWORK = {"OCSVM", "PCAReconstruction", *BASELINES}


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

    Examples
    --------
    >>> from sklearn_occ.comparison import parse_methods
    >>> parse_methods(["conocc, c-ocsvm", "CAE"])
    ('ConOCC', 'COCSVM', 'CAE')
    """
    spelled = {name.replace("-", "").casefold(): name for name in METHODS} | {
        "dsvdd": "DeepSVDD",  # the papers' D-SVDD and ICS
        "ics": "IntraClassSplitting",
    }
    methods = {}
    for word in " ".join(names).replace(",", " ").split():
        name = spelled.get(word.replace("-", "").casefold())
        if name is None:
            raise ValueError(f"{word!r} is no method here: choose among {', '.join(METHODS)}.")
        methods[name] = None
    if not methods:
        raise ValueError(f"No method is given: choose among {', '.join(METHODS)}.")
    return tuple(methods)


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
