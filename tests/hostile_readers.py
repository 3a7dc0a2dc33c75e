"""Everything in tinyconv that reads a file: small real files for it, how they are changed, and what it may raise.

What a reader may raise is what its docstring says, and the message names the file. Anything else is a finding.
"""

import contextlib
import functools
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import h5py
import numpy as np
from PIL import Image

from tests.data_files import bouquet, idx, tarred, zipped
from tests.hostile_changes import (
    Change,
    changed_gzip,
    changed_json,
    changed_npy,
    changed_table,
    changed_tar,
    changed_zip,
    damaged,
)
from tinyconv import Input, Model, Sequential
from tinyconv.callbacks import BackupAndRestore, Callback, CSVLogger
from tinyconv.commands.explain import Request, explain_on_the_command_line
from tinyconv.commands.networks import Meaning
from tinyconv.commands.predict import predict, read_image
from tinyconv.datasets import flowers, glyphs, mnist, sign_digits
from tinyconv.datasets._csv import read_image_table
from tinyconv.datasets._idx import read_idx
from tinyconv.layers import Add, BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D
from tinyconv.models import load_model, model_from_json
from tinyconv.notes.tables import read_csv
from tinyconv.preprocessing import files
from tinyconv.preprocessing.image import ImageDataGenerator
from tinyconv.preprocessing.image_dataset import image_dataset_from_directory

#: What Pillow says of metadata, and beside the error on an image with too many pixels.
_METADATA = "EXIF|expected size|Invalid APNG|Truncated File|Tag data larger|Metadata Warning|decompression bomb"
#: What the memory of the optimizer that does not fit, and weights that are passed over, are told with.
_MEMORY = "the optimizer starts anew|Its momentum and the like are not saved"


class Reader(NamedTuple):
    """One way from a file into the program.

    Attributes:
        share: of all inputs, how many go to it; only the ratio counts.
        place: where the file lies in the folder.
        samples: makes real files.
        change: makes one of them hostile.
        read: reads it.
        raises: documented exceptions.
        warns: documented warnings, a regular expression.
        names_file: whether the message must say which file it is.
        honest: bytes that a file of this beginning needs in memory where it is whole.
    """

    share: int
    place: str
    samples: Callable[[], list[bytes]]
    change: Change
    read: Callable[[Path], Any]
    raises: tuple[type[BaseException], ...] = (ValueError,)
    warns: str = "(?!)"
    names_file: bool = True
    honest: Callable[[bytes], int] = len


def settle(folder: Path) -> None:
    """The places that readers look at, inside the folder, and a program that Pillow would start for an EPS image."""
    os.environ["TINYCONV_DATA"], os.environ["TINYCONV_CACHE"] = str(folder / "files" / "own"), str(folder / "cache")
    os.environ["TMPDIR"] = str(folder)
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "gs").write_text("#!/bin/sh\n")
    (programs / "gs").chmod(0o700)
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    Image.init()


# Samples

PIXELS = np.random.default_rng(7).integers(0, 256, (6, 8, 3), np.uint8)


def _idx_files() -> list[bytes]:
    return [idx(PIXELS[..., 0][None, :5, :4].repeat(3, 0)), idx(np.arange(3, dtype=np.uint8))]


def _table() -> list[bytes]:
    names = ["label", *(f"pixel{i + 1}" for i in range(12))]
    rows = [",".join(names), *(",".join(map(str, range(i, i + 13))) for i in range(4))]
    return ["\n".join([*rows, ""]).encode(), "\r\n".join([*rows, ""]).encode()]


def _packed(samples: Callable[[], list[bytes]]) -> Callable[[], list[bytes]]:
    return lambda: [gzip.compress(one) for one in samples()]


def _picture(kind: str, mode: str = "RGB", **settings: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, kind, **settings)
    return file.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    return exif


def _pngs() -> list[bytes]:
    deep = io.BytesIO()
    Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257).save(deep, "PNG")
    palette = [_picture("PNG", "P", transparency=3), _picture("PNG", "LA"), _picture("PNG", "1")]
    return [_picture("PNG"), *palette, deep.getvalue(), _picture("PNG", exif=_turned()), _animation("PNG")]


