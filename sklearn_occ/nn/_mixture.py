"""Gaussian mixtures from soft memberships, and the network of DAGMM that gives features and memberships."""

import math

import torch
from torch import nn
from torch.linalg import vector_norm

_RIDGE = 1e-6  # of the mean variance, added to every variance
_SMALLEST_RIDGE = 1e-12  # where a component has no variance at all
_NORM_FLOOR = 0.01  # of the mean norm of the training rows


def mixture_statistics(features, logits):
    """Mixture of rows with soft memberships `gamma_i = softmax(logits_i)`.

    ::

        phi_k   = mean over the rows of gamma_ik
        mu_k    = sum_i gamma_ik f_i / sum_i gamma_ik
        Sigma_k = sum_i gamma_ik (f_i - mu_k) (f_i - mu_k)^T / sum_i gamma_ik  +  ridge_k I
        ridge_k = 1e-6 trace / d + 1e-12, with the trace and the size d of the first term

    The ratios `gamma_ik / sum_i gamma_ik` come from the logarithms, so that a component whose memberships all but
    vanish is still a mean of rows; the ridge keeps a component regular whose rows vary in fewer than `d` directions,
    or not at all.

    Parameters
    ----------
    features : tensor of shape (n, d)
        Rows.
    logits : tensor of shape (n, K)
        What the softmax turns into memberships.

    Returns
    -------
    log_weights : tensor of shape (K,), float64
        `log(phi)`.
    means : tensor of shape (K, d), float64
    covariances : tensor of shape (K, d, d), float64

    References
    ----------
    Zong et al. (2018), equation 5.
    """
    features = features.double()
    log_memberships = logits.double().log_softmax(1)
    log_weights = log_memberships.logsumexp(0) - math.log(len(features))
    shares = log_memberships.softmax(0).mT  # (K, n)
    means = shares @ features
    centred = features - means[:, None]  # (K, n, d)
    covariances = (shares[:, :, None] * centred).mT @ centred
    ridge = _RIDGE * covariances.diagonal(dim1=1, dim2=2).mean(1) + _SMALLEST_RIDGE
    identity = torch.eye(features.shape[1], dtype=torch.float64, device=features.device)
    return log_weights, means, covariances + ridge[:, None, None] * identity


def mixture_log_density(features, log_weights, means, covariances):
    """`log sum_k phi_k N(f; mu_k, Sigma_k)` of each row in nats, float64 (n,): minus the energy.

    By Cholesky factors, triangular solves and a sum of exponentials from which the largest is taken out, so that it
    falls with the squared distance however far a row is.

    Parameters
    ----------
    features : tensor of shape (n, d)
        Rows.
    log_weights, means, covariances : tensors of shape (K,), (K, d), (K, d, d)
        As from `mixture_statistics`.

    References
    ----------
    Zong et al. (2018), equation 6.
    """
    factors, _ = torch.linalg.cholesky_ex(covariances)  # not a number stays so, and the engine says what to do
    centred = (features.double() - means[:, None]).mT  # (K, d, n)
    whitened = torch.linalg.solve_triangular(factors, centred, upper=False)
    log_norm = factors.diagonal(dim1=1, dim2=2).log().sum(1) + means.shape[1] / 2 * math.log(2 * math.pi)
    return ((log_weights - log_norm)[:, None] - whitened.square().sum(1) / 2).logsumexp(0)


class MixtureAutoencoder(nn.Module):
    """`x -> (reconstruction, features, logits)`: an autoencoder and the estimation network on what it gives.

    With `z = E(x)`, `x' = D(z)` and `|x| = max(||x||, norm_floor)`::

        features = (z,  ||x - x'|| / |x|,  x . x' / (|x| |x'|))          float64
        logits   = V tanh(W features + b) + c, with dropout after the tanh

    The floor is for rows of zeros, which have no relative error; the gradient of a norm at 0 is taken as 0.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        `(b, *shape) -> (b, n_components)` and back.
    n_components : int
        Width of the code.
    n_mixtures : int
        Components of the mixture.
    n_hidden : int
        Width of the hidden layer of the estimation network.
    dropout : float
        Share of the hidden units that are dropped in training.

    Attributes
    ----------
    norm_floor : tensor, a float64 scalar
        A buffer; see `set_norm_floor`.
    """

    def __init__(self, encoder, decoder, n_components, n_mixtures, *, n_hidden=10, dropout=0.5):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.estimation = nn.Sequential(
            nn.Linear(n_components + 2, n_hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(n_hidden, n_mixtures)
        )
        self.register_buffer("norm_floor", torch.tensor(0.0, dtype=torch.float64))

    def forward(self, x):
        code = self.encoder(x)
        reconstruction = self.decoder(code)
        features = torch.cat([code.double(), self.errors(x, reconstruction)], 1)
        return reconstruction, features, self.estimation(features.to(code.dtype))

    def errors(self, x, reconstruction):
        """Relative Euclidean error and cosine similarity, float64 (b, 2)."""
        x, made = x.flatten(1).double(), reconstruction.flatten(1).double()
        norm = vector_norm(x, dim=1).clamp(min=self.norm_floor)
        norm_made = vector_norm(made, dim=1).clamp(min=self.norm_floor)
        return torch.stack([vector_norm(x - made, dim=1) / norm, (x * made).sum(1) / (norm * norm_made)], 1)

    def set_norm_floor(self, batches):
        """Put the floor at 1 % of the mean norm of the rows, which come in batches (b, ...)."""
        norms = torch.cat([vector_norm(x.flatten(1).double(), dim=1) for x in batches])
        self.norm_floor.fill_(_NORM_FLOOR * norms.mean())
