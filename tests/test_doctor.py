"""The doctor in whole trainings: how it is called, that it changes nothing, and docs/doctor.md, program by program.

What each check calls sick and what it does not is in tests/test_doctor_checks.py.
"""

import re
import tracemalloc
import warnings
from pathlib import Path

import note_data
import numpy as np
import pytest
from tiny_networks import branched, convnet, images, labels, one_hot, two_headed, two_headed_data

from tinyconv import Input, Sequential, config, doctor, initializers, optimizers
from tinyconv.callbacks import BackupAndRestore, Callback, TerminateOnNaN
from tinyconv.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, RandomFlip
from tinyconv.notes import NOTES
from tinyconv.notes.running import Run, changed, source
from tinyconv.preprocessing import image_dataset_from_directory
from tinyconv.preprocessing.image import ImageDataGenerator, save_img

PAGE = (Path(__file__).parents[1] / "docs/doctor.md").read_text(encoding="utf-8")
_PRELUDE, *_SECTIONS = re.split(r"\n## `([\w-]+)`\n", PAGE)
SECTIONS = dict(zip(_SECTIONS[::2], _SECTIONS[1::2], strict=True))


def blocks(text):
    """The Python programs of a part of the page."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def told_by(call, *args, **settings):
    """(names of the warnings, those of others by their class; what the call returned)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*args, **settings)
    return [getattr(one.category, "name", one.category.__name__) for one in caught], result


# The page

pytestmark = pytest.mark.usefixtures("doctor")


def test_the_page_has_a_section_for_each_warning_in_their_order():
    assert list(SECTIONS) == list(doctor.WARNINGS)


def test_every_section_says_what_is_seen_why_it_matters_and_what_to_do():
    for text in SECTIONS.values():
        assert [word for word in ("Sees", "Why", "Repair") if f"\n{word}: " not in text] == []
        assert [program for program in blocks(text) if program.count("\n") > 5] == []


@pytest.mark.parametrize("name", SECTIONS)
def test_the_program_gets_its_warning_and_the_repaired_one_none(name):
    [beginning] = blocks(_PRELUDE)
    sick, repaired = blocks(SECTIONS[name])
    assert told_by(exec, beginning + sick, {})[0] == [name]
    config.set_random_seed(0)
    assert told_by(exec, beginning + repaired, {})[0] == []


def test_every_kind_has_its_own_class_that_is_exported():
    kinds = set(doctor.WARNINGS.values())
    assert {getattr(doctor, kind.__name__) for kind in kinds} == kinds
    assert all(kind.__doc__ and issubclass(kind, doctor.TrainingWarning) for kind in kinds)


# How it is called


def sick(**settings):
    """A training on pixels from 0 to 255."""
    model = convnet()
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model.fit(255 * images(), labels(), verbose=0, **settings)


def test_it_is_there_unless_told_otherwise():
    assert told_by(sick)[0] == ["input-scale"]


def test_without_it():
    assert told_by(sick, doctor=False)[0] == []
    config.set_doctor(False)
    assert told_by(sick)[0] == []
    assert told_by(sick, doctor=True)[0] == ["input-scale"]


@pytest.mark.parametrize(("word", "expected"), [("0", []), ("1", ["input-scale"]), ("", ["input-scale"])])
def test_by_environment(word, expected, monkeypatch):
    monkeypatch.setenv("TINYCONV_DOCTOR", word)
    assert told_by(sick)[0] == expected


def test_an_unknown_word_in_the_environment_is_an_error(monkeypatch):
    monkeypatch.setenv("TINYCONV_DOCTOR", "off")
    with pytest.raises(ValueError, match="TINYCONV_DOCTOR 'off': expected one of '0', '1', 'error'"):
        sick()


def test_unknown_settings_are_errors():
    with pytest.raises(ValueError, match=r"fit: expected doctor=True, False or 'error'. Received doctor='eror'"):
        sick(doctor="eror")
    with pytest.raises(ValueError, match=r"set_doctor: expected True, False, 'error' or None. Received 2"):
        config.set_doctor(2)


