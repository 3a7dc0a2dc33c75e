"""A program that trains a small network and may be killed on the way, for `test_backup`.

    python killed_training.py FOLDER DATA SAVE_FREQ [epoch EPOCH BATCH | write N]

It keeps its backup and its CSV file in FOLDER. When it comes to the end, it writes weights and history there.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
from tiny_networks import compiled, convnet, images, labels

from tinyconv import callbacks, config
from tinyconv.layers import BatchNormalization, Dropout
from tinyconv.preprocessing.image import ImageDataGenerator


class Kill(callbacks.Callback):
    """Ends the program as the power company does."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.place = epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.place:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_while_writing(array_number):
    """End the program before this array of all those that are written is whole."""
    write, left = np.lib.format.write_array, [array_number]

    def write_or_die(file, array, **settings):
        left[0] -= 1
        if left[0] == 0:
            file.write(b"half an array")
            os.kill(os.getpid(), signal.SIGKILL)
        write(file, array, **settings)

    np.lib.format.write_array = write_or_die


def data(kind):
    """x and y for `fit`, or an iterator that augments."""
    x, y = images(23), labels(23)
    if kind == "arrays":
        return {"x": x, "y": y, "batch_size": 5}
    turned = ImageDataGenerator(rotation_range=20, width_shift_range=0.2, horizontal_flip=True)
    return {"x": turned.flow(x, y, batch_size=5)}


def main(folder, kind, save_freq, *kill):
    """Train, unless killed before the end."""
    config.set_random_seed(7)
    model = compiled(convnet(BatchNormalization(), Dropout(0.4)), "adam", metrics=["accuracy"])
    hooks = [
        callbacks.BackupAndRestore(folder / "backup", int(save_freq) if save_freq.isdigit() else save_freq),
        callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
        callbacks.CSVLogger(folder / "log.csv"),
    ]
    if kill[:1] == ("epoch",):
        hooks.append(Kill(int(kill[1]), int(kill[2])))
    elif kill:
        kill_while_writing(int(kill[1]))
    history = model.fit(**data(kind), epochs=4, verbose=0, callbacks=hooks)
    np.savez(folder / "weights.npz", *model.get_weights())
    (folder / "history.json").write_text(json.dumps(history.history))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