def _animation(kind: str) -> bytes:
    return _picture(kind, save_all=True, append_images=[Image.new("RGB", (8, 6), "red")])


def _jpegs() -> list[bytes]:
    kinds = [_picture("JPEG"), _picture("JPEG", "CMYK"), _picture("JPEG", progressive=True), _picture("JPEG", "L")]
    return [*kinds, _picture("JPEG", exif=_turned())]


def _gifs() -> list[bytes]:
    return [_picture("GIF", "P"), _animation("GIF"), _picture("GIF", "L", transparency=3)]


def _bmps() -> list[bytes]:
    return [_picture("BMP", mode) for mode in ("RGB", "L", "1", "P", "RGBA")]


def _webps() -> list[bytes]:
    kinds = [_picture("WEBP"), _picture("WEBP", "RGBA", lossless=True), _picture("WEBP", exif=_turned())]
    return [*kinds, _animation("WEBP")]


def _other_pictures() -> list[bytes]:
    names = ("TIFF", "PPM", "TGA", "ICO", "PCX", "SGI", "EPS", "DDS", "JPEG2000", "AVIF", "MPO")
    kinds = [_picture(name) for name in names if name in Image.SAVE]
    compressions = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return [*kinds, *(_picture("TIFF", compression=name) for name in compressions), _picture("TIFF", "CMYK")]


def _written(model: Any, ending: str, *, weights: bool = False) -> bytes:
    path = Path(os.environ["TMPDIR"]) / f"sample{ending}"
    (model.save_weights if weights else model.save)(path)
    content = path.read_bytes()
    path.unlink()
    return content


@functools.cache
def line() -> Any:
    """A line of layers that has learned."""
    layers = [Conv2D(2, 3, activation="relu", name="c"), BatchNormalization(name="b"), MaxPooling2D(), Flatten()]
    return _learned(Sequential([Input((6, 8, 1)), *layers, Dense(3, activation="softmax", name="d")], name="line"))


@functools.cache
def graph() -> Any:
    """A graph with two branches and a model inside that has learned."""
    x = Input((5,), name="x")
    inner = Sequential([Input((5,)), Dense(4, kernel_regularizer="l2", name="i")], name="inner")
    h = Add(name="sum")([inner(x), Dense(4, kernel_initializer="orthogonal", name="o")(x)])
    return _learned(Model(x, Dense(3, activation="softmax", name="d")(h), name="graph"))


def _learned(model: Any) -> Any:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*_some(model), epochs=1, verbose=0, doctor=False)
    return model


def _some(model: Any) -> tuple[Any, Any]:
    return np.ones((4, *model.input_shape[1:]), np.float32), np.array([0, 1, 2, 0])


def _models(ending: str) -> Callable[[], list[bytes]]:
    return lambda: [_written(line(), ending), _written(graph(), ending)]


def _weights(ending: str) -> Callable[[], list[bytes]]:
    return lambda: [_written(line(), ending, weights=True)]


def _old_models() -> list[bytes]:
    """As `.h5` of tinyconv and of Keras 2."""
    return [*_models(".h5")(), _keras_2()]


def _keras_2() -> bytes:
    shape = {"batch_input_shape": [None, 5]}
    dense = {"name": "d", "trainable": True, "dtype": "float32", "units": 3, "activation": "linear", "use_bias": True}
    layers = [{"class_name": "Dense", "config": dense | shape}]
    entry = {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}
    adam = {"class_name": "Adam", "config": {"name": "Adam", "learning_rate": 0.001, "decay": 0.0, "beta_1": 0.9}}
    told = {"loss": "mse", "metrics": [[{"class_name": "MeanMetricWrapper", "config": {"name": "accuracy"}}]]}
    arrays = {"d/kernel:0": np.ones((5, 3), "f4"), "d/bias:0": np.ones(3, "f4")}
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        h5.attrs["keras_version"], h5.attrs["model_config"] = "2.4.0", json.dumps(entry)
        h5.attrs["training_config"] = json.dumps(told | {"optimizer_config": adam})
        h5["model_weights/d/d/kernel:0"], h5["model_weights/d/d/bias:0"] = arrays.values()
        h5["model_weights"].attrs["layer_names"] = [b"d"]
        h5["model_weights/d"].attrs["weight_names"] = [name.encode() for name in arrays]
        h5["optimizer_weights/Adam/iter:0"] = np.int64(7)
        names = ["Adam/iter:0"]
        for slot in "mv":
            for name, array in arrays.items():
                names.append(f"Adam/{name[:-2]}/{slot}:0")
                h5[f"optimizer_weights/{names[-1]}"] = array
        h5["optimizer_weights"].attrs["weight_names"] = [name.encode() for name in names]
    return file.getvalue()


