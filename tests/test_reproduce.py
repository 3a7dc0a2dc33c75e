"""``tinyconv reproduce``: the notes' programs on their data, report and curves; and the benchmark of accuracies."""

import json

import note_data
import numpy as np
import pytest
from command_line import run

from benchmarks import accuracy
from tinyconv import notes
from tinyconv.notes import reproduction
from tinyconv.notes.findings import as_printed, note000, reached
from tinyconv.notes.findings.base import Slip
from tinyconv.notes.running import Fit, changed, source

PNG = b"\x89PNG"
#: Of what note 000 does, and tests/test_programs.py sees to it.
warned = pytest.mark.filterwarnings("ignore:.*(rotation_range|validation_data)")


def fit(cell="Training", **history):
    """A training that never was."""
    values = {"loss": [2.0, 1.0], "accuracy": [0.25, 0.5], "val_loss": [3.0, 2.0], "val_accuracy": [0.5, 0.25]}
    return Fit(cell, None, values | history, 0.0)


# With very little data


@pytest.fixture
def little_data(monkeypatch):
    """Every note has next to no data."""
    for note, findings in notes.NOTES.items():
        lay = note_data.LAY[note]
        little = {"lay": lambda folder, quick, lay=lay: lay(folder)}
        if note == "000":
            little["quick"] = {"100, 100": "46, 46"}
        monkeypatch.setitem(notes.NOTES, note, _with(findings, **little))


def _with(findings, **settings):
    return type(findings)(**{**vars(findings), **settings})


