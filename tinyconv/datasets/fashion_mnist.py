"""Fashion-MNIST: pictures of clothes in the format of MNIST, and harder.

    60,000 training and 10,000 test images, 28x28 grey, article light on dark, 10 classes.

Licence: MIT, Copyright (c) 2017 Zalando SE, https://tech.zalando.com.
Home page: https://github.com/zalandoresearch/fashion-mnist
"""

from tinyconv.datasets._idx import load_idx
from tinyconv.datasets._split import Split

__all__ = ["CLASS_NAMES", "FILES", "MIRRORS", "load_data"]

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
#: File name -> SHA-256. The names are those of MNIST, the contents are not.
FILES = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
#: Folders that hold these files, tried in this order: Zalando's, Keras's, and Zalando's repository.
MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
)


def load_data() -> Split:
    """Clothes in ten kinds.

    The four IDX files (packed or not) are looked for in ``TINYCONV_DATA/fashion_mnist`` and in the cache; if they are
    nowhere, they are downloaded (30.9 MB) from `MIRRORS`.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (60000, 28, 28) and (10000, 28, 28), uint8 from 0
        (background) to 255; labels (60000,) and (10000,), uint8 from 0 to 9, named by `CLASS_NAMES`.

    Raises:
        FileNotFoundError: if the files are nowhere and no mirror delivers them.
        ValueError: if a file is damaged; the message names it.
    """
    return load_idx("fashion_mnist", FILES, MIRRORS)
