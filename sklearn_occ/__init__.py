"""One-class classification of images and tables with scikit-learn estimators trained by PyTorch."""

from .adversarial import AnoGAN, FAnoGAN, GANomaly
from .density import AEGMM, DAGMM
from .ensemble import SeedEnsemble
from .hypersphere import DeepSVDD
from .localization import AlignedDetector, PatchDetector
from .reconstruction import CAE, SAE, ConOCC, DenoisingAutoencoder, PatchAutoencoder, PCAReconstruction
from .self_supervised import TEND
from .splitting import IntraClassSplitting
from .svm import COCSVM, OCSVM
from .variational import CVAD, VAE, CascadeVAE

__version__ = "0.1.0"
__all__ = [
    "AEGMM",
    "CAE",
    "COCSVM",
    "CVAD",
    "DAGMM",
    "OCSVM",
    "SAE",
    "TEND",
    "VAE",
    "AlignedDetector",
    "AnoGAN",
    "CascadeVAE",
    "ConOCC",
    "DeepSVDD",
    "DenoisingAutoencoder",
    "FAnoGAN",
    "GANomaly",
    "IntraClassSplitting",
    "PCAReconstruction",
    "PatchAutoencoder",
    "PatchDetector",
    "SeedEnsemble",
]
