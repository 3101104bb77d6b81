"""Terms that losses and scores are made of, one value a row."""


def squared_error(reconstruction, x):
    """`sum_j (reconstruction_j - x_j)^2` over all pixels (or features) of each row: (b, ...) -> (b,)."""
    return (reconstruction - x).square().flatten(1).sum(1)
