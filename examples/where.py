"""A photograph of a retina with planted lesions: where a detector of patches finds them, as a picture and a table.

    python examples/where.py where.png

The left half, without lesions, trains; the right half is looked at. `--epochs 60` is what the picture in
docs/user_guide.md was made with.
"""

import argparse

import numpy as np
from scipy.ndimage import binary_dilation
from skimage.color import rgb2gray
from skimage.data import retina

from sklearn_occ import PatchAutoencoder, PatchDetector, PCAReconstruction
from sklearn_occ.datasets import plant_lesions
from sklearn_occ.metrics import pixel_roc_auc_score


def main(picture=None, epochs=3):
    grey = rgb2gray(retina()).astype(np.float32)  # 1411 x 1411 pixels
    normal, other = [grey[:705, :705], grey[705:, :705]], grey[300:1100, 705:1250]
    planted = plant_lesions([other], kind="microcalcifications", contrast=12, size=60, n_lesions=4, random_state=0)
    image, mask = planted.images[0], planted.masks[0]

    for scorer in (PatchAutoencoder(max_epochs=epochs, channels=8), PCAReconstruction(n_components=50)):
        occ = PatchDetector(scorer, patch_size=32, stride=8, n_patches=2000, min_foreground=1.0, random_state=0)
        (anomaly_map,) = occ.fit(normal).anomaly_map([image], smoothing=2)
        print(f"{type(scorer).__name__}: pixel AUROC {pixel_roc_auc_score([mask], [anomaly_map]):.3f}")
    regions = occ.find_regions([image], n_regions=5, top_fraction=0.005, smoothing=2)
    print(regions.round(5).to_string(index=False))

    if picture:
        from sklearn_occ.plotting import AnomalyMapDisplay

        around = binary_dilation(mask, iterations=12)  # an outline of the spots themselves would hide them
        colours = {"vmin": 0, "vmax": np.quantile(anomaly_map, 0.9995)}
        display = AnomalyMapDisplay.from_predictions(image, anomaly_map, mask=around, map_kw=colours)
        display.figure_.savefig(picture, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", help="file to draw into")
    parser.add_argument("--epochs", type=int, default=3)
    main(**vars(parser.parse_args()))
