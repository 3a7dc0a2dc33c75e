"""Folders of images as a data set: Keras's files, order, split and pixels, read while they are needed."""

import numpy as np
import pytest
from oracle import assert_arguments_of_keras, load_keras
from PIL import Image
from tiny_networks import fit

from tinyconv import Sequential, config
from tinyconv.layers import Dense, Flatten, Rescaling
from tinyconv.preprocessing.dataset import Dataset
from tinyconv.preprocessing.image_dataset import image_dataset_from_directory, padded
from tinyconv.preprocessing.resizing import resize, smart_resize
from tinyconv.tensor import Tensor
from tinyconv.utils import image_dataset_from_directory as public

SIZES = {"ants": 7, "bees": 12, "crickets": 4}
TOTAL = sum(SIZES.values())
H, W = 6, 5


def pixels(label, i, size=(H, W)):
    """Image i of a class, (H, W, 3) uint8, different from all others."""
    return np.random.default_rng([label, i]).integers(0, 256, (*size, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("insects")
    for label, (name, n) in enumerate(SIZES.items()):
        (root / name).mkdir()
        for i in range(n):
            Image.fromarray(pixels(label, i)).save(root / name / f"{i:02}.png")
    return root


def load(folder, **settings):
    settings = {"image_size": (H, W), "batch_size": 4, "seed": 1, "verbose": False} | settings
    return image_dataset_from_directory(folder, **settings)


def together(data):
    """All images and labels of a pass."""
    return [np.concatenate(part) for part in zip(*data, strict=True)]


def which(images):
    """(label, number) of each image."""
    known = {pixels(label, i).tobytes(): (label, i) for label, n in enumerate(SIZES.values()) for i in range(n)}
    return [known[image.astype(np.uint8).tobytes()] for image in np.asarray(images)]


# Which files, in which order


def test_it_is_public():
    assert public is image_dataset_from_directory


def test_alphabetical_order(folder):
    data = load(folder, shuffle=False)
    images, labels = together(data)
    expected = [(label, i) for label, n in enumerate(SIZES.values()) for i in range(n)]
    assert which(images) == expected
    assert labels.tolist() == [label for label, _ in expected]
    assert data.class_names == list(SIZES)
    assert data.file_paths == [str(folder / list(SIZES)[label] / f"{i:02}.png") for label, i in expected]
    assert (images.dtype, labels.dtype) == (np.float32, np.int32)


def test_batches(folder):
    data = load(folder)
    assert [images.shape for images, _ in data] == [(4, H, W, 3)] * 5 + [(3, H, W, 3)]
    assert len(data) == 6
    for images, labels in data.take(1):
        assert isinstance(images, Tensor)
        assert data.class_names[labels[2]] == list(SIZES)[which(images)[2][0]]
        assert images[2].numpy().astype("uint8").shape == (H, W, 3)


@pytest.mark.parametrize("batch_size", [1, 16, 17, 50])
def test_batches_of_every_size(folder, batch_size):
    images, labels = together(load(folder, batch_size=batch_size))
    assert [label for label, _ in which(images)] == labels.tolist()
    assert len(set(which(images))) == TOTAL


def test_each_pass_has_its_own_order_by_the_seed(folder):
    data, again, other = load(folder), load(folder), load(folder, seed=2)
    orders = [which(together(data)[0]) for _ in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    assert [which(together(again)[0]) for _ in range(3)] == orders
    assert which(together(other)[0]) not in orders


def test_without_a_seed_the_global_one_decides(folder):
    files = []
    for seed in (1, 1, 2):
        config.set_random_seed(seed)
        files.append(load(folder, seed=None).file_paths)
    assert files[0] == files[1] != files[2]


def test_the_two_parts_are_all_files(folder, capsys):
    settings = {"validation_split": 0.2, "verbose": True}
    train = load(folder, subset="training", **settings)
    held_out = load(folder, subset="validation", **settings)
    printed = f"Found {TOTAL} files belonging to 3 classes.\nUsing {{}} files for {{}}.\n"
    assert capsys.readouterr().out == printed.format(19, "training") + printed.format(4, "validation")
    assert sorted(train.file_paths + held_out.file_paths) == load(folder, shuffle=False).file_paths
    both = load(folder, subset="both", **settings)
    assert [data.file_paths for data in both] == [train.file_paths, held_out.file_paths]
    assert capsys.readouterr().out.count("\n") == 3


def test_validation_keeps_its_order(folder):
    _, held_out = load(folder, validation_split=0.3, subset="both")
    files = [f"{list(SIZES)[label]}/{i:02}.png" for label, i in which(together(held_out)[0])]
    assert [str(folder / file) for file in files] == held_out.file_paths
    np.testing.assert_array_equal(together(held_out)[0], together(held_out)[0])


def test_some_classes_in_another_order(folder):
    data = load(folder, class_names=["crickets", "ants"], shuffle=False)
    assert data.class_names == ["crickets", "ants"]
    assert together(data)[1].tolist() == [0] * 4 + [1] * 7


def test_labels_of_ones_own(folder):
    labels = [i % 2 for i in range(TOTAL)]
    data = load(folder, labels=labels, shuffle=False)
    assert (together(data)[1].tolist(), data.class_names) == (labels, ["0", "1"])


@pytest.mark.parametrize("settings", [{"labels": None}, {"label_mode": None}])
def test_images_alone(folder, settings, capsys):
    data = load(folder, verbose=True, **settings)
    assert capsys.readouterr().out == f"Found {TOTAL} files.\n"
    assert data.class_names is None
    assert len(set(which(np.concatenate(list(data))))) == TOTAL


def test_single_images(folder):
    data = load(folder, batch_size=None)
    image, label = next(iter(data))
    assert (image.shape, label.shape, len(list(data))) == ((H, W, 3), (), TOTAL)


def test_label_modes(folder):
    _, numbers = together(load(folder))
    _, rows = together(load(folder, label_mode="categorical"))
    np.testing.assert_array_equal(rows, np.eye(3, dtype=np.float32)[numbers])
    assert rows.dtype == np.float32
    images, yes = together(load(folder, label_mode="binary", class_names=["bees", "ants"]))
    assert (yes.shape, yes.dtype) == ((19, 1), np.float32)
    assert [label == 0 for label, _ in which(images)] == yes[:, 0].astype(bool).tolist()


# Pixels


def single(tmp_path, image, **settings):
    """The only image of a folder, as it comes out."""
    image.save(tmp_path / "a.png")
    [batch] = load(tmp_path, labels=None, **settings)
    return batch[0]


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_images_are_resized(tmp_path, interpolation):
    x = pixels(0, 0, (9, 14))
    found = single(tmp_path, Image.fromarray(x), interpolation=interpolation)
    np.testing.assert_array_equal(found, resize(x, (H, W), interpolation))


def test_one_number_for_height_and_width(tmp_path):
    assert single(tmp_path, Image.fromarray(pixels(0, 0)), image_size=3).shape == (3, 3, 3)


def test_what_does_not_fit_is_cut_off(tmp_path):
    x = pixels(0, 0, (9, 14))
    found = single(tmp_path, Image.fromarray(x), crop_to_aspect_ratio=True)
    np.testing.assert_array_equal(found, smart_resize(x, (H, W)))


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((12, 30), (2, 4), (0, 5)), ((24, 10), (0, 6), (1, 3)), ((3, 2), (0, 6), (0, 4)), ((60, 55), (0, 5), (0, 5))],
)
def test_the_rest_is_filled_up_with_zeros(tmp_path, size, rows, columns):
    x = pixels(0, 0, size) | 1  # no zeros of its own
    found = np.asarray(single(tmp_path, Image.fromarray(x), pad_to_aspect_ratio=True))
    inside = found[slice(*rows), slice(*columns)]
    np.testing.assert_array_equal(inside, resize(x, inside.shape[:2], "bilinear"))
    assert np.count_nonzero(found) == inside.size


def test_padding_rounds_as_tensorflow_does():
    x = np.ones((61, 83, 3), np.uint8)
    filled = [
        np.nonzero(padded(x, size, "bilinear")[..., 0].any(axis))[0] for size, axis in [((40, 100), 0), ((101, 37), 1)]
    ]
    assert [(int(part[0]), int(part[-1])) for part in filled] == [(22, 75), (36, 62)]


@pytest.mark.parametrize(("mode", "channels"), [("grayscale", 1), ("rgb", 3), ("rgba", 4)])
def test_colour_modes(tmp_path, mode, channels):
    assert single(tmp_path, Image.fromarray(pixels(0, 0)), color_mode=mode).shape == (H, W, channels)


@pytest.mark.parametrize("mode", ["grayscale", "rgb"])
def test_deep_images_have_the_range_of_the_others(tmp_path, mode):
    deep = np.linspace(0, 65535, H * W).reshape(H, W)
    found = single(tmp_path, Image.fromarray(deep.astype(np.uint16)), color_mode=mode)
    assert np.abs(found - deep[..., None] / 257).max() < 1


@pytest.mark.parametrize("contents", [b"", b"no image"])
def test_a_damaged_file_is_named_in_its_place(tmp_path, contents):
    for i in range(5):
        Image.fromarray(pixels(0, i)).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(contents)
    walk = iter(load(tmp_path, labels=None, shuffle=False, batch_size=1))
    assert [which(next(walk)) for _ in range(3)] == [[(0, 0)], [(0, 1)], [(0, 2)]]
    with pytest.raises(ValueError, match=r"image .*3\.png: expected a file that Pillow can read"):
        next(walk)


# Wrong arguments


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"color_mode": "rgbs"}, "Did you mean 'rgb'?"),
        ({"interpolation": "area"}, "expected one of 'bicubic', 'bilinear'"),
        ({"label_mode": "one_hot"}, "expected one of 'binary', 'categorical', 'int'"),
        ({"label_mode": "binary"}, "expected two classes for label_mode='binary'. Received 3"),
        ({"labels": "folders"}, "expected labels='inferred', a list of numbers, or None"),
        ({"labels": [1, 2]}, f"expected a label for each of the {TOTAL} files. Received 2 labels"),
        ({"labels": None, "class_names": ["ants"]}, "expected class_names with labels='inferred' only"),
        ({"class_names": ["ant"]}, "Did you mean 'ants'?"),
        ({"validation_split": 0.2}, "expected validation_split and subset together"),
        ({"subset": "training"}, "expected validation_split and subset together"),
        ({"validation_split": 1.2, "subset": "both"}, "expected validation_split between 0 and 1"),
        ({"validation_split": 0.01, "subset": "both"}, "expected at least one image for validation"),
        ({"validation_split": 0.2, "subset": "train"}, "Did you mean 'training'?"),
        ({"validation_split": 0.2, "subset": "both", "seed": None}, "expected a seed for the split"),
        ({"image_size": (0, 5)}, "expected image_size as one or two whole numbers from 1"),
        ({"batch_size": 0}, "expected batch_size as a whole number from 1"),
        ({"data_format": "channels_first"}, "expected data_format='channels_last'"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Received both"),
    ],
)
def test_wrong_arguments(folder, settings, message):
    with pytest.raises(ValueError, match="expected") as error:
        load(folder, **settings)
    assert message in str(error.value)