def _descriptions() -> list[bytes]:
    return [line().to_json().encode(), graph().to_json().encode()]


def _backup() -> list[bytes]:
    folder = Path(os.environ["TMPDIR"]) / "sample"
    found = []

    class Stop(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            found.append((folder / "training.backup").read_bytes())

    callbacks = [BackupAndRestore(folder, save_freq=1), Stop()]
    model = _fresh()
    model.fit(*_some(model), epochs=2, batch_size=2, verbose=0, doctor=False, callbacks=callbacks)
    return found


def _fresh() -> Any:
    model = Sequential([Input((5,)), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _dataset(keys: tuple[str, ...]) -> Callable[[], list[bytes]]:
    def make() -> list[bytes]:
        x, y = np.zeros((2, 28, 28), np.uint8), np.arange(2, dtype=np.uint8)
        file, packed = io.BytesIO(), io.BytesIO()
        np.savez(file, **dict(zip(keys, (x, y, x, y), strict=True)))
        np.savez_compressed(packed, **dict(zip(keys, (x + PIXELS[0, 0, 0], y, x, y), strict=True)))
        return [file.getvalue(), packed.getvalue()]

    return make


def _photos() -> dict[str, bytes]:
    return {f"Sign/Dataset/{digit}/1.jpg": _picture("JPEG") for digit in range(10)}


def _archive_of_flowers() -> list[bytes]:
    return [tarred({f"flower_photos/{name}": data for name, data in bouquet(("daisy", "rose")).items()})]


# Ways of reading


def _read_idx(path: Path) -> None:
    try:
        read_idx(path, (5, 4))
    except ValueError:
        read_idx(path)


def _read_picture(path: Path) -> None:
    match path.stat().st_size % 4:
        case 0:
            files.load_img(path).load()
        case 1:
            files.load_img(path, "grayscale", (7, 9), "bilinear", keep_aspect_ratio=True, upright=True)
        case 2:
            files.read_image(path, (5, 5))
        case 3:
            read_image(str(path), 6, 8, 1)


def _read_folder(path: Path) -> None:
    root = path.parent.parent
    for name in ("a", "b"):
        (root / name).mkdir(exist_ok=True)
        (root / name / "1.png").write_bytes(_picture("PNG"))
    with contextlib.redirect_stdout(io.StringIO()):
        if path.stat().st_size % 2:
            ImageDataGenerator().flow_from_directory(root, (6, 8), batch_size=9)[0]
        else:
            list(image_dataset_from_directory(root, image_size=(6, 8)))


def _load_weights(path: Path) -> None:
    model = line()
    before = model.get_weights()
    model.optimizer.iterations, state = 1, model.optimizer.get_state()
    try:
        model.load_weights(path)
    except Exception:
        same = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
        assert all(same), "weights half changed"
        raise
    finally:
        model.set_weights(before)
        model.optimizer.set_state(state)


def _load_weights_by_name(path: Path) -> None:
    twin = Sequential([Input((6, 8, 1)), Conv2D(2, 3, name="c"), Flatten(), Dense(3, name="d")])
    twin.load_weights(path, skip_mismatch=True, by_name=True)


def _read_json(path: Path) -> None:
    model_from_json(path.read_text("utf-8", "surrogateescape"))


def _go_on(path: Path) -> None:
    model = _fresh()
    x, y = _some(model)
    content = path.read_bytes()
    try:
        callbacks = [BackupAndRestore(path.parent, delete_checkpoint=False)]
        model.fit(x, y, epochs=2, batch_size=2, verbose=0, doctor=False, callbacks=callbacks)
    except Exception:
        assert path.read_bytes() == content, "the backup was changed"
        raise


def _unpack_flowers(path: Path) -> None:
    flowers._unpack(path)


def _say(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        predict(str(path), [str(_real_picture(path.parent))])


def _real_picture(folder: Path) -> Path:
    path = folder / "real.png"
    path.write_bytes(_picture("PNG"))
    return path


def _explain(path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        explain_on_the_command_line(Request("conv", image=str(path), kernel="sobel"))


def _append_log(path: Path) -> None:
    logger = CSVLogger(path, append=True)
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0})


def _read_frame(path: Path) -> None:
    """Columns of a table that a hostile program wrote, of which the files' names and the labels are taken."""
    try:
        table = json.loads(path.read_bytes())
    except RecursionError:
        return
    with contextlib.redirect_stdout(io.StringIO()):
        _real_picture(path.parent)
        columns = ("file", "label", "weight")
        flow = ImageDataGenerator().flow_from_dataframe(table, path.parent, *columns, (6, 8), batch_size=9)
        len(flow) and flow[0]


def _pixels_of(data: bytes) -> int:
    """Bytes of the picture that a file claims to hold; those that claim too many are refused before."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return max(len(data), 4 * image.width * image.height)
    except Exception:
        return len(data)


_NPZ = changed_zip({".npy": changed_npy})
_KERAS = changed_zip({"config.json": changed_json, "metadata.json": changed_json, ".h5": damaged})


def _inside(member: str, inner: Change) -> Change:
    """A whole zip in which one member is changed."""

    def change(data: bytes, others: Any, r: Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return zipped(members | {member: inner(members[member], [members[member]], r)})

    return change


_ATTRIBUTES: tuple[Any, ...] = ([b"d", b"d"], b"", 3, [1.5, 2], "..", [b"../d"], "d\0", "x" * 60000, ["a"] * 99)


def _attributes(data: bytes, others: Any, r: Random) -> bytes:
    """An HDF5 file with other JSON, names or arrays in it; written by HDF5 itself."""
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as h5:
        holders: list[Any] = [h5]
        h5.visititems(lambda name, found: holders.append(found))
        match r.randrange(4):
            case 0 | 1:
                key = r.choice([key for key in ("model_config", "training_config") if key in h5.attrs])
                text = str(h5.attrs[key]).encode()
                with contextlib.suppress(ValueError):  # a text with a zero byte
                    h5.attrs[key] = changed_json(text, [text], r)
            case 2:
                holder = r.choice([one for one in holders if len(one.attrs)])
                key = r.choice(list(holder.attrs))
                with contextlib.suppress(ValueError):
                    holder.attrs[key] = r.choice((*_ATTRIBUTES, h5py.Empty("f4")))
            case 3:
                one = r.choice([one for one in holders if isinstance(one, h5py.Dataset)])
                name = one.name
                del h5[name]
                kind = r.choice(("f4", "f8", "i8", "S3", "u1", "O", "?", "f2", [("a", "f4")]))
                if r.random() < 0.5 and kind != "O":
                    h5.create_dataset(name, r.choice(((), (0,), (5, 3), (2, 2))), kind)
                else:
                    links = (h5py.SoftLink("/"), h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink(name))
                    h5[name] = r.choice(links)
    return file.getvalue()


_SPOILT = (ValueError, OSError)  # of image files: UnreadableImageError is both, FileNotFoundError an OSError


def _frame() -> list[bytes]:
    return [json.dumps({"file": ["real.png"] * 3, "label": ["a", "b", "a"], "weight": [1, 2.5, 3]}).encode()]


def _pictures(samples: Callable[[], list[bytes]], place: str, share: int) -> Reader:
    raises = (files.UnreadableImageError,)
    return Reader(share, place, samples, damaged, _read_picture, raises, _METADATA, honest=_pixels_of)


READERS: dict[str, Reader] = {
    "idx": Reader(12000, "t.idx", _idx_files, damaged, _read_idx),
    "idx.gz": Reader(8000, "t.idx.gz", _packed(_idx_files), changed_gzip(damaged), _read_idx),
    "csv": Reader(10000, "t.csv", _table, changed_table, lambda path: read_image_table(path, 12)),
    "csv.gz": Reader(
        4000, "t.csv.gz", _packed(_table), changed_gzip(changed_table), lambda path: read_image_table(path, 12)
    ),
    "png": _pictures(_pngs, "a.png", 7000),
    "jpeg": _pictures(_jpegs, "a.jpg", 6000),
    "gif": _pictures(_gifs, "a.gif", 5000),
    "bmp": _pictures(_bmps, "a.bmp", 5000),
    "webp": _pictures(_webps, "a.webp", 4000),
    "other images": _pictures(_other_pictures, "a.png", 4000),
    "image folders": Reader(
        1500,
        "photos/b/77.png",
        lambda: [*_pngs(), *_jpegs()],
        damaged,
        _read_folder,
        _SPOILT,
        _METADATA,
        honest=_pixels_of,
    ),
    "keras": Reader(5000, "m.keras", _models(".keras"), _KERAS, load_model, warns=_MEMORY),
    "keras: its json": Reader(
        4000, "m.keras", _models(".keras"), _inside("config.json", changed_json), load_model, warns=_MEMORY
    ),
    "keras: its hdf5": Reader(
        5000, "m.keras", _models(".keras"), _inside("model.weights.h5", damaged), load_model, warns=_MEMORY
    ),
    "h5": Reader(6000, "m.h5", _old_models, damaged, load_model, warns=_MEMORY),
    "h5: its contents": Reader(2500, "m.h5", _old_models, _attributes, load_model, warns=_MEMORY),
    "weights.h5": Reader(4000, "w.weights.h5", _weights(".weights.h5"), damaged, _load_weights, warns=_MEMORY),
    "h5 by name": Reader(
        1500, "m.h5", lambda: [_written(line(), ".h5")], damaged, _load_weights_by_name, warns="keeps its weights"
    ),
    "npz": Reader(4000, "w.npz", _weights(".npz"), _NPZ, _load_weights),
    "json": Reader(6000, "m.json", _descriptions, changed_json, _read_json, names_file=False),
    "backup": Reader(
        1200,
        "backup/training.backup",
        _backup,
        changed_zip({".npy": changed_npy, ".json": changed_json}),
        _go_on,
        names_file=False,
    ),
    "mnist.npz": Reader(2500, "own/mnist/mnist.npz", _dataset(mnist._KEYS), _NPZ, lambda path: mnist.load_data()),
    "glyphs": Reader(300, "g.npz", _dataset(glyphs._KEYS), _NPZ, lambda path: glyphs._read(path, 2, 2), ()),
    "flowers.tgz": Reader(1500, "own/flowers/flower_photos.tgz", _archive_of_flowers, changed_tar, _unpack_flowers),
    "sign digits.zip": Reader(
        1000,
        "own/sign_digits/Sign-Language-Digits-Dataset.zip",
        lambda: [zipped(_photos())],
        changed_zip({".jpg": damaged}),
        lambda path: sign_digits.load_data((6, 6)),
        _SPOILT,
    ),
    "classes.json": Reader(
        1000,
        "n/classes.json",
        lambda: [b'{"classes": ["a", "b"], "dark_ground": true}'],
        changed_json,
        lambda path: Meaning.beside(path.parent / "m.keras", 2),
    ),
    "predict": Reader(400, "m.keras", lambda: [_written(line(), ".keras")], _KERAS, _say, warns=_MEMORY),
    "explain": Reader(1000, "x.csv", lambda: [b"1,0,2\n0,1,0\n3,3,1\n"], changed_table, _explain, names_file=False),
    "notes' tables": Reader(1000, "n.csv", lambda: [b"label,a,b\n1,2,3\n4,5,6\n"], changed_table, read_csv),
    "csv log": Reader(600, "log.csv", lambda: [b"epoch,loss\n0,0.5\n"], changed_table, _append_log),
    "data frame": Reader(
        800, "t.json", _frame, changed_json, _read_frame, (ValueError, TypeError), "names in column", names_file=False
    ),
}
