"""The programs of the course notes: they run to the end on tinyconv and, with the notes' own imports, on real Keras."""

import re
import warnings
from types import SimpleNamespace

import note_data
import numpy as np
import pytest
from oracle import load_keras

from benchmarks.keras_program import keras_program
from tinyconv import notes
from tinyconv.notes import running, tables
from tinyconv.notes.running import Run, cells, changed, source, with_imports_of_the_note

every_note = pytest.mark.parametrize("note", notes.NOTES)
#: Smaller images, to be quick. All else is as the notes have it, but for the epochs.
SMALLER = {"000": {"100, 100": "46, 46"}, "001": {"299, 299": "29, 29"}}
#: What Keras 3 cannot do: go on training a network that it has loaded from an .h5 file.
NOT_KERAS = {"000": ("Load model and make predictions",)}


def text(note):
    return changed(source(note), SMALLER.get(note, {}))


def run(note, program, folder, without=()):
    """The program on very little data, one epoch each; its warnings are told elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Run(note, program, folder, most_epochs=1).program(without)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Each program once, with what it printed, when first asked for."""
    done = {}

    def get(note, capsys):
        if note not in done:
            folder = tmp_path_factory.mktemp(note)
            note_data.lay(note, folder)
            capsys.readouterr()
            done[note] = SimpleNamespace(run=run(note, text(note), folder), printed=capsys.readouterr().out)
        return done[note]

    return get


# They run


@every_note
def test_program_runs_to_the_end(note, ours, capsys):
    run_ = ours(note, capsys).run
    assert [fit.cell for fit in run_.fits if fit.cell in notes.NOTES[note].trainings] == [*notes.NOTES[note].trainings]
    assert all(np.isfinite(fit.history["loss"]).all() for fit in run_.fits)


@pytest.mark.parametrize(
    ("note", "lines"),
    [
        ("000", ["Found 20 images belonging to 5 classes.", "Found 5 images belonging to 5 classes."]),
        ("000", ["{'daisy': 0, 'dandelion': 1, 'rose': 2, 'sunflower': 3, 'tulip': 4}"]),
        ("001", ["X_train_shape: (16, 29, 29, 3)", "X_test_shape: (4, 29, 29, 3)", "(20,)"]),
        ("001", ["['daisy' 'dandelion' 'rose' 'sunflower' 'tulip']"]),
        ("002", ["(24, 100, 100, 1)", "(6, 100, 100, 1)", "(24, 10)", "(6, 10)"]),
        ("002", ["Found 30 files belonging to 10 classes.", "Using 24 files for training."]),
        ("002", ["Using 6 files for validation.", "['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']"]),
        ("003", ["None", "(48, 784) (24, 784)", "(48, 28, 28, 1) (24, 28, 28, 1)"]),
        ("003", [" Total params: 264,049 (1.01 MB)", " Total params: 85,770 (335.04 KB)"]),
        ("004", [" Total params: 166,986 (652.29 KB)"]),
    ],
)
def test_program_prints_what_the_note_prints(note, lines, ours, capsys):
    printed = ours(note, capsys).printed.split("\n")
    assert [line for line in lines if line in printed] == lines


def test_note000_trains_the_baseline_where_it_means_others(ours, capsys):
    fits = ours("000", capsys).run.fits
    baseline, *_ = fits
    assert [fit.model is fits[2].model for fit in fits] == [False, False, True, True, True]  # loaded after the first
    assert baseline.model.get_config()["layers"] == fits[2].model.get_config()["layers"]


def test_note000_as_corrected_trains_each_network(ours, capsys):
    corrected = notes.NOTES["000"].corrected(source("000"))
    assert re.findall(r"history = (\w+)\.fit", corrected) == ["model", "model2", "model3", "model4", "model5"]


def test_note000_is_warned_of_what_it_does_to_test_images(tmp_path, doctor):
    note_data.lay("000", tmp_path)
    only = ("Imports", "Split data into training and testing", "Define the baseline", "4. Augmentation optimization")
    short = "".join(f"# %% {c.title}\n{c.text}" for c in cells(source("000")) if c.title in only)
    fit = "model5.compile('sgd', 'mse')\nmodel5.fit(training_iterator, validation_data=testing_iterator, epochs=1)\n"
    with pytest.warns(UserWarning) as caught:  # noqa: PT030
        Run("000", short + fit, tmp_path).program()
    said = "\n".join(str(warning.message) for warning in caught)
    assert "rotation_range=0.2 means at most 0.2 degrees" in said
    assert "validation_data" in said


# The networks are those of tinyconv.notes.networks