# Training


def test_training_goes_on_as_it_would_have(folder):
    def run(data, model, **settings):
        fit(model, data, None, **settings)
        return model.get_weights()

    def model():
        config.set_random_seed(0)
        network = Sequential([Rescaling(1 / 255, input_shape=(H, W, 3)), Flatten(), Dense(3, activation="softmax")])
        network.compile("sgd", "sparse_categorical_crossentropy")
        return network

    whole = run(load(folder), model(), epochs=4)
    data, half = load(folder), model()
    run(data, half, epochs=2)
    other = load(folder)
    other.set_state(data.get_state())
    for a, b in zip(run(other, half, epochs=2), whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_thread_is_left_where_a_walk_ends_early(folder):
    import threading

    before = threading.active_count()
    for _ in load(folder, batch_size=1):
        break
    assert threading.active_count() == before
    assert isinstance(load(folder).map(lambda x, y: (x, y)), Dataset)


# Keras


@pytest.mark.oracle
@pytest.mark.parametrize("seed", [0, 1337])
@pytest.mark.parametrize("fraction", [0.2, 0.35])
def test_files_and_split_are_those_of_keras(folder, seed, fraction):
    load_keras()
    from keras.src.utils import dataset_utils

    found = dataset_utils.index_directory(folder, "inferred", (".png",), shuffle=True, seed=seed, verbose=False)
    paths, labels, names = found
    for subset in ("training", "validation"):
        ours = load(folder, seed=seed, validation_split=fraction, subset=subset)
        theirs, their_labels = dataset_utils.get_training_or_validation_split(paths, labels, fraction, subset)
        assert (ours.file_paths, ours.class_names) == (theirs, names)
        if subset == "validation":
            np.testing.assert_array_equal(together(ours)[1], their_labels)


@pytest.mark.oracle
def test_arguments_are_those_of_keras():
    assert_arguments_of_keras(image_dataset_from_directory, load_keras().utils.image_dataset_from_directory)


@pytest.mark.data
def test_the_sign_digits_of_the_note(tmp_path, capsys):
    import zipfile

    folder = config.data_folder()
    if folder is None:
        pytest.skip("needs TINYCONV_DATA")
    [archive] = (folder / "sign_digits").glob("*.zip")
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    [root] = [path.parent for path in tmp_path.rglob("0") if "__MACOSX" not in path.parts]
    settings = {"validation_split": 0.2, "seed": 1337, "image_size": (100, 100), "batch_size": 128}
    train, test = image_dataset_from_directory(root, subset="both", **settings)
    printed = capsys.readouterr().out
    assert printed.startswith("Found 2062 files belonging to 10 classes.\nUsing 1650 files for training.\n")
    assert (len(train), len(test), train.class_names) == (13, 4, [str(i) for i in range(10)])
    assert [len(images) for images, _ in test] == [128, 128, 128, 28]
