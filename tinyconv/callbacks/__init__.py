"""Things to do while a network trains: stop early, keep the best weights, change the learning rate, survive a kill.

Names, arguments and decisions are those of Keras 3, `keras/src/callbacks/`.
"""

from tinyconv.callbacks.backup import BackupAndRestore
from tinyconv.callbacks.base import Callback, CallbackList, History, LambdaCallback
from tinyconv.callbacks.files import CSVLogger, ModelCheckpoint
from tinyconv.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from tinyconv.callbacks.monitor import EarlyStopping
from tinyconv.callbacks.nan import TerminateOnNaN
from tinyconv.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
