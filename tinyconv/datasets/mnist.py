"""MNIST: handwritten digits, the data set that nearly every first network is trained on.

    60,000 training and 10,000 test images, 28x28 grey, ink light on dark, 10 classes.

Licence: Yann LeCun and Corinna Cortes hold the copyright of MNIST, a derivative work from NIST's data sets; it is
available under Creative Commons Attribution-Share Alike 3.0 (https://creativecommons.org/licenses/by-sa/3.0/).
Home page: http://yann.lecun.com/exdb/mnist/
"""

from pathlib import Path

import numpy as np

from tinyconv.checks import sentence
from tinyconv.datasets._fetch import find
from tinyconv.datasets._idx import load_idx
from tinyconv.datasets._npz import read_npz
from tinyconv.datasets._split import Split

__all__ = ["CLASS_NAMES", "FILES", "MIRRORS", "load_data"]

CLASS_NAMES = tuple("0123456789")
#: File name -> SHA-256.
FILES = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
#: Folders that hold these files, tried in this order: the first is PyTorch's, the second TensorFlow Datasets'.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
_KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_data() -> Split:
    """Handwritten digits.

    The four IDX files (packed or not), or Keras's ``mnist.npz``, are looked for in ``TINYCONV_DATA/mnist`` and in the
    cache; if they are nowhere, the IDX files are downloaded (11.6 MB) from `MIRRORS`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (60000, 28, 28) and (10000, 28, 28), uint8 from 0 (paper) to
        255 (ink); labels (60000,) and (10000,), uint8 from 0 to 9.

    Raises:
        FileNotFoundError: if the files are nowhere and no mirror delivers them.
        ValueError: if a file is damaged; the message names it.
    """
    archive = find("mnist", "mnist.npz")
    return load_idx("mnist", FILES, MIRRORS) if archive is None else _read_npz(archive)


def _read_npz(path: Path) -> Split:
    try:
        x_train, y_train, x_test, y_test = read_npz(path, _KEYS)
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    for x, y in ((x_train, y_train), (x_test, y_test)):
        if y.ndim != 1 or x.shape != (len(y), 28, 28) or x.dtype != np.uint8:
            raise _wrong(path, f"{x.dtype} images {x.shape} with labels {y.shape}")
    return (x_train, y_train), (x_test, y_test)


def _wrong(path: Path, received: str) -> ValueError:
    expected = f"Keras's archive with {', '.join(_KEYS)}: uint8 images (N, 28, 28) and labels (N,)"
    return ValueError(sentence(f"archive {path}", expected, received, "Delete it and fetch it again."))
