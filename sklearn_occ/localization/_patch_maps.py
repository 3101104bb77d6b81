"""PatchMapsMixin: where a detector of patches finds its anomalies."""

from numbers import Integral, Real

from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from .._docstrings import with_shared_docs
from .._optional import require
from ..base._anomaly_map import SMOOTHING
from ._regions import COLUMNS, regions_of

_MAP_PARAMETERS = {
    "resolution": [StrOptions({"auto", "pixels", "patches"})],
    "kind": [str, None],
    "smoothing": SMOOTHING,
}


class PatchMapsMixin:
    """Scores of patches, maps and regions of images; a class has `_read_X(X, reset)`, an `Images`, and `_scorer`."""

    @with_shared_docs
    def score_patches(self, X):
        """Score the patches of each image.

        Parameters
        ----------
        {images as in fit}

        Returns
        -------
        patches : list of PatchScores
            `corners`, the top and left pixel of each patch, int (k, 2), and `scores`, float64 (k,), for each image;
            None for one that is skipped.
        """
        check_is_fitted(self)
        return self._read_X(X, reset=False).results(self._scorer.scores)

    @with_shared_docs
    @validate_params(_MAP_PARAMETERS, prefer_skip_nested_validation=False)  # the patch scorer checks `kind`
    def anomaly_map(self, X, *, resolution="auto", kind=None, smoothing=0.0):
        """Map of each image, higher = more anomalous.

        ::

            map(p) = sum_k w(p - c_k) m_k(p) / sum_k w(p - c_k),   w(q) = exp(-(q_1^2 + q_2^2) / (2 sigma^2))

        over the patches k with centre `c_k`; `sigma` is a quarter of the patch's sides. `m_k` is what the patch
        scorer's `anomaly_map` gives, or minus the score of the patch in all its pixels. The unit is that of the score,
        but for pixels of a method whose score is no reconstruction error, such as `DAGMM`.

        Parameters
        ----------
        {images as in fit}
        resolution : {"auto", "pixels", "patches"}, default="auto"
            "pixels" takes the patch scorer's `anomaly_map`, "patches" minus its score; "auto" is "pixels" for scorers
            that reconstruct.
        kind : str, default=None
            Kind of the patch scorer's map, as its `anomaly_map` takes it, such as "brighter"; None is its default.
        smoothing : float, default=0.0
            Standard deviation in pixels of a Gaussian that the map is blurred with.

        Returns
        -------
        maps : list of ndarray, float32 (H, W)
            Of each image's own size; pixels of no scored patch have the least value of the others, before smoothing.
            None for an image that is skipped.
        """
        check_is_fitted(self)
        scorer = self._scorer
        return self._read_X(X, reset=False).results(lambda image: scorer.map(image, resolution, smoothing, kind)[0])

    @with_shared_docs
    @validate_params(
        {
            "n_regions": [Interval(Integral, 1, None, closed="left")],
            "top_fraction": [Interval(Real, 0, 1, closed="neither")],
            **_MAP_PARAMETERS,
        },
        prefer_skip_nested_validation=False,
    )
    def find_regions(self, X, *, n_regions=20, top_fraction=0.01, resolution="auto", kind=None, smoothing=0.0):
        """Table of the most suspicious regions of all images.

        Parameters
        ----------
        {images as in fit}
        n_regions : int, default=20
            Most rows of the table.
        top_fraction : float in (0, 1), default=0.01
            Share of the pixels in each image's scored patches, those highest in its map, that belongs to regions;
            neighbouring ones, also across corners, are one region. Pixels with the value of the lowest of them belong
            to regions too, so that with `resolution="patches"` a small fraction gives whole patches.
        resolution : {"auto", "pixels", "patches"}, default="auto"
            As in `anomaly_map`.
        kind : str, default=None
            As in `anomaly_map`.
        smoothing : float, default=0.0
            As in `anomaly_map`.

        Returns
        -------
        regions : pandas.DataFrame
            One row for each region: `file` (or "image 3"), `x`, `y` (left and top, from 0), `width`, `height` in
            pixels, `score` (the highest value of the map inside), `rank` (1 = most suspicious), by which it is sorted.
            `to_csv` saves it.
        """
        check_is_fitted(self)
        pandas = require("pandas", purpose="A table of regions")
        images, scorer, found = self._read_X(X, reset=False), self._scorer, []

        def highest(regions):
            return sorted(regions, key=lambda region: -region["score"])[:n_regions]

        of_images = images.results(
            lambda image: highest(regions_of(*scorer.map(image, resolution, smoothing, kind), top_fraction))
        )
        for index, regions in enumerate(of_images):
            found = highest(found + [{"file": images.name(index), **region} for region in regions or []])
        ranked = [{**region, "rank": rank} for rank, region in enumerate(found, start=1)]
        return pandas.DataFrame(ranked, columns=list(COLUMNS))
