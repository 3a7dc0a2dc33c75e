"""Batches of arrays, folders and tables: their order, their labels, their place in it, work ahead, and bad input."""

import itertools
import json
import threading

import numpy as np
import pytest
from data_files import picture, write
from PIL import Image

from tinyconv import config, layers, utils
from tinyconv.models import Sequential
from tinyconv.preprocessing.file_iterators import DirectoryIterator
from tinyconv.preprocessing.image import ImageDataGenerator, Iterator, NumpyArrayIterator, img_to_array, load_img

CHANCE = {"rotation_range": 20, "horizontal_flip": True}


def photos(n=7, height=6, width=5, channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), np.uint8)


def flow(settings=CHANCE, n=7, **arguments):
    arguments = {"batch_size": 3, "seed": 5} | arguments
    return ImageDataGenerator(**settings).flow(photos(n), np.arange(n), **arguments)


def assert_same(batches, others):
    batches, others = list(batches), list(others)
    assert len(batches) == len(others)
    for batch, other in zip(batches, others):
        for one, two in zip(batch, other, strict=True):
            np.testing.assert_array_equal(one, two)


def take(iterator, n):
    return [*itertools.islice(iterator, n)]


# Order


def test_a_pass_has_every_image_once_and_the_last_batch_is_smaller():
    iterator = flow()
    assert len(iterator) == 3
    for _ in range(3):
        batches = take(iterator, 3)
        assert [len(x) for x, _ in batches] == [3, 3, 1]
        assert sorted(np.concatenate([y for _, y in batches])) == [*range(7)]


def test_each_pass_has_its_own_order_unless_told():
    iterator = flow()
    first, second = (np.concatenate([y for _, y in take(iterator, 3)]) for _ in range(2))
    assert first.tolist() != second.tolist()
    assert np.concatenate([y for _, y in take(flow(shuffle=False), 3)]).tolist() == [*range(7)]


def test_a_batch_as_large_as_the_data_or_larger():
    for size in (7, 100):
        iterator = flow(batch_size=size)
        assert len(iterator) == 1
        assert [len(next(iterator)[0]) for _ in range(2)] == [7, 7]


def test_reset_begins_a_pass():
    iterator = flow(shuffle=False)
    next(iterator)
    iterator.reset()
    assert next(iterator)[1].tolist() == [0, 1, 2]
    assert (iterator.batch_index, iterator.total_batches_seen) == (1, 2)


def test_by_number():
    iterator = flow({})
    assert [len(iterator[i][0]) for i in (0, 1, 2, -1)] == [3, 3, 1, 1]
    assert iterator[0][1].tolist() == iterator[0][1].tolist()
    before = iterator.index_array.tolist()
    iterator.on_epoch_end()
    assert iterator.index_array.tolist() != before
    assert sorted(iterator.index_array) == sorted(before)
    with pytest.raises(IndexError, match="a number from 0 to 2"):
        iterator[3]


def test_the_seed_fixes_order_and_chance():
    assert_same(take(flow(), 5), take(flow(), 5))
    utils.set_random_seed(4)
    first, second = (take(flow(seed=None), 5) for _ in range(2))
    utils.set_random_seed(4)
    assert_same(take(flow(seed=None), 5), first)
    assert not np.array_equal(first[0][0], second[0][0])


def test_chance_does_not_change_the_order():
    assert [y.tolist() for _, y in take(flow({}), 5)] == [y.tolist() for _, y in take(flow(), 5)]


# Ahead of time


def test_an_epoch_gives_what_next_gives():
    one, other = flow(), flow()
    for _ in range(3):
        assert_same(one.epoch(), take(other, 3))
    assert one.get_state() == other.get_state()


def test_an_epoch_begins_at_the_beginning():
    one, other = flow(), flow()
    next(one), next(other)
    other.reset()
    assert_same(one.epoch(), take(other, 3))


def test_an_epoch_ended_early_leaves_nothing_behind():
    one, other = flow(n=40), flow(n=40)
    running = one.epoch()
    assert_same(take(running, 2), take(other, 2))
    running.close()
    assert one.get_state() == other.get_state()
    assert_same(take(one, 3), take(other, 3))
    assert not [t for t in threading.enumerate() if t.name.startswith("tinyconv-background")]


def test_a_function_of_ones_own_sees_the_images_one_after_another():
    seen = []

    def remember(x):
        seen.append((x[0, 0, 0], threading.get_ident()))
        return x

    images = np.arange(60.0).reshape(60, 1, 1, 1)
    iterator = ImageDataGenerator(preprocessing_function=remember).flow(images, batch_size=4, shuffle=False)
    found = np.concatenate([*iterator.epoch()])
    assert [value for value, _ in seen] == found.ravel().tolist() == [*range(60)]
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