NETWORKS = {
    "note000": ("000", ["Define the baseline"], "model"),
    "note000-dropout": ("000", ["Define the baseline", "1. Dropout regularization"], "model2"),
    "note000-same": ("000", ["Define the baseline", "2. Padding and filter optimization"], "model3"),
    "note000-filters": ("000", ["Define the baseline", "3. Adding more filters"], "model4"),
    "note003-first": ("003", ["A program to begin with: imports", "Its network"], "model"),
    "note003-valid": ("003", ["2.3 Creating a convolutional model", 'Padding "valid"'], "model"),
    "note003-same": ("003", ["2.3 Creating a convolutional model", 'Padding "same"'], "model"),
    "note003-strides": ("003", ["2.3 Creating a convolutional model", "Strides"], "model"),
    "note003-pooling": ("003", ["2.3 Creating a convolutional model", "Pooling"], "model"),
    "note003": ("003", ["2.3 Creating a convolutional model"], "model"),
    "note004": ("004", ["Imports", "Define CNN model", "Summary"], "model"),
}


def layers_of(model):
    """What each layer is and how it is set, but for its name."""
    found = []
    for layer in model.layers:
        settings = {key: value for key, value in layer.get_config().items() if key != "name"}
        found.append((type(layer).__name__, settings))
    return found


@pytest.mark.parametrize("name", NETWORKS)
def test_network_of_the_program_is_the_one_of_this_name(name, tmp_path, capsys):
    note, titles, variable = NETWORKS[name]
    parts = {cell.title: cell.text for cell in cells(source(note))}
    program = "".join(f"# %% {title}\n{parts[title]}" for title in titles)
    before = {"num_classes": 24, "__name__": "__main__"} | dict.fromkeys(("training_iterator",))
    names = {**before, "ImageDataGenerator": lambda **settings: None}
    made = Run(note, program, tmp_path, names=names).program().names[variable]
    assert layers_of(made) == layers_of(notes.network(name))


# Only the imports differ


@every_note
def test_every_changed_import_says_where_the_note_imports_from(note):
    program = source(note)
    changed_ = [m[0] for m in running._CHANGED_IMPORT.finditer(program)]
    assert changed_
    as_in_the_note = with_imports_of_the_note(program)
    left = re.findall(r"^(?:from|import) tinyconv.*$", as_in_the_note, re.MULTILINE)
    assert left == (["from tinyconv.preprocessing import split_folders"] if note == "000" else [])
    origins = {line.rpartition("# ")[2].split()[1].split(".")[0] for line in changed_}
    assert origins <= {"tensorflow", "keras", "sklearn", "pandas"}


@every_note
def test_imports_change_by_replacing_one_word(note):
    for found in running._CHANGED_IMPORT.finditer(source(note)):
        if "keras" in found["origin"] or "tensorflow" in found["origin"]:
            mine = found[0].partition("  # ")[0].partition(" import ")
            replaced = re.sub(r"tensorflow\.keras|tensorflow|keras", "tinyconv", found["origin"], count=1)
            assert replaced == (mine[0] if found["names"] else found[0].partition("  # ")[0])


@every_note
def test_nothing_but_imports_differs(note):
    lines = with_imports_of_the_note(source(note)).split("\n")
    assert len(lines) == len(source(note).split("\n"))
    differing = [line for line, mine in zip(lines, source(note).split("\n"), strict=True) if line != mine]
    assert all(re.match(r"(from|import) |\)$", line) or not line for line in differing)


@pytest.mark.oracle
@every_note
def test_the_same_on_real_keras(note, ours, capsys, tmp_path, monkeypatch):
    keras = load_keras()
    if note == "002":
        pytest.importorskip("tensorflow", reason="Keras reads folders of images with TensorFlow")
    mine = ours(note, capsys)
    note_data.lay(note, tmp_path)
    if note in ("003", "004"):
        with np.load(tmp_path / running.DATA / "mnist/mnist.npz") as file:
            parts = {name: file[name] for name in file.files}
        arrays = (parts["x_train"], parts["y_train"]), (parts["x_test"], parts["y_test"])
        monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: arrays)
    theirs = run(note, keras_program(text(note)), tmp_path, NOT_KERAS.get(note, ()))
    printed = capsys.readouterr().out
    assert [fit_as_numbers(fit) for fit in mine.run.fits] == [fit_as_numbers(fit) for fit in theirs.fits]
    assert shapes(theirs.names).items() <= shapes(mine.run.names).items()
    assert shapes(mine.run.names).keys() - shapes(theirs.names).keys() <= {"image1", "result"}
    assert told(mine.printed) == told(printed)


def fit_as_numbers(fit):
    """What a training is, whatever it reached."""
    kept = {name: len(values) for name, values in fit.history.items() if name != "learning_rate"}
    return fit.cell, kept, fit.model.count_params(), [layer.output.shape for layer in fit.model.layers]


