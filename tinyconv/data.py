"""Data sets, where programs that begin with ``import tensorflow as tf`` look for them: ``tf.data.Dataset``."""

from tinyconv.preprocessing.dataset import AUTOTUNE, Dataset

__all__ = ["AUTOTUNE", "Dataset"]