def test_an_error_comes_in_its_place():
    def careful(x):
        if x.max() == 9:
            raise RuntimeError("nine")
        return x

    images = np.arange(12.0).reshape(12, 1, 1, 1)
    running = ImageDataGenerator(preprocessing_function=careful).flow(images, batch_size=4, shuffle=False).epoch()
    assert len(take(running, 2)) == 2
    with pytest.raises(RuntimeError, match="nine"):
        next(running)


def test_going_on_in_another_process():
    one = flow(seed=None)
    take(one, 4)
    state = json.loads(json.dumps(one.get_state()))
    other = flow(seed=None)
    other.set_state(state)
    assert_same(take(other, 6), take(one, 6))


def test_a_state_of_other_data():
    one = flow()
    next(one)
    with pytest.raises(ValueError, match="a pass over 8 images"):
        flow(n=8).set_state(one.get_state())


def test_a_network_learns_from_an_iterator_by_the_seed():
    losses = []
    for _ in range(2):
        utils.set_random_seed(1)
        model = Sequential([layers.Flatten(input_shape=(6, 5, 3)), layers.Dense(7, activation="softmax")])
        model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
        iterator = flow(CHANCE | {"rescale": 1 / 255}, seed=None)
        losses.append(model.fit(iterator, epochs=3, verbose=0).history["loss"])
        assert iterator.total_batches_seen == 9
    assert losses[0] == losses[1]


def test_an_iterator_says_whether_it_augments():
    assert flow().augments
    assert not flow({"rescale": 1 / 255}).augments


# Arrays


def test_what_stands_beside_the_images():
    images, more, y, weights = photos(4), np.arange(8).reshape(4, 2), np.eye(4), np.arange(4) / 2
    iterator = ImageDataGenerator().flow((images, [more, y]), y, sample_weight=weights, shuffle=False, batch_size=3)
    (x, first, second), labels, w = next(iterator)
    np.testing.assert_array_equal(x, images[:3])
    assert first.tolist() == more[:3].tolist()
    assert second.tolist() == labels.tolist() == y[:3].tolist()
    assert w.tolist() == [0, 0.5, 1]


def test_images_alone():
    batch = next(ImageDataGenerator().flow(photos(), shuffle=False))
    assert isinstance(batch, np.ndarray)
    assert isinstance(next(ImageDataGenerator().flow((photos(), np.arange(7)))), list)


def test_parts_of_an_array_keep_their_labels_and_weights():
    y = np.array([0, 1, 0, 1, 0, 1, 0])
    generator = ImageDataGenerator(validation_split=0.3)
    parts = {}
    for subset in ("validation", "training"):
        iterator = generator.flow(photos(), y, sample_weight=np.arange(7), subset=subset, shuffle=False)
        _, labels, parts[subset] = next(iterator)
        np.testing.assert_array_equal(labels, y[parts[subset]])
    assert [part.tolist() for part in parts.values()] == [[0, 1], [2, 3, 4, 5, 6]]


def test_a_class_that_is_in_one_part_only():
    generator = ImageDataGenerator(validation_split=0.3)
    with pytest.raises(ValueError, match="ignore_class_split"):
        generator.flow(photos(), np.arange(7), subset="training")
    assert generator.flow(photos(), np.arange(7), subset="training", ignore_class_split=True).n == 5


def test_batches_are_nobodys():
    images = photos().astype(np.float32)
    iterator = ImageDataGenerator().flow(images, shuffle=False)
    next(iterator)[...] = -1
    np.testing.assert_array_equal(next(iterator), images)


