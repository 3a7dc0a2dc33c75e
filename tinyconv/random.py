"""`set_seed`, where programs that begin with ``import tensorflow as tf`` look for it: ``tf.random.set_seed(42)``."""

from tinyconv.config import set_random_seed as set_seed

__all__ = ["set_seed"]
