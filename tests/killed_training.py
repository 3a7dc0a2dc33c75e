"""A program that trains a small network and may be killed on the way, for `test_backup` and `kills`.

    python killed_training.py FOLDER DATA SAVE_FREQ [epoch EPOCH BATCH | write N | file N | byte N]

It keeps its backup, three checkpoints and its CSV file in FOLDER, says "begins" when the training does, and when it
comes to the end writes weights and history there. It may end itself after a batch, before an array of the backup is
whole, before the N-th change of a file or folder, or when any file grows beyond N bytes.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from tinyconv import Input, Sequential, callbacks, config
from tinyconv.files import replacing
from tinyconv.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPooling2D,
    RandomFlip,
    RandomRotation,
)
from tinyconv.preprocessing.image import ImageDataGenerator, save_img
from tinyconv.utils import PyDataset, image_dataset_from_directory

N, IMAGE, CLASSES = 23, (8, 7, 3), 3

#: What `data` knows.
KINDS = ("arrays", "flow", "folder", "numbers")


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


def kill_at_change(number):
    """End the program before this change of a file or folder, of all those that Python makes."""
    left = [number]

    def watch(event, arguments):
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def kill_at_byte(number):
    """Let the system end the program as soon as a file grows beyond so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


KILLS = {"write": kill_while_writing, "file": kill_at_change, "byte": kill_at_byte}


def images():
    """x (N, H, W, C) and y (N,)."""
    rng = np.random.default_rng(0)
    return rng.random((N, *IMAGE), dtype=np.float32), rng.integers(0, CLASSES, N)


def write_pictures(folder):
    """The images as files, in a folder for each class."""
    for i, (image, label) in enumerate(zip(*images(), strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        save_img(folder / str(label) / f"{i}.png", image)


class Numbers(PyDataset):
    """Batches by their numbers, fetched in two threads."""

    def __init__(self):
        super().__init__(workers=2)
        self.x, self.y = images()

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return self.x[i * 5 : i * 5 + 5], self.y[i * 5 : i * 5 + 5]


def data(kind, pictures):
    """Arguments of `fit`: arrays; an iterator that augments; files, read in the background; or batches by number."""
    x, y = images()
    if kind == "arrays":
        return {"x": x, "y": y, "batch_size": 4, "validation_split": 0.2}
    if kind == "flow":
        turned = ImageDataGenerator(rotation_range=20, width_shift_range=0.2, horizontal_flip=True)
        return {"x": turned.flow(x, y, batch_size=5)}
    if kind == "folder":
        files = image_dataset_from_directory(pictures, image_size=IMAGE[:2], batch_size=5, seed=3, verbose=False)
        return {"x": files.map(lambda x, y: (x / 255, y), num_parallel_calls=2).prefetch(2)}
    return {"x": Numbers()}


def network():
    """A compiled network with all that draws random numbers or keeps averages."""
    augmentation = [RandomFlip("horizontal"), RandomRotation(0.1)]
    convolution = [Conv2D(4, 3, activation="relu"), BatchNormalization(), MaxPooling2D()]
    model = Sequential(
        [Input(IMAGE), *augmentation, *convolution, Flatten(), Dropout(0.4), Dense(CLASSES, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(folder, kind, save_freq, *kill):
    """Train, unless killed before the end."""
    config.set_random_seed(7)
    config.set_threads(2)
    model = network()
    hooks = [
        callbacks.BackupAndRestore(folder / "backup", int(save_freq) if save_freq.isdigit() else save_freq),
        callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.ModelCheckpoint(folder / "best.keras", "loss", save_best_only=True),
        callbacks.ModelCheckpoint(folder / "epoch-{epoch}.h5"),
        callbacks.ModelCheckpoint(folder / "latest.npz", save_weights_only=True, save_freq=3),
    ]
    if kill[:1] == ("epoch",):
        hooks.append(Kill(int(kill[1]), int(kill[2])))
    elif kill:
        KILLS[kill[0]](int(kill[1]))
    print("begins", flush=True)
    history = model.fit(**data(kind, folder.parent / "pictures"), epochs=4, verbose=0, callbacks=hooks)
    model.save_weights(folder / "weights.npz")
    with replacing(folder / "history.json") as file:
        file.write(json.dumps(history.history).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
