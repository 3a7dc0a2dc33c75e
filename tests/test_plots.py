"""The figures, by the data in them and not by their pixels."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from tinyconv import plots
from tinyconv.callbacks import History

LOGS = {
    "accuracy": [0.5, 0.8, 0.9],
    "loss": [1.5, 0.7, 0.4],
    "val_accuracy": [0.6, 0.85, 0.82],
    "val_loss": [1.2, 0.5, 0.6],
}
MATRIX = np.array([[8, 2, 0], [0, 9, 0], [1, 3, 6]])
NAMES = ["cat", "dog", "hen"]


def panel(logs, title):
    """The panel with this title."""
    return next(axes for axes in plots.curves(logs).axes if axes.get_title(loc="left") == title)


def drawn(axes, label):
    """(x, y, line) of the curve with this label."""
    line = next(line for line in axes.lines if line.get_label() == label)
    return list(line.get_xdata()), list(line.get_ydata()), line


def ring(axes):
    """The place that is marked."""
    (line,) = [line for line in axes.lines if line.get_fillstyle() == "none"]
    return line.get_xdata()[0], line.get_ydata()[0]


def texts(axes):
    """What is written in the cells, by (column, row)."""
    return {text.get_position(): text.get_text() for text in axes.texts}


# Curves


def test_loss_comes_first():
    assert [axes.get_title(loc="left") for axes in plots.curves(LOGS).axes] == ["loss", "accuracy"]


def test_curves_hold_the_numbers():
    assert drawn(panel(LOGS, "accuracy"), "training")[:2] == ([1, 2, 3], LOGS["accuracy"])
    assert drawn(panel(LOGS, "loss"), "validation")[:2] == ([1, 2, 3], LOGS["val_loss"])


def test_validation_is_told_apart_without_colour():
    axes = panel(LOGS, "loss")
    training, validation = drawn(axes, "training")[2], drawn(axes, "validation")[2]
    assert (training.get_linestyle(), validation.get_linestyle()) == ("-", "--")
    assert training.get_marker() != validation.get_marker()


@pytest.mark.parametrize(("name", "best"), [("loss", (2, 0.5)), ("accuracy", (2, 0.85))])
def test_best_epoch_of_the_validation_is_marked(name, best):
    assert ring(panel(LOGS, name)) == best


def test_without_validation_the_best_of_the_training_is_marked():
    assert ring(panel({"loss": [3.0, 1.0, 2.0]}, "loss")) == (2, 1.0)


def test_nan_is_never_the_best():
    assert ring(panel({"loss": [3.0, np.nan, 2.0]}, "loss")) == (3, 2.0)


def test_epochs_are_whole_numbers():
    axes = panel({"loss": [3.0, 1.0]}, "loss")
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_rare_validation_stands_at_its_epochs():
    axes = panel({"loss": [6.0, 5.0, 4.0, 3.0, 2.0], "val_loss": [7.0, 8.0]}, "loss")
    assert drawn(axes, "validation")[:2] == ([2, 4], [7.0, 8.0])


def test_history_that_begins_later():
    history = History()
    history.epoch, history.history = [4, 5], {"loss": [2.0, 1.0]}
    assert drawn(panel(history, "loss"), "training")[0] == [5, 6]


def test_learning_rate_has_no_panel():
    assert len(plots.curves(LOGS | {"learning_rate": [0.1, 0.1, 0.1]}).axes) == 2


def test_curves_of_nothing():
    with pytest.raises(ValueError, match="a history with at least one epoch"):
        plots.curves({})


# Confusion matrix


def test_cells_hold_counts():
    written = texts(plots.confusion_matrix(MATRIX, NAMES).axes[0])
    assert written == {(0, 0): "8", (1, 0): "2", (1, 1): "9", (0, 2): "1", (1, 2): "3", (2, 2): "6"}


def test_colours_hold_shares_of_the_row_on_a_fixed_scale():
    (image,) = plots.confusion_matrix(MATRIX, NAMES).axes[0].images
    np.testing.assert_allclose(image.get_array(), MATRIX / [[10], [9], [10]])
    assert image.get_clim() == (0, 1)


def test_a_class_that_never_occurs_is_no_division_by_zero():
    (image,) = plots.confusion_matrix([[2, 1], [0, 0]]).axes[0].images
    np.testing.assert_allclose(image.get_array()[1], 0)


def test_text_is_light_on_dark_and_dark_on_light():
    colours = {t.get_position(): t.get_color() for t in plots.confusion_matrix(MATRIX, NAMES).axes[0].texts}
    assert to_rgb(colours[1, 1]) == (1, 1, 1)
    assert to_rgb(colours[1, 0]) == (0, 0, 0)


def test_axes_say_which_is_which():
    axes = plots.confusion_matrix(MATRIX, NAMES).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true", "predicted")
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES


def test_title_counts_what_is_right():
    assert plots.confusion_matrix(MATRIX, NAMES).axes[0].get_title(loc="left") == "23 of 29 right (79.3%)"


def test_most_confused_stand_below_in_words():
    words = plots.confusion_matrix(MATRIX, NAMES).get_supxlabel().replace("\N{NO-BREAK SPACE}", " ")
    assert " ".join(words.split()).startswith("Most confused: hen taken for dog (3), cat taken for dog (2)")


def test_nothing_confused():
    assert plots.confusion_matrix(np.eye(3, dtype=int)).get_supxlabel() == "Nothing was confused."


def test_most_confused_leaves_the_matrix_alone():
    matrix = MATRIX.copy()
    plots.most_confused(matrix, NAMES)
    np.testing.assert_array_equal(matrix, MATRIX)


def test_matrix_that_is_not_square():
    with pytest.raises(ValueError, match=r"a square matrix. Received matrix.shape=\(2, 3\)"):
        plots.confusion_matrix(np.zeros((2, 3)))


def test_wrong_number_of_labels():
    with pytest.raises(ValueError, match=r"expected 3 labels\. Received 2"):
        plots.confusion_matrix(MATRIX, ["cat", "dog"])


# Wrong predictions

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 7, 6), np.uint8)
TRUTH = np.array([0, 1, 2, 0, 1])
SURE = np.array([0.9, 0.6, 0.8, 0.7, 0.5])


def sheet(predicted, images=IMAGES, **options):
    """The panels that show something."""
    figure = plots.wrong_predictions(images, TRUTH, np.array(predicted), SURE, NAMES, **options)
    return figure, [axes for axes in figure.axes if axes.images]


def test_surest_mistake_comes_first():
    _, panels = sheet([0, 2, 1, 0, 0])
    assert [axes.get_title() for axes in panels] == ["dog  80%", "hen  60%", "cat  50%"]
    assert [axes.texts[0].get_text() for axes in panels] == ["true: hen", "true: dog", "true: dog"]


def test_image_is_shown_in_nearest_pixels():
    _, panels = sheet([0, 2, 2, 0, 1])
    (picture,) = panels[0].images
    low, high = int(IMAGES[1].min()), int(IMAGES[1].max())
    np.testing.assert_allclose(picture.get_array(), (IMAGES[1] - float(low)) / (high - low))
    assert picture.get_interpolation() == "nearest"


def test_no_mistakes_shows_the_least_sure():
    figure, panels = sheet(TRUTH)
    assert figure.get_suptitle() == "All 5 right; the 5 it was least sure of"
    assert panels[0].get_title() == "dog  50%"


def test_only_so_many_are_shown():
    figure, panels = sheet([1, 2, 1, 1, 0], most=2)
    assert len(panels) == 2
    assert figure.get_suptitle() == "5 of 5 wrong: the 2 surest"


@pytest.mark.parametrize(("channels", "shape"), [(1, (7, 6)), (3, (7, 6, 3))])
def test_grey_and_colour(channels, shape):
    images = np.random.default_rng(1).integers(0, 256, (5, 7, 6, channels), np.uint8)
    _, panels = sheet([1, 1, 2, 0, 1], images)
    assert panels[0].images[0].get_array().shape == shape


def test_an_image_of_one_colour():
    _, panels = sheet([1, 1, 2, 0, 1], np.full((5, 7, 6), 9, np.uint8))
    np.testing.assert_array_equal(panels[0].images[0].get_array(), 0)


# Matplotlib's own state


def test_figures_can_be_written(tmp_path):
    plots.curves(LOGS).savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_settings_of_matplotlib_are_left_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    plots.confusion_matrix(MATRIX).savefig(tmp_path / "matrix.png")
    assert dict(matplotlib.rcParams) == before


def test_no_window_system_and_no_early_import():
    program = (
        "import sys, tinyconv, tinyconv.plots; assert 'matplotlib' not in sys.modules;"
        "tinyconv.plots.curves({'loss': [1.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
