"""What a method asks of its training rows as a whole: their codes, and how much rows of any kind vary."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from .._seeding import RandomStream
from ._batches import ResidentBatches
from ._streaming import HostRows, StreamedBatches

LEAST_DISTINCT = 0.95  # share of the distinct rows with a value of their own, where a network has not collapsed


def all_codes(net, X):
    """Codes of all rows in eval mode, float64 (n, n_components)."""
    return torch.cat([code.double() for code, _ in net.sweep(X, net.module_.encoder)])


def total_variance(batches):
    """Variance of rows that come in batches, (b, ...) each, summed over pixels, in float64."""
    n_rows, mean, scatter = 0, 0.0, 0.0
    for batch in batches:
        rows = batch.flatten(1).double()
        n_rows += len(rows)
        shift = rows.mean(0) - mean  # of this batch from the mean so far
        scatter += rows.var(0, correction=0).sum() * len(rows)
        scatter += shift.square().sum() * len(rows) * (n_rows - len(rows)) / n_rows
        mean += shift * len(rows) / n_rows
    return float(scatter / n_rows)


def reconstructed_variance(net, X):
    """Total variance of the reconstructions of all rows."""
    return total_variance(outputs[0] for outputs, _ in net.sweep(X))


@torch.no_grad()
def renew_batch_statistics(net, X):
    """Give layers of batch normalisation the means and variances of the rows of X as they are, on average over batches.

    For a network that trained on other rows than it is to score, such as noisy ones, whose statistics they else keep.
    The batches are shuffled by a stream of their own, which is the same each time.
    """
    layers = [part for part in net.module_.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    net._set_training(False)
    kind = StreamedBatches if isinstance(X, HostRows) else ResidentBatches
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for the mean over all batches
        layer.train()
    with net.private_random(RandomStream(net.seed)):
        for x, _ in kind(X, net.batch_size, RandomStream(net.seed)) if layers else ():
            net.module_(x if net.is_plain_in_eval_ else x.clone())
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def mean_and_deviation(batches):
    """Mean and standard deviation of each feature, or channel over its pixels, float64 (n_features,) or (C,).

    Two passes over `batches`, which gives (x, ...) with x of shape (b, n_features) or (b, C, H, W) in either.
    """

    def mean_of(values):
        sums, counts = zip(*((v.sum(1), v.shape[1]) for v in values), strict=True)
        return sum(sums) / sum(counts)

    mean = mean_of(_of_channels(x) for x, *_ in batches)
    return mean, mean_of((_of_channels(x) - mean[:, None]).square() for x, *_ in batches).sqrt()


def count_distinct(batches):
    """Count the different rows among float32 rows that come in batches, (b, ...) each.

    Rows are compared by a random sum of their bits modulo 2^64, which takes 8 bytes a row; two rows that differ agree
    in it with probability 2^-32 or less.
    """
    sums, generator = [], torch.Generator().manual_seed(0)
    for batch in batches:
        bits = (batch.flatten(1) + 0.0).view(torch.int32)  # -0.0 is 0.0
        if not sums:
            limits = torch.iinfo(torch.int64)
            factors = torch.randint(limits.min, limits.max, bits.shape[1:], generator=generator).to(bits.device)
        sums.append((bits * factors).sum(1))
    return len(torch.cat(sums).unique())


def _of_channels(x):
    """Values of each feature, or channel, float64 (n_features, b) or (C, b * H * W)."""
    return x.double().transpose(0, 1).flatten(1)
