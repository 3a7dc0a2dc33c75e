"""Ending a training that has nothing more to learn from its loss."""

import math

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.checks import sentence

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Ends the training as soon as the loss is NaN or infinite.

    Args:
        raise_error: whether to raise an error instead of ending it as usual. `BackupAndRestore` then keeps its backup.

    Raises:
        RuntimeError: while training, with raise_error.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            way_out = "Lower the learning rate, or look for unscaled data."
            raise RuntimeError(sentence("TerminateOnNaN", f"a finite loss at batch {batch}", f"loss={loss}", way_out))
        print(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
