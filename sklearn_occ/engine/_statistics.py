"""What a method asks of its training rows as a whole: their codes, and how much rows of any kind vary."""

import torch

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
