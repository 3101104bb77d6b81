"""MarginLoss: keep rows close to a centre, and what is made of them outside a margin."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from .._engine import mean_and_deviation
from ..nn._distortions import random_distortion, random_permutation, random_resampling
from ..nn._losses import ScoreOfParts, mean_squared_error, squared_error
from ..nn._margin import MarginHead


class MarginLoss(ScoreOfParts):
    """Losses and score of TEND (Guo, equations 4.1 to 4.4).

    Parameters
    ----------
    margin, probability_share : float
        R, and the share of the probability in the score.
    classifier : bool
        Whether the classifier has a part in loss and score.
    amplitude : float
        Of the distortions.
    shape : tuple (C, H, W) or (n_features,)
        Shape of one row.

    Attributes
    ----------
    center : tensor of shape (512,)
        O; a buffer.
    mean, scale : tensors of shape (n_features,)
        Of the features of a table, by which its distortion goes; buffers.
    first_distance : tensor, a scalar
        Mean D of distorted rows when the centre was set; a buffer.
    phase : {"reconstruction", "classifier", "margin"}
        What is trained: the autoencoder, the classifier alone, or the classifier and the margin.
    """

    def __init__(self, margin, probability_share, classifier, amplitude, shape):
        super().__init__()
        self.margin = margin
        self.probability_share = probability_share
        self.classifier = classifier
        self.amplitude = amplitude
        self.phase = "reconstruction"
        self.part_names = ("probability", "distance") if classifier else ("distance",)
        self.score_function = "sum" if classifier else "distance"
        self.register_buffer("center", torch.zeros(MarginHead.width))
        self.register_buffer("first_distance", torch.tensor(0.0))
        self.is_table = len(shape) == 1
        if self.is_table:
            self.register_buffer("mean", torch.zeros(shape))
            self.register_buffer("scale", torch.ones(shape))

    def draw(self, x, generator):
        """Rows to train on: x, or in the second stage x resampled and x distorted."""
        if self.phase == "reconstruction":
            return (x,)
        resampled = x if self.is_table else random_resampling(x, generator)
        return resampled, self.distorted(x, generator)

    def distorted(self, x, generator):
        """Distort each row at random."""
        if self.is_table:
            return random_permutation(x, generator, self.mean, self.scale, self.amplitude)
        return random_distortion(x, generator, self.amplitude)

    def forward(self, outputs, x):
        """Loss of a batch, a scalar; in the second stage the outputs are those of x and, below, of x distorted."""
        if self.phase == "reconstruction":
            return mean_squared_error(outputs[0], x)
        embedding, logit = outputs
        n_rows = len(x)
        terms = []
        if self.classifier:
            is_distorted = (torch.arange(len(logit), device=x.device) >= n_rows).to(logit.dtype)
            terms.append(binary_cross_entropy_with_logits(logit, is_distorted))
        if self.phase == "margin":
            distance = self.distances(embedding)
            terms += [distance[:n_rows].mean(), (self.margin - distance[n_rows:]).clamp(min=0).mean()]
        return sum(terms)

    def part(self, name, outputs, x):
        """`-p`, `-D / R` or their mixture, of each row, (b,)."""
        embedding, logit = outputs
        if name == "probability":
            return -logit.sigmoid()
        if name == "distance":
            return -self.distances(embedding) / self.margin
        parts = self.parts(outputs, x)
        return self.probability_share * parts["probability"] + (1 - self.probability_share) * parts["distance"]

    def distances(self, embedding):
        """`D` of each row, (b,)."""
        return squared_error(embedding, self.center.to(embedding.dtype))

    def set_scale(self, batches):
        """Take mean and standard deviation of each feature from batches (x, None) of all training rows."""
        for buffer, value in zip((self.mean, self.scale), mean_and_deviation(batches), strict=True):
            buffer.copy_(value)