def test_float64():
    x, _ = next(flow(CHANCE | {"dtype": "float64"}))
    assert x.dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda g: g.flow(photos()[0]), ValueError, r"\(N, H, W, C\).*x\[..., None\]"),
        (lambda g: g.flow(np.array([["a"]])), ValueError, "images as numbers"),
        (lambda g: g.flow([*photos()]), ValueError, r"a list of 7. Put single images together: np.stack"),
        (lambda g: g.flow(photos(), np.arange(6)), ValueError, "7 in x, 6 in y"),
        (lambda g: g.flow(photos(), 3), ValueError, "7 in x, 0 in y"),
        (lambda g: g.flow((photos(), np.arange(6))), ValueError, r"7 in x, 6 in x\[1\]"),
        (lambda g: g.flow(photos(), sample_weight=[1]), ValueError, "7 in x, 1 in sample_weight"),
        (lambda g: g.flow(photos()[:0]), ValueError, "at least one image"),
        (lambda g: g.flow(photos(), batch_size=0), ValueError, "batch_size as a whole number from 1"),
        (lambda g: g.flow(photos(), seed=-1), ValueError, "seed as a whole number from 0"),
        (lambda g: g.flow(photos(), seed=0.5), ValueError, "seed as a whole number from 0"),
        (lambda g: g.flow(photos(), subset="test"), ValueError, "subset='training' or 'validation'"),
        (lambda g: g.flow(photos(), subset="validation"), ValueError, "validation_split=0.2"),
        (lambda g: g.flow(photos(), save_to_dir="/no/such/folder"), FileNotFoundError, "/no/such/folder"),
        (lambda g: NumpyArrayIterator(photos(), None, g, data_format="channels_first"), ValueError, "transpose"),
    ],
)
def test_errors_with_arrays(call, error, words):
    with pytest.raises(error, match=words):
        call(ImageDataGenerator())


def test_an_odd_number_of_channels_is_warned_of():
    with pytest.warns(UserWarning, match="1, 3 or 4 channels"):
        iterator = ImageDataGenerator(**CHANCE).flow(photos(channels=5))
    assert next(iterator).shape == (7, 6, 5, 5)


def test_an_iterator_of_ones_own():
    class Numbers(Iterator):
        def _task(self, which, random):
            shift = random.randint(10)
            return lambda: which + shift

    iterator = Numbers(5, 2, False, 3)
    assert_same([iterator.epoch()], [take(Numbers(5, 2, False, 3), 3)])
    with pytest.raises(NotImplementedError):
        next(Iterator(5, 2, False, 3))


# Folders


@pytest.fixture
def folders(tmp_path):
    """Classes a (3 images), b (2) and c (4), each image of one colour of its own."""
    for k, (name, n) in enumerate({"b": 2, "a": 3, "c": 4}.items()):
        write(tmp_path / name, {f"{i}.png": picture(8, 6, (50 * k, 20 * i, 7)) for i in range(n)})
    return tmp_path


def from_folder(folder, settings=None, **arguments):
    arguments = {"target_size": (4, 5), "batch_size": 4, "seed": 1} | arguments
    return ImageDataGenerator(**settings or {}).flow_from_directory(folder, **arguments)


def test_a_folder_of_folders(folders, capsys):
    iterator = from_folder(folders, shuffle=False)
    assert capsys.readouterr().out == "Found 9 images belonging to 3 classes.\n"
    assert iterator.class_indices == {"a": 0, "b": 1, "c": 2}
    assert iterator.classes.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert iterator.filenames[:4] == ["a/0.png", "a/1.png", "a/2.png", "b/0.png"]
    assert (iterator.samples, iterator.n, len(iterator), iterator.num_classes) == (9, 9, 3, 3)
    assert (iterator.image_shape, iterator.target_size, iterator.color_mode) == ((4, 5, 3), (4, 5), "rgb")
    x, y = next(iterator)
    assert y.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]
    for image, path in zip(x, iterator.filepaths):
        np.testing.assert_array_equal(image, img_to_array(load_img(path, target_size=(4, 5))))


@pytest.mark.parametrize(
    ("class_mode", "expected"),
    [("categorical", [[0, 1, 0]]), ("sparse", [1.0]), ("binary", [1.0]), ("input", None), (None, None)],
)
@pytest.mark.filterwarnings("ignore:flow_from_directory. class_mode='binary' for 3")
def test_kinds_of_labels(folders, class_mode, expected):
    iterator = from_folder(folders, shuffle=False, class_mode=class_mode, batch_size=1)
    batch = [*iterator.epoch()][3]
    if class_mode is None:
        assert batch.shape == (1, 4, 5, 3)
        return
    x, y = batch
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, x if class_mode == "input" else expected)


def test_two_classes_are_binary(folders):
    _, y = next(from_folder(folders, class_mode="binary", classes=["c", "a"], shuffle=False))
    assert y.tolist() == [0, 0, 0, 0]


def test_binary_for_more_than_two_classes_is_warned_of(folders):
    with pytest.warns(UserWarning, match="class_mode='binary' for 3 classes"):
        from_folder(folders, class_mode="binary")


