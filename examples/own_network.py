"""A network of one's own as encoder and decoder: a factory, or a module that was trained elsewhere."""

import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from sklearn_occ import ConOCC
from sklearn_occ.datasets import load_one_class_digits


class Encoder(nn.Module):
    """8 x 8 images to codes; `shape` is (channels, height, width)."""

    def __init__(self, shape, n_components):
        super().__init__()
        self.convolution = nn.Conv2d(shape[0], 16, kernel_size=3, stride=2, padding=1)
        self.dropout = nn.Dropout(0.1)  # draws from a stream of the estimator, so results repeat
        self.code = nn.Linear(16 * 4 * 4, n_components)

    def forward(self, x):
        features = torch.relu(self.convolution(x))  # (b, 16, 4, 4)
        return self.code(self.dropout(features.flatten(1)))  # (b, n_components)


def decoder(n_components, shape):
    """Codes to images; no activation at the end, `output_activation` follows."""
    n_channels, height, width = shape
    return nn.Sequential(
        nn.Linear(n_components, 64),
        nn.ReLU(),
        nn.Linear(64, height * width),
        nn.Unflatten(1, (n_channels, height, width)),
    )


def main():
    digits = load_one_class_digits(majority=8)

    network = {"encoder": Encoder, "decoder": decoder, "n_components": 12}
    from_factories = ConOCC(**network, gamma=0.1, max_epochs=200, random_state=0).fit(digits.X_train)
    print(f"factories: AUC {roc_auc_score(digits.y_test, from_factories.score_samples(digits.X_test)):.3f}")

    trained_elsewhere = from_factories.net_.module_.encoder
    from_module = ConOCC(encoder=trained_elsewhere, decoder=decoder, gamma=0.1, max_epochs=50, random_state=1)
    from_module.fit(digits.X_train)  # a copy is trained on; the module that was passed stays as it is
    print(f"module:    AUC {roc_auc_score(digits.y_test, from_module.score_samples(digits.X_test)):.3f}")


if __name__ == "__main__":
    main()
