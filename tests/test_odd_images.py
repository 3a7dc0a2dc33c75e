"""Files that are no usual images, by every way in: the same stated conversion, or an error with the path, also in fit.

Data are decoded in other threads while the network learns: what goes wrong there arrives at whoever called fit, and no
thread stays behind.
"""

import io
import os
import re
import signal
import threading

import numpy as np
import pytest
from data_files import picture, use_folders, write
from PIL import Image
from tiny_networks import compiled, fit

from tinyconv import Sequential
from tinyconv.callbacks import LambdaCallback
from tinyconv.commands import predict
from tinyconv.data import AUTOTUNE
from tinyconv.datasets import flowers
from tinyconv.layers import Dense, Flatten, Rescaling
from tinyconv.preprocessing.files import load_img
from tinyconv.preprocessing.image import ImageDataGenerator
from tinyconv.preprocessing.image_dataset import image_dataset_from_directory
from tinyconv.preprocessing.parts import split_folders

H, W = 6, 8
PIXELS = np.random.default_rng(7).integers(0, 256, (H, W, 3), np.uint8)
RGB = Image.fromarray(PIXELS)


def encoded(image, kind="PNG", **settings):
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def lying():
    """A photo that is to be turned, as its EXIF orientation says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(RGB, exif=exif)


@pytest.fixture
def folder(tmp_path):
    """Two classes of usual images, ten in each."""
    write(tmp_path, {f"photos/{name}/{i}.png": encoded(RGB) for name in "ab" for i in range(10)})
    return tmp_path / "photos"


def generator(folder, batch_size=3, **settings):
    augmenting = ImageDataGenerator(**settings)
    return augmenting.flow_from_directory(folder, (H, W), class_mode="binary", batch_size=batch_size, shuffle=False)


def dataset(folder, batch_size=3):
    return image_dataset_from_directory(folder, image_size=(H, W), batch_size=batch_size, shuffle=False)


DATA = {
    "generator": generator,
    "augmenting generator": lambda folder: generator(folder, rotation_range=20),
    "data set": dataset,
    "pipeline": lambda folder: dataset(folder).map(lambda x, y: (x / 255, y), AUTOTUNE).shuffle(2).prefetch(AUTOTUNE),
}
every_source = pytest.mark.parametrize("make", DATA.values(), ids=DATA)


def model():
    return compiled(Sequential([Rescaling(1 / 255), Flatten(), Dense(2, activation="softmax")]))


def trained(data, **settings):
    return fit(model(), data, None, **settings)


@pytest.fixture(autouse=True)
def no_thread_stays():
    yield
    assert in_background() == []


def in_background():
    return [thread.name for thread in threading.enumerate() if "background" in thread.name]


# Damaged files

DAMAGED = {
    "truncated": (picture(40, 40, kind="JPEG")[:400], "a file that is cut short"),
    "truncated PNG": (encoded(RGB)[:-60], "a file that is cut short"),
    "no byte": (b"", "an empty file"),
    "text": ("Dear diary", "something that is no image"),
}
every_damage = pytest.mark.parametrize(("contents", "reason"), DAMAGED.values(), ids=DAMAGED)


@every_damage
@every_source
@pytest.mark.parametrize("epochs", [1, 3])
def test_fit_says_which_file_is_damaged(folder, make, contents, reason, epochs):
    write(folder, {"b/77.jpg": contents})
    message = f"image {re.escape(str(folder))}/b/77.jpg: expected a file that Pillow can read. Received {reason}"
    with pytest.raises(ValueError, match=message):
        trained(make(folder), epochs=epochs)
    with pytest.raises(ValueError, match=message):
        model().predict(make(folder), verbose=0)
    if not getattr(make(folder), "augments", False):
        with pytest.raises(ValueError, match=message):
            trained(make(folder), validation_data=make(folder), steps_per_epoch=1)


@every_damage
def test_all_others_say_it_too(folder, monkeypatch, tmp_path, contents, reason):
    own = use_folders(monkeypatch, tmp_path)
    write(own / "flowers", {"daisy/1.png": encoded(RGB), "daisy/77.jpg": contents})
    path = own / "flowers" / "daisy" / "77.jpg"
    for read in (load_img, lambda path: predict.read_image(str(path), H, W, 1), lambda path: flowers.load_data()):
        with pytest.raises(ValueError, match=f"^image {re.escape(str(path))}: .*Received {reason}"):
            read(path)


@every_source
def test_a_file_that_goes_between_two_epochs_is_named(folder, make):
    goes = LambdaCallback(on_epoch_end=lambda epoch, logs: epoch or (folder / "b" / "7.png").unlink())
    with pytest.raises(FileNotFoundError, match=r"image .*b/7\.png: .*Received no file of this name"):
        trained(make(folder), epochs=5, callbacks=[goes])


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() == 0, reason="root may read everything")
@every_source
def test_a_file_that_may_not_be_read_is_named(folder, make):
    (folder / "a" / "3.png").chmod(0)
    with pytest.raises(ValueError, match=r"image .*a/3\.png: .*Received a file that this user may not read"):
        trained(make(folder))


def test_splitting_copies_files_as_they_are(folder, tmp_path, capsys):
    write(folder, {f"b/77{i}.jpg": contents for i, (contents, _) in enumerate(DAMAGED.values())})
    parts = split_folders(folder, tmp_path / "parts", (0.5, 0.5), names=("train", "test"))
    found = {name: path.read_bytes() for part in parts.values() for name, path in zip(part.files, part.paths)}
    assert found == {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


# Odd files

DEEP = np.linspace(0, 65535, H * W).reshape(H, W)
ODD = {
    "16 bits": (encoded(Image.fromarray(DEEP.astype(np.uint16))), (DEEP[..., None] / 257).round()),
    "CMYK": (encoded(RGB.convert("CMYK"), "TIFF"), PIXELS),
    "palette": (encoded(RGB.quantize(200), transparency=3), np.asarray(RGB.quantize(200).convert("RGB"))),
    "animation": (encoded(RGB.quantize(200), "GIF", save_all=True, append_images=[Image.new("P", (W, H))]), None),
    "EXIF": (lying(), PIXELS),
}


@pytest.mark.parametrize(("contents", "expected"), ODD.values(), ids=ODD)
def test_every_way_in_converts_alike(tmp_path, contents, expected):
    write(tmp_path, {"a/odd.png": contents})  # Pillow looks at the contents, not at the ending
    alone = np.asarray(load_img(tmp_path / "a" / "odd.png"))
    expected = np.asarray(RGB.quantize(200).convert("RGB")) if expected is None else expected
    np.testing.assert_array_equal(alone, np.broadcast_to(expected, (H, W, 3)))
    for data in (generator(tmp_path), dataset(tmp_path)):
        [(images, _)] = data.epoch()
        np.testing.assert_array_equal(images, alone[None])


def test_the_command_turns_photos(tmp_path):
    (tmp_path / "lying.png").write_bytes(lying())
    turned = predict.read_image(str(tmp_path / "lying.png"), None, None, 3)
    np.testing.assert_array_equal(turned, np.rot90(PIXELS, -1))


# Little data, and an early end


@every_source
def test_a_single_image(tmp_path, make):
    write(tmp_path, {"a/1.png": encoded(RGB)})
    assert len(trained(make(tmp_path), epochs=2)["loss"]) == 2
    assert model().predict(make(tmp_path), verbose=0).shape == (1, 2)


@pytest.mark.parametrize("make", [generator, dataset])
def test_more_in_a_batch_than_there_are(folder, make):
    assert [len(x) for x, _ in make(folder, batch_size=1000).epoch()] == [20]
    with pytest.raises(ValueError, match=r"batch_size as a whole number from 1\. Received batch_size=0"):
        make(folder, batch_size=0)


@every_source
def test_several_walks_at_once(folder, make):
    data = make(folder)
    expected = [x.tolist() for x, _ in make(folder).epoch()] if make in (generator, dataset) else None
    for one, other in zip(make(folder).epoch(), data.epoch(), strict=True):
        assert one[0].shape == other[0].shape
    if expected is not None:
        assert [x.tolist() for x, _ in data.epoch()] == expected


@every_source
def test_interrupted_by_the_user(folder, make):
    interrupts = LambdaCallback(on_train_batch_end=lambda batch, logs: batch == 2 and signal.raise_signal(2))
    with pytest.raises(KeyboardInterrupt) as error:  # which holds on to all that was at work, as a notebook does
        trained(make(folder), epochs=1000, callbacks=[interrupts])
    assert in_background() == []
    assert error.tb is not None