def test_classes_in_an_order_of_ones_own(folders):
    iterator = from_folder(folders, classes=("c", "a"))
    assert iterator.class_indices == {"c": 0, "a": 1}
    assert iterator.classes.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_the_validation_part_is_the_first_of_each_folder(folders):
    parts = [from_folder(folders, {"validation_split": 0.5}, subset=s).filenames for s in ("validation", "training")]
    assert parts[0] == ["a/0.png", "b/0.png", "c/0.png", "c/1.png"]
    assert sorted([*parts[0], *parts[1]]) == from_folder(folders).filenames


@pytest.mark.parametrize(("color_mode", "channels"), [("rgb", 3), ("grayscale", 1), ("rgba", 4)])
def test_colours(folders, color_mode, channels):
    iterator = from_folder(folders, CHANCE, color_mode=color_mode)
    assert iterator.image_shape == (4, 5, channels)
    assert next(iterator)[0].shape == (4, 4, 5, channels)


def test_deep_grey_images_beside_usual_ones(folders):
    deep = np.full((6, 8), 40_000, np.uint16)
    Image.fromarray(deep).save(folders / "a" / "deep.png")
    iterator = from_folder(folders, color_mode="grayscale", shuffle=False)
    x, _ = next(iterator)
    assert x[3].max() == 40_000
    assert x[:3].max() < 256


def test_without_a_generator(folders):
    iterator = DirectoryIterator(folders, None, (4, 4), seed=1)
    x, y = next(iterator)
    assert x.shape == (9, 4, 4, 3)
    assert x.dtype == y.dtype == np.float32


def test_images_that_are_saved(folders):
    seen = folders.parent / f"{folders.name}-seen"
    seen.mkdir()
    iterator = from_folder(folders, save_to_dir=seen, save_prefix="x", save_format="bmp", shuffle=False)
    next(iterator)
    names = sorted(path.name for path in seen.iterdir())
    assert [name.rsplit("_", 1)[0] for name in names] == ["x_0", "x_1", "x_2", "x_3"]
    assert load_img(seen / names[0]).size == (5, 4)


# Bad files and folders


@pytest.mark.parametrize("way", [lambda i: [*i.epoch()], lambda i: take(i, 3), lambda i: [i[k] for k in range(3)]])
@pytest.mark.parametrize("contents", [b"", b"no image", picture(60, 60, kind="JPEG")[:400]])
def test_a_file_that_cannot_be_read_is_named(folders, way, contents):
    (folders / "b" / "broken.jpg").write_bytes(contents)
    iterator = from_folder(folders, CHANCE)
    with pytest.raises(ValueError, match=r"b/broken\.jpg: expected a file that Pillow can read"):
        way(iterator)


def test_a_file_that_has_gone_is_named(folders):
    iterator = from_folder(folders)
    (folders / "c" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"c/2\.png"):
        take(iterator, 3)


def test_a_class_without_images_is_warned_of(folders):
    (folders / "empty").mkdir()
    with pytest.warns(UserWarning, match="empty: a class without images"):
        iterator = from_folder(folders)
    assert iterator.num_classes == 4
    assert next(iterator)[1].shape == (4, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"classes": ["a", "d"]}, ValueError, "'a', 'b', 'c'.*'d'"),
        ({"class_mode": "other"}, ValueError, r"categorical.*class_mode='other'"),
        ({"class_mode": "raw"}, ValueError, "class_mode='raw'"),
        ({"color_mode": "grey"}, ValueError, "color_mode 'grey'"),
        ({"target_size": (0, 5)}, ValueError, "target_size"),
        ({"target_size": None}, ValueError, "target_size"),
        ({"interpolation": "cubic"}, ValueError, "interpolation 'cubic'"),
        ({"subset": "validation"}, ValueError, "validation_split"),
        ({"save_to_dir": "nowhere/at/all"}, FileNotFoundError, "nowhere/at/all"),
        ({"directory": "nowhere/at/all"}, FileNotFoundError, "nowhere/at/all"),
    ],
)
def test_errors_with_folders(folders, arguments, error, words):
    with pytest.raises(error, match=words):
        next(from_folder(**({"folder": arguments.pop("directory", folders)} | arguments)))


def test_no_images(tmp_path):
    with pytest.raises(ValueError, match="folders, one per class"):
        from_folder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "text.txt").write_text("no image")
    with pytest.raises(ValueError, match="images"):
        from_folder(tmp_path)


# Tables


def table(**columns):
    names = ["a/0.png", "a/1.png", "b/0.png", "b/1.png", "c/3.png"]
    return {"filename": names, "class": list("aabbc"), "number": [1.5, 2, 2.5, 3, 3.5], "yes": list("ynyyn")} | columns


