"""Kernels as matrix products in float64: K(x, s) = g(left(x) . right(s)), g taken value by value."""

import numpy as np
import torch

from ..base._input import as_float

_BLOCK_VALUES = 2**22  # kernel values held at a time on a CPU: 32 MiB
_WIDER = {"cpu": 1, "cuda": 16}
_IN_PLACE = {
    "linear": lambda u, degree: u,
    "poly": lambda u, degree: u.pow_(degree),
    "sigmoid": lambda u, degree: u.tanh_(),
    "rbf": lambda u, degree: u.clamp_(max=0).exp_(),  # above 0 by rounding only
}
_EXPONENT_ERROR = 1e-9  # of the product form of "rbf", up to which it is used


def rows_as_vectors(X):
    """`X` of shape (n, ...) as float64 (n, d); uint8 images divided by 255."""
    return np.asarray(as_float(X), dtype=np.float64).reshape(len(X), -1)


class Kernel:
    """A kernel between rows.

    ::

        linear   g(u) = u           left(x) = x                    right(s) = s
        poly     g(u) = u^degree    left(x) = [x, coef0, 1]        right(s) = [gamma s, 1, 0]
        sigmoid  g(u) = tanh(u)     the same
        rbf      g(u) = exp(u)      left(x) = [x, -gamma x'x, 1]   right(s) = [2 gamma s, 1, -gamma s's]

    Parameters
    ----------
    name : {"linear", "poly", "rbf", "sigmoid"}
        As in scikit-learn's `OneClassSVM`.
    gamma, degree, coef0 : float
        Its parameters.
    origin : ndarray of shape (d,)
        What "rbf" subtracts from every row: distances do not change with it, and near the data the exponent
        loses the fewest digits.
    radius : float
        Largest distance of the rows that matter from the origin. Where the exponent's digits are lost in it, "rbf"
        computes each distance by itself, which is slower.
    device : str or torch.device
        Where the products are computed.
    """

    def __init__(self, name, *, gamma, degree, coef0, origin, radius, device):
        self.name = name
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.device = torch.device(device)
        self.origin = torch.from_numpy(origin).to(self.device)
        self.is_direct = name == "rbf" and np.finfo(float).eps * gamma * radius**2 > _EXPONENT_ERROR

    def left(self, rows):
        """Features of rows (b, d), a float64 array, on the device."""
        x = torch.from_numpy(np.require(rows, requirements="W")).to(self.device)
        if self.name == "linear":
            return x
        if self.is_direct:
            return x - self.origin
        features = x.new_empty(len(x), x.shape[1] + 2)
        if self.name == "rbf":
            x = torch.sub(x, self.origin, out=features[:, :-2])
            features[:, -2] = -self.gamma * torch.linalg.vector_norm(x, dim=1).square()
        else:
            features[:, :-2] = x
            features[:, -2] = self.coef0
        features[:, -1] = 1
        return features

    def right(self, left):
        """Features of the other side, from those of `left`."""
        if self.name == "linear" or self.is_direct:
            return left
        features = left * (self.gamma * (2 if self.name == "rbf" else 1))
        features[:, -2] = 1
        features[:, -1] = left[:, -2] if self.name == "rbf" else 0
        return features

    def values(self, left, right):
        """Kernel values (b, m) of features (b, ...) and (m, ...)."""
        if self.is_direct:
            distances = torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
            return distances.square_().mul_(-self.gamma).exp_()
        return _IN_PLACE[self.name](left @ right.mT, self.degree)

    def times(self, lefts, right, weights):
        """Yield `values(left, right) @ weights` for blocks of features, whose values share their memory."""
        buffer = None
        for left in lefts:
            if self.is_direct:
                yield self.values(left, right) @ weights
                continue
            if buffer is None:  # fresh blocks would leave holes in the heap, of gigabytes in all
                buffer = left.new_empty(len(left), len(right))
            products = torch.mm(left, right.mT, out=buffer[: len(left)])
            yield _IN_PLACE[self.name](products, self.degree) @ weights

    def diagonal(self, left):
        """Kernel values of features (b, ...) with themselves, (b,)."""
        if self.is_direct:
            return left.new_ones(len(left))
        return _IN_PLACE[self.name]((left * self.right(left)).sum(1), self.degree)

    def block_size(self, n_columns):
        """Rows of a block that has `n_columns` kernel values in each."""
        return max(1, _BLOCK_VALUES * _WIDER[self.device.type] // max(1, n_columns))


class KernelMatrix:
    """The kernel of the training rows with themselves, of which only blocks are ever held.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    rows : ndarray of shape (n, d), float64
        The rows.
    """

    def __init__(self, kernel, rows):
        self.kernel = kernel
        self._features = kernel.left(rows)

    def __len__(self):
        return len(self._features)

    def subset(self, rows):
        """The matrix of some of the rows."""
        matrix = object.__new__(KernelMatrix)
        matrix.kernel, matrix._features = self.kernel, self._features[rows]
        return matrix

    def block(self, rows):
        """`K[rows][:, rows]`, float64."""
        left = self._features[rows]
        return self.kernel.values(left, self.kernel.right(left)).cpu().numpy()

    def columns(self, rows):
        """`K[:, rows]`, transposed: float64 (m, n)."""
        return self.kernel.values(self.kernel.right(self._features[rows]), self._features).cpu().numpy()

    def exponents(self):
        """`gamma ||x - origin||^2` of each row, for the kernel "rbf" as a product: float64 (n,)."""
        return -self._features[:, -2].cpu().numpy()

    def diagonal(self):
        """`K[i, i]`: float64 (n,)."""
        step = self.kernel.block_size(self._features.shape[1])
        return torch.cat([self.kernel.diagonal(left) for left in self._features.split(step)]).cpu().numpy()

    def times(self, columns, weights):
        """`K[:, columns] @ weights`: float64 (n,)."""
        right = self.kernel.right(self._features[columns])
        weights = torch.from_numpy(weights).to(right.device)
        lefts = self._features.split(self.kernel.block_size(len(columns)))
        return torch.cat(list(self.kernel.times(lefts, right, weights))).cpu().numpy()


class PrecomputedMatrix:
    """As `KernelMatrix`, for a kernel that was computed before.

    Parameters
    ----------
    values : ndarray of shape (n, n)
        The kernel.
    """

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def subset(self, rows):
        """The matrix of some of the rows."""
        return PrecomputedMatrix(self.block(rows))

    def block(self, rows):
        """`K[rows][:, rows]`."""
        return self.values[np.ix_(rows, rows)]

    def diagonal(self):
        """`K[i, i]`."""
        return self.values.diagonal()

    def times(self, columns, weights):
        """`K[:, columns] @ weights`, of many columns without a copy of them."""
        if len(columns) < len(self) // 8:
            return self.values[:, columns] @ weights
        return self.values @ spread(weights, columns, len(self))


def spread(weights, rows, n):
    """Weights of n rows, 0 where a row is not among `rows`."""
    all_weights = np.zeros(n)
    all_weights[rows] = weights
    return all_weights


def expansion(X, vectors, coefficients, kernel):
    """Evaluate `sum_i coefficients_i K(x, vectors_i)` for each row of `X`, in memory that does not grow with them.

    Parameters
    ----------
    X : ndarray of shape (n, ...)
        Rows; converted block by block.
    vectors : ndarray of shape (m, d)
        Support vectors.
    coefficients : ndarray of shape (m,)
        Their weights.
    kernel : Kernel
        The kernel.

    Returns
    -------
    values : ndarray of shape (n,), float64
    """
    right = kernel.right(kernel.left(vectors))
    coefficients = torch.from_numpy(coefficients).to(right.device)
    step = kernel.block_size(max(vectors.shape))
    starts = range(0, len(X), step)
    lefts = (kernel.left(rows_as_vectors(X[start : start + step])) for start in starts)
    values = np.empty(len(X))
    for start, found in zip(starts, kernel.times(lefts, right, coefficients), strict=True):
        values[start : start + step] = found.cpu().numpy()
    return values