def test_warnings_as_errors():
    with pytest.raises(
        doctor.InputScaleWarning, match=r"^input-scale: Conv2D 'conv2d': expected inputs of about -1 to"
    ):
        sick(doctor="error")
    config.set_doctor("error")
    with pytest.raises(doctor.TrainingWarning):
        sick()


def test_an_error_comes_before_anything_is_learned():
    model = convnet()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.build()
    before = model.get_weights()
    with pytest.raises(doctor.InputScaleWarning):
        model.fit(255 * images(), labels(), verbose=0, doctor="error")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("how", [{"category": doctor.InputScaleWarning}, {"message": "input-scale"}])
def test_pythons_filters_tell_one_from_the_other(how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", **how)
        with pytest.raises(doctor.InputScaleWarning):
            sick()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", **how)
        sick()
    assert caught == []


def test_each_kind_is_told_once_in_a_fit_and_again_in_the_next():
    data = lambda: iter([(images(1), labels(1))] * 6)  # noqa: E731
    model = convnet(BatchNormalization(momentum=0.1))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert told_by(model.fit, data(), epochs=1, verbose=0)[0].count("batch-of-one") == 1
    assert told_by(model.fit, data(), epochs=1, verbose=0)[0].count("batch-of-one") == 1


def test_the_warning_points_at_the_call_of_fit():
    with pytest.warns(doctor.InputScaleWarning) as caught:
        sick()
    assert caught[0].filename == __file__


# It changes nothing


def trained(with_doctor, engine, x, y):
    """Weights, history and random streams after a training in which checks of all kinds look at the network."""
    config.set_random_seed(3)
    hidden = [RandomFlip(), Conv2D(4, 3, activation="relu"), BatchNormalization(), MaxPooling2D(), Flatten()]
    dead = Dense(6, activation="relu", bias_initializer=initializers.Constant(-5))
    model = Sequential([Input(x.shape[1:]), *hidden, Dense(8, activation="relu"), Dropout(0.3), dead, Dense(3)])
    model.compile(optimizers.SGD(0.05, momentum=0.9), "mse")
    with config.engine(engine):
        found = told_by(model.fit, x, one_hot(y), epochs=3, batch_size=8, validation_split=0.2, verbose=0,
                        doctor=with_doctor)  # fmt: skip
    return found[0], model.get_weights(), found[1].history, config.random_state()


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_every_bit_is_as_it_is_without(engine):
    if engine == "numba":
        pytest.importorskip("numba")
    x, y = images(60), labels(60)
    (told, *found), (none, *plain) = trained(True, engine, x, y), trained(False, engine, x, y)
    assert {"dead-relu", "moving-statistics"} <= {*told}  # so that layers were computed
    assert none == []
    assert found[1:] == plain[1:]
    for a, b in zip(found[0], plain[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_nothing_changes_where_the_loss_is_nan():
    def weights(with_doctor):
        config.set_random_seed(1)
        model = convnet(Dropout(0.5), BatchNormalization())
        model.compile(optimizers.SGD(1e25), "sparse_categorical_crossentropy")
        told_by(model.fit, images(), labels(), batch_size=4, epochs=2, verbose=0, doctor=with_doctor)
        return model.get_weights(), config.random_state()

    (found, streams), (plain, plain_streams) = weights(True), weights(False)
    assert streams == plain_streams
    for a, b in zip(found, plain, strict=True):
        np.testing.assert_array_equal(a, b)


class Watch(Callback):
    """Traces memory from the end of the first step on."""

    def on_train_batch_end(self, batch, logs=None):
        if not tracemalloc.is_tracing():
            tracemalloc.start()

    def on_train_end(self, logs=None):
        self.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_a_healthy_training_allocates_nothing_large():
    hidden = [Conv2D(16, 3, activation="relu"), MaxPooling2D(), Flatten(), Dense(64, activation="relu")]
    model = Sequential([Input((61, 56, 3)), *hidden, Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x, y, watch = rng.random((200, 61, 56, 3), dtype=np.float32), rng.integers(0, 3, 200), Watch()
    with config.engine("numba" if config._has_numba() else "numpy"):
        model.fit(x, y, batch_size=64, epochs=2, callbacks=[watch], verbose=0)
    if config._has_numba():
        assert watch.peak < 2**20


# Kinds of data and networks


def test_several_inputs_and_outputs():
    model = two_headed()
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"], loss_weights=[1, 0.5])
    x, y = two_headed_data()
    assert told_by(model.fit, x, y, epochs=2, validation_split=0.3, verbose=0)[0] == []


def test_weights_of_samples_and_classes():
    model = convnet()
    model.compile("sgd", "sparse_categorical_crossentropy")
    weights = {"sample_weight": np.full(11, 50.0), "class_weight": {0: 10.0, 2: 3.0}}
    assert told_by(model.fit, images(), labels(), verbose=0, **weights)[0] == []


def test_branches_and_one_hot_labels():
    model = branched()
    model.compile("adam", "categorical_crossentropy")
    assert told_by(model.fit, images(60), one_hot(labels(60)), epochs=2, validation_split=0.5, verbose=0)[0] == []


def test_a_generator_is_not_read_further_than_without():
    seen = []

    def batches():
        while True:
            seen.append(len(seen))
            yield images(4, seed=len(seen)), labels(4, seed=len(seen))

    counted = []
    for wanted in (True, False):
        seen.clear()
        model = convnet()
        model.compile("sgd", "sparse_categorical_crossentropy")
        held_out = batches()
        model.fit(batches(), steps_per_epoch=3, epochs=2, validation_data=held_out, validation_steps=2, verbose=0,
                  doctor=wanted)  # fmt: skip
        counted.append(len(seen))
    assert counted == [2 * 3 + 2 * 2] * 2


@pytest.fixture
def folders(tmp_path):
    """Images of three classes in two folders; the second lacks the last class."""
    rng = np.random.default_rng(0)
    for part, names in (("train", "abc"), ("valid", "ab")):
        for name in names:
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(12):
                save_img(tmp_path / part / name / f"{part}{i}.png", 255 * rng.random((7, 6, 3)))
    return tmp_path


def conv(units=3):
    model = Sequential([Input((7, 6, 3)), Conv2D(4, 3, activation="relu"), Flatten(), Dense(units, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_folders_of_other_classes(folders):
    reader = ImageDataGenerator(rescale=1 / 255)
    learned, held_out = (
        reader.flow_from_directory(folders / part, target_size=(7, 6), class_mode="sparse")
        for part in ("train", "valid")
    )
    assert told_by(conv().fit, learned, validation_data=held_out, verbose=0)[0] == ["missing-class"]
    assert told_by(conv().fit, learned, validation_data=learned, verbose=0)[0] == ["validation-overlap"]
    again = reader.flow_from_directory(folders / "train", target_size=(7, 6), class_mode="sparse")
    assert told_by(conv().fit, learned, validation_data=again, verbose=0)[0] == ["validation-overlap"]


def test_a_data_set_from_a_folder(folders, capsys):
    read = {"image_size": (7, 6), "batch_size": 5, "seed": 1, "validation_split": 0.3}
    learned, held_out = (
        image_dataset_from_directory(folders / "train", subset=part, **read) for part in ("training", "validation")
    )
    scaled = [part.map(lambda x, y: (x / 255, y)) for part in (learned, held_out)]
    assert told_by(conv().fit, scaled[0], validation_data=scaled[1], epochs=2, verbose=0)[0] == []
    assert told_by(conv().fit, learned, validation_data=held_out, verbose=0)[0][0] == "input-scale"


def test_classes_that_pass_batch_by_batch():
    y = np.repeat([0, 1, 2], 20)
    batches = [(images(10, seed=i), y[10 * i : 10 * i + 10]) for i in range(6)]
    held_out = [(images(10, seed=9 + i), np.repeat([0, 1], 5)) for i in range(6)]

    class Batches:
        def __init__(self, batches):
            self.batches = batches

        def __len__(self):
            return len(self.batches)

        def __getitem__(self, i):
            return self.batches[i]

    def fit(**settings):
        model = convnet()
        model.compile("sgd", "sparse_categorical_crossentropy")
        return told_by(model.fit, Batches(batches), verbose=0, **settings)[0]

    assert fit() == []
    assert fit(validation_data=Batches(held_out), epochs=3, validation_freq=2) == ["missing-class"]
    assert fit(validation_data=Batches(batches[::-1]), epochs=2) == []
    assert fit(steps_per_epoch=2) == []  # not all have passed


# Together with others


def test_terminate_on_nan_ends_the_training_as_ever():
    model = convnet(Dense(5))
    model.compile(optimizers.SGD(1e25), "sparse_categorical_crossentropy")
    told, history = told_by(
        model.fit, images(), labels(), batch_size=4, epochs=9, callbacks=[TerminateOnNaN()], verbose=0
    )
    assert told == ["not-finite"]
    assert len(history.epoch) == 1


def test_a_training_goes_on_from_its_backup(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def fit(callbacks):
        config.set_random_seed(4)
        model = convnet()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(images(30), labels(30), epochs=4, verbose=0, callbacks=callbacks)
        return model.get_weights()

    unbroken = fit([])
    with pytest.raises(KeyboardInterrupt):
        fit([BackupAndRestore(tmp_path), Stop()])
    for a, b in zip(unbroken, fit([BackupAndRestore(tmp_path)]), strict=True):
        np.testing.assert_array_equal(a, b)


# The course notes


def told_by_note(note, program, folder):
    """Names of what a note's program is told on very little data, one epoch each, and the cells in question."""
    note_data.lay(note, folder)
    return told_by(Run(note, program, folder, most_epochs=1).program)[0]


def doctors(names):
    """Without the warnings of others."""
    return [name for name in names if name in doctor.WARNINGS]


def test_note000_is_told_of_its_slips(tmp_path):
    small = changed(source("000"), {"100, 100": "46, 46"})
    told = doctors(told_by_note("000", small, tmp_path))
    assert told.count("other-model") == 3
    assert told.count("augmented-validation") == 1
    assert told.count("input-scale") == 2  # of the two networks that are new


def test_note000_without_its_slips_is_told_nothing(tmp_path):
    changes = {"100, 100": "46, 46", "rescale=1)": "rescale=1 / 255)", "rotation_range=0.2": "rotation_range=20"}
    small = changed(NOTES["000"].corrected(source("000")), changes)
    augmented = "test_datagen = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True, rotation_range=20, "
    small = changed(
        small, {augmented + "height_shift_range=0.2)": "test_datagen = ImageDataGenerator(rescale=1 / 255)"}
    )
    assert doctors(told_by_note("000", small, tmp_path)) == []


@pytest.mark.parametrize("note", ["001", "002", "004"])
def test_other_notes_are_told_nothing_on_little_data(note, tmp_path):
    program = changed(source(note), {"299, 299": "29, 29"} if note == "001" else {})
    assert doctors(told_by_note(note, program, tmp_path)) == []


def test_note002s_schedule_is_told_and_one_in_steps_is_not():
    for decay_steps, expected in ((1500, ["schedule"]), (13, [])):
        rate = optimizers.schedules.ExponentialDecay(
            initial_learning_rate=5e-3, decay_rate=0.96, decay_steps=decay_steps
        )
        model = convnet()
        model.compile(optimizers.Adam(rate), "sparse_categorical_crossentropy")
        assert told_by(model.fit, images(13), labels(13), epochs=8, batch_size=1, verbose=0)[0] == expected
