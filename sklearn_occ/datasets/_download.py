"""Public files: where they are, what their checksum is, and how they reach this machine.

A data file is looked for in this order: the folder named by the environment variable ``SKLEARN_OCC_DATA``,
the cache folder (`data_home`), the public address.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .._optional import require

ENVIRONMENT_VARIABLE = "SKLEARN_OCC_DATA"
_CHUNK_BYTES = 2**18


class RemoteFile(NamedTuple):
    """A public file's address and its checksum, written ``algorithm:hexdigest``."""

    url: str
    checksum: str


_FASHION_MNIST = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"

# The keys are the names under which the files lie in the cache folder.
# MNIST, PneumoniaMNIST: the checksums the publishers' own loaders carry (torchvision, medmnist).
# Fashion-MNIST, CIFAR-10: those their publishers state (README of github.com/zalandoresearch/fashion-mnist,
# www.cs.toronto.edu/~kriz/cifar.html). Fashion-MNIST's README links to its bucket without TLS; the repository it names
# beside that has the same files.
# ChestXRay2017.zip: the one that three public loaders agree on, for 1 235 512 464 bytes.
REMOTE_FILES = {
    "ChestXRay2017.zip": RemoteFile(
        "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
        "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
        "sha256:13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36",
    ),
    "pneumoniamnist.npz": RemoteFile(
        "https://zenodo.org/records/10519652/files/pneumoniamnist.npz?download=1",
        "md5:28209eda62fecd6e6a2d98b1501bb15f",
    ),
    "train-images-idx3-ubyte.gz": RemoteFile(
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
        "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    "train-labels-idx1-ubyte.gz": RemoteFile(
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
        "md5:d53e105ee54ea40749a09fcbcd1e9432",
    ),
    "t10k-images-idx3-ubyte.gz": RemoteFile(
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
        "md5:9fb629c4189551a2d022fa330f9573f3",
    ),
    "t10k-labels-idx1-ubyte.gz": RemoteFile(
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
        "md5:ec29112dd5afa0611ce80d1b7f02629c",
    ),
    "fashion-mnist-train-images-idx3-ubyte.gz": RemoteFile(
        f"{_FASHION_MNIST}/train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"
    ),
    "fashion-mnist-train-labels-idx1-ubyte.gz": RemoteFile(
        f"{_FASHION_MNIST}/train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"
    ),
    "fashion-mnist-t10k-images-idx3-ubyte.gz": RemoteFile(
        f"{_FASHION_MNIST}/t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"
    ),
    "fashion-mnist-t10k-labels-idx1-ubyte.gz": RemoteFile(
        f"{_FASHION_MNIST}/t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"
    ),
    "cifar-10-binary.tar.gz": RemoteFile(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"
    ),
}


def provided_file(name):
    """Return the path of `name` in the folder ``SKLEARN_OCC_DATA``, or None where it is not there."""
    folder = os.environ.get(ENVIRONMENT_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise NotADirectoryError(
            f"The environment variable {ENVIRONMENT_VARIABLE} is {folder!r}, which is not a folder: "
            "set it to the folder that holds the data files, or unset it."
        )
    path = Path(folder) / name
    return path if path.is_file() else None


def cache_folder(data_home):
    """Return `data_home` as a path; None means the user's cache folder of this package."""
    if data_home is None:
        return Path(require("pooch", purpose="The cache folder").os_cache("sklearn_occ"))
    return Path(data_home).expanduser()


def fetch_file(name, *, data_home, download_if_missing):
    """Return the path of the public file `name` in the cache folder, downloaded first if it is not there.

    pooch downloads to a temporary name, checks, then renames: a broken download leaves no file.
    """
    url, checksum = REMOTE_FILES[name]
    folder = cache_folder(data_home)
    path = folder / name
    by_hand = f"download {url} by hand and save it as {str(path)!r}."
    if not download_if_missing:
        if not _is_intact(path, checksum):
            raise OSError(
                f"{str(path)!r} is missing or does not have the checksum {checksum}: "
                f"set download_if_missing=True, or {by_hand}"
            )
        return path

    pooch = require("pooch", purpose="Downloading data")
    downloader = pooch.HTTPDownloader(progressbar=find_spec("tqdm") is not None, chunk_size=_CHUNK_BYTES)
    try:
        pooch.retrieve(url, known_hash=checksum, fname=name, path=folder, downloader=downloader)
    except ValueError as error:  # how pooch reports a checksum that differs
        raise OSError(
            f"What {url} sent was discarded, its checksum is not {checksum} (damaged, or changed by the "
            f"publisher): try again later, or {by_hand}"
        ) from error
    except OSError as error:  # requests' errors are OSErrors
        if getattr(error, "response", None) is not None:  # an error page, whose connection pooch leaves open
            error.response.close()
        raise OSError(
            f"{name} could not be downloaded from {url} ({error}): check the connection and try again, or {by_hand}"
        ) from error
    return path


def _is_intact(path, checksum):
    algorithm, digest = checksum.split(":")
    pooch = require("pooch", purpose="Checking a downloaded file")
    return path.is_file() and pooch.file_hash(str(path), alg=algorithm) == digest
