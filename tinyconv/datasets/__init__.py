"""The data sets of tinyconv, one module each, and each with Keras's ``load_data()``.

Every ``load_data()`` returns ``(x_train, y_train), (x_test, y_test)``: images as uint8 from 0 to 255, labels as uint8
from 0. `glyphs` draws its own images and needs no download; the others look in ``TINYCONV_DATA`` and in the cache, and
then, where the data may be fetched without a login, on the network.
"""

from tinyconv.datasets import fashion_mnist, flowers, glyphs, mnist, sign_digits, sign_mnist

__all__ = ["fashion_mnist", "flowers", "glyphs", "mnist", "sign_digits", "sign_mnist"]