@pytest.mark.parametrize("note", notes.NOTES)
@warned
def test_report_of_a_note(note, little_data, tmp_path):
    result = run("reproduce", note, "--quick", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert report in result.out
    assert report.startswith(f"# Note {note}: ")
    rows = [line.strip("| ").split("|")[0].strip() for line in report.split("\n") if line.startswith("|")]
    assert set(notes.NOTES[note].trainings) <= set(rows)
    slips = report.partition("## Where the note slips")[2]
    assert slips.count("as in the note: ") == slips.count("corrected: ") == slips.count("\n* ") >= 2
    histories = json.loads((tmp_path / "out/histories.json").read_text())
    assert {len(training["history"]["loss"]) for training in histories} == {reproduction.QUICK}
    pictures = [*(tmp_path / "out").glob("*.png")]
    assert len([path for path in pictures if path.name.startswith("curves")]) == len(histories)
    assert all(path.read_bytes().startswith(PNG) for path in pictures)
    assert len(pictures) > len(histories) or note == "003"  # the program's own too; note 003 draws nothing


def test_seed_decides(little_data, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("reproduce", "001", "--quick", "--seed", seed, "--out", tmp_path / name).code == 0
    losses = [json.loads((tmp_path / f"{name}/histories.json").read_text())[0]["history"]["loss"] for name in "abc"]
    assert losses[0] == losses[1] != losses[2]


def test_folder_for_the_results_is_a_new_one(little_data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    result = run("reproduce", "004", "--quick", "--out", tmp_path / "out")
    assert (result.code, "new or empty folder" in result.err) == (2, True)


@pytest.mark.parametrize(("note", "data"), [("002", "sign_digits"), ("003", "sign_mnist")])
def test_missing_data_are_an_error_that_says_where_to_put_them(note, data, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCONV_DATA", str(tmp_path / "own"))
    monkeypatch.setenv("TINYCONV_CACHE", str(tmp_path / "cache"))
    if note == "003":
        monkeypatch.setattr("tinyconv.notes.findings.note003.lay_mnist", lambda folder, most: None)
    result = run("reproduce", note, "--out", tmp_path / "out")
    assert (result.code, str(tmp_path / "own" / data) in result.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_unknown_note():
    assert "invalid choice: '005'" in run("reproduce", "005").err


# With the real data


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("note", notes.NOTES)
@warned
def test_quick_look_at_the_real_data(note, tmp_path):
    result = run("reproduce", note, "--quick", "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert "means nothing" in result.out


# Its parts


def test_what_the_notes_print_of_their_trainings():
    assert as_printed("note004")[9]["val_accuracy"] == 0.9910
    assert as_printed("note001")[25] == {"loss": 1.0730e-4, "accuracy": 1.0, "val_loss": 3.4645, "val_accuracy": 0.35}
    epochs = {key: max(as_printed(key)) for findings in notes.NOTES.values() for key in findings.trainings.values()}
    assert sorted(epochs.values()) == [8, 8, 8, 8, 8, 8, 8, 10, 10, 20, 25]


@pytest.mark.parametrize("note", notes.NOTES)
def test_trainings_are_cells_of_the_program(note):
    assert all(f"# %% {title}\n" in source(note) for title in notes.NOTES[note].trainings)


@pytest.mark.parametrize("note", notes.NOTES)
def test_seed_and_quick_look_change_the_program(note):
    findings = notes.NOTES[note]
    assert changed(source(note), findings.quick).count("\n") == source(note).count("\n")
    assert changed(source(note), findings.reseeded(7)).count("\n") == source(note).count("\n")


def test_curves_show_what_the_note_prints():
    figure = reproduction.curves(fit(), "note004")
    crosses = next(line for line in figure.axes[1].lines if line.get_label() == "validation in the note")
    np.testing.assert_array_equal(crosses.get_xydata(), [[1, 0.9820], [2, 0.9860]])
    assert figure.axes[0].get_yscale() == "linear"
    assert len(reproduction.curves(fit(), None).axes[1].lines) == len(figure.axes[1].lines) - 1


def test_losses_of_very_different_size_are_on_a_logarithmic_scale():
    assert reproduction.curves(fit(loss=[132.0, 1.0]), None).axes[0].get_yscale() == "log"


def test_slip_has_both_results_below():
    item = reproduction._item(Slip("what", "5", "7"))
    assert item == "* what\n  * as in the note: 5\n  * corrected: 7"


def test_reached_names_the_first_of_equal_epochs():
    assert reached({"val_accuracy": [0.5, 0.75, 0.75]}) == "0.7500 (best 0.7500 in epoch 2)"


def test_words_on_the_order_of_variants():
    names = [variant.name for variant in note000.VARIANTS]
    raw = {name: fit(loss=[30.0, 1], val_accuracy=[0.2, 0.3 + 0.01 * i]) for i, name in enumerate(names[:4])}
    scaled = {name: fit(val_accuracy=[0.2, 0.525]) for name in names}
    words = note000._words(note000.Corrected(raw, scaled, fit(), (0.555, 0.5), 100))
    assert 'the order is more filters 0.33, "same" padding 0.32, dropout 0.31, baseline 0.30' in words
    assert "0.03 from first to last, no more than the choice of test images explains" in words
    assert "change the four by +0.21 on average; augmentation on top of that changes the baseline by +0.03" in words
    assert "is mostly the rescaling" in words


# The benchmark of accuracies


def test_table_of_accuracies():
    done = [
        accuracy.Training("004", "Training", library, seed, [0.5, 0.5 + seed / 10, last])
        for library, last in (("tinyconv", 0.75), ("Keras on torch", 0.5))
        for seed in (0, 1)
    ]
    *_, row = accuracy.report(done).split("\n")
    assert row == (
        "| 004, Training | 0.9901, 0.9910 | 0.7500 ± 0.0000, 0.7500 ± 0.0000 | 0.5000 ± 0.0000, 0.5500 ± 0.0707 |"
    )


def test_corrected_note000_fits_each_network():
    text = notes.NOTES["000"].corrected(source("000"))
    assert text.count("model.fit") == 1
    assert all(f"history = model{i}.fit" in text for i in (2, 3, 4, 5))


@pytest.mark.oracle
@pytest.mark.data
@pytest.mark.slow
def test_quick_comparison_of_accuracies(tmp_path, capsys):
    pytest.importorskip("keras")
    file = tmp_path / "accuracy.json"
    assert accuracy.main(["--notes", "004", "--quick", "--json", str(file)]) == 0
    assert "| 004, Training | 0.9901, 0.9910 | " in capsys.readouterr().out
    found = json.loads(file.read_text())["trainings"]
    assert [len(training["val_accuracy"]) for training in found] == [2, 2]