def shapes(names):
    """Shapes of all arrays that the program made, by name."""
    return {name: value.shape for name, value in names.items() if isinstance(value, np.ndarray) and name != "images"}


def told(printed):
    """The lines that say what there is: images, shapes, classes, parameters."""
    patterns = (
        r"Found \d+ .*",
        r"Using \d+ .*",
        r"[\[({].*[\])}]",
        r".*_shape: .*",
        r" Total params: [\d,]+.*",
        "None",
    )
    lines = [line for line in printed.split("\n") if any(re.fullmatch(pattern, line) for pattern in patterns)]
    # Keras has turned the numpy numbers of a set into plain ones or not, and its predictions are others.
    return [re.sub(r"np\.\w+\((\d+)\)", r"\1", line) for line in lines if not re.match(r"\[\[[\d.e]|\{'", line)]


# How they are run


def test_cells_know_their_lines():
    program = '"""About."""\n\n# %% One\nx = 1\n\n# %% Two\nraise ValueError(x)\n'
    assert [(cell.title, cell.line) for cell in cells(program)] == [("One", 4), ("Two", 7)]


def test_an_error_names_the_line_of_the_program(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        Run("004", "# %% One\nx = 1\n\n# %% Two\nx / 0\n", tmp_path).program()
    assert [(entry.path.name, entry.lineno + 1) for entry in caught.traceback][-1] == ("note004.py", 5)


def test_epochs_are_never_more_than_there_were():
    assert running.with_epochs("epochs = 20; fit(epochs=epochs); fit(epochs=2)", 3) == (
        "epochs = 3; fit(epochs=epochs); fit(epochs=2)"
    )


def test_a_change_that_changes_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'y = 1'"):
        changed("x = 1", {"y = 1": "y = 2"})
    ran = Run("004", "# %% One\nx = 1\n", tmp_path).program()
    with pytest.raises(ValueError, match=r"titles of cells: One. Received 'Two'"):
        ran.again("Two", changes={})
    with pytest.raises(ValueError, match="'y = 1'"):
        ran.again("One", changes={"y = 1": "y = 2"})


def test_again_leaves_the_first_run_as_it_was(tmp_path, capsys):
    ran = Run("004", "# %% One\nx = 1\n\n# %% Two\nprint(x)\ny = x + 1\n", tmp_path).program()
    capsys.readouterr()
    other = ran.again("Two", changes={"x + 1": "x + 5"})
    assert (ran.names["y"], other.names["y"]) == (2, 6)
    assert capsys.readouterr().out == "Two, with x + 5\n"


def test_folder_and_data_are_put_back(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCONV_DATA", "before")
    program = "# %% One\nimport os\nfolder, data = os.getcwd(), os.environ['TINYCONV_DATA']\n"
    ran = Run("004", program, tmp_path).program()
    assert (ran.names["folder"], ran.names["data"]) == (str(tmp_path), str(tmp_path / "data"))
    import os

    assert os.environ["TINYCONV_DATA"] == "before"
    assert os.getcwd() != str(tmp_path)


def test_what_is_shown_goes_to_files(tmp_path):
    program = (
        "# %% One\nfrom matplotlib import pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
        "# %% Two\nplt.subplots()\nplt.subplots()\n"
    )
    Run("004", program, tmp_path, pictures=tmp_path).program()
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [f"figure-0{i}.png" for i in (1, 2, 3)]


# Tables


def test_table_of_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("label,a,b\n3,1,2\n4,5,6\n")
    table = tables.read_csv(tmp_path / "t.csv")
    del table["label"]
    np.testing.assert_array_equal(table.values, [[1, 2], [5, 6]])
    assert table.values.dtype == np.int64


def test_table_with_a_short_line(tmp_path):
    (tmp_path / "t.csv").write_text("label,a,b\n3,1\n")
    with pytest.raises(ValueError, match="3 numbers in a line"):
        tables.read_csv(tmp_path / "t.csv")


def test_table_draws_a_line_for_each_column():
    axes = tables.DataFrame({"accuracy": [0.1, 0.2], "val_accuracy": [0.3, 0.4]}).plot()
    assert [line.get_label() for line in axes.lines] == ["accuracy", "val_accuracy"]
    from matplotlib import pyplot

    pyplot.close("all")


@pytest.mark.oracle
def test_table_is_that_of_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    (tmp_path / "t.csv").write_text("label,a,b\n3,1,2\n4,5,6\n")
    ours_, theirs = tables.read_csv(tmp_path / "t.csv"), pandas.read_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(ours_["label"], theirs["label"])
    del ours_["label"], theirs["label"]
    np.testing.assert_array_equal(ours_.values, theirs.values)
    assert ours_.values.dtype == theirs.values.dtype
