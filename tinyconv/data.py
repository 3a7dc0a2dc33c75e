"""Data sets, where programs that begin with ``import tensorflow as tf`` look for them: ``tf.data.Dataset``."""

from types import SimpleNamespace

from tinyconv.preprocessing.dataset import AUTOTUNE, Dataset

__all__ = ["AUTOTUNE", "Dataset", "experimental"]

#: Where older programs find two of the names: ``tf.data.experimental.AUTOTUNE``.
experimental = SimpleNamespace(AUTOTUNE=AUTOTUNE, cardinality=Dataset.cardinality)