def from_table(folder, rows, settings=None, **arguments):
    arguments = {"target_size": (4, 5), "shuffle": False} | arguments
    return ImageDataGenerator(**settings or {}).flow_from_dataframe(rows, folder, **arguments)


def test_a_dictionary_of_columns(folders, capsys):
    iterator = from_table(folders, table())
    assert capsys.readouterr().out == "Found 5 validated image filenames belonging to 3 classes.\n"
    x, y = next(iterator)
    assert y.argmax(1).tolist() == iterator.classes == [0, 0, 1, 1, 2]
    np.testing.assert_array_equal(x, next(from_folder(folders, shuffle=False, batch_size=9))[0][[0, 1, 3, 4, 8]])


def test_numbers_and_weights(folders, capsys):
    iterator = from_table(folders, table(), y_col="number", class_mode="raw", weight_col="number")
    assert capsys.readouterr().out == "Found 5 validated image filenames.\n"
    _, y, weights = next(iterator)
    assert y.tolist() == weights.tolist() == [1.5, 2, 2.5, 3, 3.5]
    _, y = next(from_table(folders, table(), y_col=["number", "number"], class_mode="raw"))
    assert y.shape == (5, 2)
    _, y = next(from_table(folders, table(), y_col=["number", "yes"], class_mode="multi_output"))
    assert [len(column) for column in y] == [5, 5]


def test_several_classes_for_one_image(folders):
    labels = [["p"], ["q", "p"], "q", ["r"], []]
    iterator = from_table(folders, table(several=labels), y_col="several", classes=["q", "p"])
    assert iterator.filenames == ["a/0.png", "a/1.png", "b/0.png"]
    assert next(iterator)[1].tolist() == [[0, 1], [1, 1], [1, 0]]


def test_full_paths_need_no_folder(folders):
    rows = table(filename=[str(folders / name) for name in table()["filename"]])
    assert next(from_table(None, rows))[0].shape == (5, 4, 5, 3)


def test_files_that_are_missing_are_left_out(folders):
    rows = table(filename=["a/0.png", "a/9.png", "b/0.png", "b/1.txt", "c/3.png"])
    with pytest.warns(UserWarning, match=r"2 names in column 'filename'.*a/9\.png"):
        iterator = from_table(folders, rows)
    assert iterator.classes == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match=r"a/9\.png"):
        next(from_table(folders, rows, validate_filenames=False))


def test_arguments_that_are_gone(folders):
    with pytest.warns(DeprecationWarning, match="sort is gone"):
        from_table(folders, table(), sort=True)
    with pytest.warns(DeprecationWarning, match="called 'raw'"):
        assert from_table(folders, table(), class_mode="other", y_col="number").class_mode == "raw"
    with pytest.warns(UserWarning, match="classes= has no meaning"):
        from_table(folders, table(), class_mode=None, classes=["a"])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"x_col": "file"}, ValueError, "a column among 'filename', 'class'.*Did you mean 'filename'"),
        ({"y_col": ["class", "yes"]}, TypeError, "one column"),
        ({"dataframe": table(**{"class": ["a"]})}, ValueError, "5 rows in column 'class'"),
        ({"y_col": "clas"}, ValueError, "Did you mean 'class'"),
        ({"y_col": "number"}, TypeError, r"strings or lists or tuples in column 'number'.*1\.5 in row 0"),
        ({"y_col": "number", "class_mode": "sparse"}, TypeError, "class_mode='raw'"),
        ({"x_col": "number"}, TypeError, "in column 'number'"),
        ({"class_mode": "binary"}, ValueError, "2 classes for class_mode='binary'. Received 3: 'a', 'b', 'c'"),
        ({"class_mode": "multi_output"}, TypeError, "y_col as a list"),
        ({"weight_col": "class"}, TypeError, "numbers in column weight_col='class'"),
        ({"class_mode": "rows"}, ValueError, "class_mode='rows'"),
        ({"classes": ["x"]}, ValueError, "at least one image"),
        ({"dataframe": 3}, ValueError, "a column among int"),
    ],
)
def test_errors_with_tables(folders, arguments, error, words):
    with pytest.raises(error, match=words):
        from_table(folders, arguments.pop("dataframe", table()), **arguments)


def test_only_cores_that_are_wanted_work_ahead(folders):
    before = config.threads()
    config.set_threads(1)
    try:
        assert_same(from_folder(folders, CHANCE).epoch(), take(from_folder(folders, CHANCE), 3))
    finally:
        config.set_threads(None)
    assert config.threads() == before
