"""The networks of the course notes, and the comparison with every number that the notes print."""

from pathlib import Path

import numpy as np
import pytest

from tinyconv import notes, optimizers
from tinyconv.notes import comparison, printed

#: Parameters of each network: as the notes print them, or (notes 000 and 003-first) as worked out by hand.
TOTALS = {
    "note000": 6_649_925,
    "note000-dropout": 6_649_925,
    "note000-same": 9_533_509,
    "note000-filters": 13_481_093,
    "note001": 350_586_533,
    "note002": 1_204_650,
    "note002-decay": 1_204_650,
    "note002-slow": 1_204_650,
    "note003": 264_049,
    "note003-first": 1_626_250,
    "note003-valid": 2_002_698,
    "note003-same": 3_231_498,
    "note003-strides": 85_770,
    "note003-pooling": 113_386,
    "note004": 166_986,
}


def row(what):
    """The one comparison whose title begins so."""
    (found,) = [row for row in notes.reproduce() if row.what.startswith(what)]
    return found


# The networks


def test_every_network_has_a_total():
    assert set(TOTALS) == set(notes.NETWORKS)


@pytest.mark.parametrize(("name", "total"), TOTALS.items())
def test_number_of_parameters(name, total):
    assert notes.network(name).count_params() == total


@pytest.mark.parametrize("name", TOTALS)
def test_network_adapts_to_images_and_classes(name):
    model = notes.network(name, input_shape=(28, 30, 2), num_classes=7)
    assert (model.input_shape, model.output_shape) == ((None, 28, 30, 2), (None, 7))


@pytest.mark.parametrize("name", ["note002", "note003", "note004"])
def test_network_learns_a_step(name):
    program, model = notes.NETWORKS[name], notes.network(name, (12, 11, 1), 3)
    program.compile(model)
    x = np.random.default_rng(0).random((5, 12, 11, 1), dtype=np.float32)
    loss, accuracy = model.train_on_batch(x, program.labels(np.arange(5) % 3, 3))
    assert np.isfinite(loss)
    assert 0 <= accuracy <= 1


def test_unknown_network_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'note004'"):
        notes.network("note04")


def test_images_too_small_for_the_network():
    with pytest.raises(ValueError, match=r"Conv2D 'conv2d_2': expected an image of at least 3x3 pixels"):
        notes.network("note000", input_shape=(12, 12, 3))


# How the notes train them


def test_note003_uses_the_default_optimizer():
    assert isinstance(notes.NETWORKS["note003"].make_optimizer(), optimizers.RMSprop)


def test_note002_puts_out_logits():
    assert notes.NETWORKS["note002"].loss.from_logits
    assert notes.network("note002").layers[-1].activation.name == "linear"


@pytest.mark.parametrize(("name", "start"), [("note002-decay", 5e-3), ("note002-slow", 5e-4)])
def test_note002_slows_down(name, start):
    rate = notes.NETWORKS[name].make_optimizer().learning_rate
    np.testing.assert_allclose([rate(0), rate(1500)], [start, start * 0.96], rtol=1e-6)


def test_each_compile_gets_an_optimizer_of_its_own():
    program = notes.NETWORKS["note002-slow"]
    assert program.make_optimizer() is not program.make_optimizer()


def test_labels_as_the_loss_wants_them():
    y = np.array([1, 0])
    np.testing.assert_array_equal(notes.NETWORKS["note004"].labels(y, 3), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_array_equal(notes.NETWORKS["note001"].labels(y, 3), y)


# The comparison


def test_every_number_agrees():
    assert [row for row in notes.reproduce() if not row.ok] == []


def test_every_note_is_compared():
    assert {row.note for row in notes.reproduce()} == {"000", "001", "002", "003", "004"}


@pytest.mark.parametrize("name", printed.SUMMARIES)
def test_every_printed_line_of_a_summary_is_compared(name):
    lines = [line for line in printed.SUMMARIES[name].split("\n") if line.strip()]
    compared = [row for row in notes.reproduce() if row.what.startswith(f"{name}:")]
    assert len(compared) == len(lines) + 1  # and the number of layers


@pytest.mark.parametrize(
    ("name", "matrix"),
    [("image_a", printed.IMAGES["A"]), ("image_b", printed.IMAGES["B"]), ("kernel", printed.KERNEL)],
)
def test_files_hold_the_same_matrices(name, matrix):
    table = np.loadtxt(Path(__file__).parents[1] / f"data/note001_{name}.csv", delimiter=",")
    np.testing.assert_array_equal(comparison._image(matrix)[0, :, :, 0], table)


def test_a_wrong_feature_map_is_found(monkeypatch):
    monkeypatch.setitem(printed.FEATURE_MAPS, "A", "1 1 2 0 / 1 3 0 0 / 2 0 0 3 / 0 0 3 1")
    assert not row("image A, convolved").ok


def test_a_wrong_parameter_count_is_found(monkeypatch):
    monkeypatch.setitem(printed.SUMMARIES, "note004", printed.SUMMARIES["note004"].replace("18496", "18495"))
    assert row("note004: conv2d_5").printed == "Conv2D 11x11x64; 18,495 params"
    assert not row("note004: conv2d_5").ok


def test_a_wrong_size_text_is_found(monkeypatch):
    text = printed.SUMMARIES["note003-valid"].replace("7.64 MB", "7.65 MB")
    monkeypatch.setitem(printed.SUMMARIES, "note003-valid", text)
    assert not row("note003-valid: Total").ok


def test_a_missing_layer_is_found(monkeypatch):
    lines = printed.SUMMARIES["note004"].split("\n")
    monkeypatch.setitem(printed.SUMMARIES, "note004", "\n".join(lines[:3] + lines[4:]))
    assert not row("note004: number of layers").ok


def test_table_marks_what_differs():
    rows = [notes.Row("001", "a", "7", "7"), notes.Row("001", "b", "7", "8")]
    assert "2 numbers compared, 1 different." in notes.table(rows)
    assert [line.split()[-1] for line in notes.table(rows).split("\n")[2:4]] == ["yes", "NO"]


def test_table_says_last_what_is_not_compared():
    assert "trainings" in notes.table([]).split("\n")[-1]


def test_note000_contradicts_itself():
    assert "3,117 images in batches of 32 make 98" in notes.remarks()[0]


@pytest.mark.parametrize(("samples", "batch_size", "steps"), [(7, 3, 3), (6, 3, 2), (1, 5, 1)])
def test_steps_are_counted_in_a_real_fit(samples, batch_size, steps):
    assert comparison._steps(samples, batch_size) == steps
