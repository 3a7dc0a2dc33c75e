"""Optimizers, and the learning rate schedules they may follow."""

from tinyconv.optimizers import schedules
from tinyconv.optimizers.base import Optimizer
from tinyconv.optimizers.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop, get, serialize

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules", "serialize"]
