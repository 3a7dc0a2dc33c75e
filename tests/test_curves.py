"""The curves of a training in words, and what a history can tell of itself."""

import numpy as np
import pytest
from tiny_networks import X, Y, compiled

from tinyconv import curves
from tinyconv.callbacks import History

FALLING = [1.5, 0.7, 0.4, 0.2]


def said(**logs):
    """The description of these numbers."""
    return curves.describe(logs)


# Words


def test_over_fitting():
    text = said(loss=[1.5, 0.9, 0.6, 0.4, 0.3, 0.2], val_loss=[1.4, 1.0, 0.8, 0.6, 0.7, 0.9])
    assert "Validation loss was lowest in epoch 4 (0.6) and has risen since, to 0.9: over-fitting is likely." in text


def test_still_improving():
    text = said(loss=FALLING, val_loss=[1.4, 0.8, 0.6, 0.5])
    assert "lowest in epoch 4 (0.5), the last one: it still improves, and more epochs may help." in text


@pytest.mark.parametrize("last", [0.4995, 0.502])
def test_levelled_off(last):
    assert "and hardly changes any more." in said(loss=FALLING, val_loss=[1.4, 0.8, 0.5, last])


def test_both_rise():
    text = said(loss=[1.0, 0.5, 0.6, 0.9], val_loss=[1.0, 0.4, 0.6, 0.9])
    assert "Training loss was lowest in epoch 2 (0.5) and has risen since, to 0.9: the learning rate may be too" in text
    assert "over-fitting" not in text
    assert "training loss has not fallen since either" in text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_diverged(bad):
    text = said(loss=[1.5, 3.0, bad, bad], val_loss=[1.0, 2.0, bad, bad])
    assert text == (
        "Training loss is no finite number since epoch 3: the training has diverged. Try a lower learning rate."
    )


def test_only_validation_is_not_finite():
    assert "Validation loss is no finite number since epoch 2." in said(loss=FALLING, val_loss=[1.0, np.nan, 2.0, 1.0])


def test_nothing_is_learned():
    assert said(loss=[2.303, 2.302, 2.304]).startswith("Training loss has not fallen (2.303 at first, 2.304 at last)")


def test_without_validation():
    text = said(loss=FALLING)
    assert text == (
        "Training loss fell from 1.5 to 0.2 in 4 epochs. Without validation data nobody can see whether it over-fits."
    )


def test_one_epoch():
    text = said(loss=[0.5], accuracy=[0.9], val_loss=[0.4], val_accuracy=[0.8])
    assert text.startswith("After one epoch: loss 0.5, accuracy 0.9, validation loss 0.4, validation accuracy 0.8.")


@pytest.mark.parametrize(
    ("training", "validation", "words"),
    [
        (1.0, 0.35, "was 1 in training and 0.35 in validation, 0.65 less: it knows the training data better"),
        (0.5, 0.8, "higher, as with dropout or augmentation"),
        (0.9, 0.89, "was 0.9 in training and 0.89 in validation."),
    ],
)
def test_gap_of_the_accuracy(training, validation, words):
    values = {"accuracy": [0.2, training], "val_accuracy": [0.2, validation]}
    assert words in said(loss=[1.0, 0.1], val_loss=[1.0, 0.5], **values)


def test_learning_rate():
    assert said(loss=[2.0, 1.0], learning_rate=[0.001, 1e-5]).endswith("The learning rate went from 0.001 to 1e-05.")
    assert "learning rate went" not in said(loss=[2.0, 1.0], learning_rate=[0.1, 0.1])


def test_metric_whose_name_does_not_tell_gets_no_verdict():
    assert "f1" not in said(loss=[2.0, 1.0], f1=[0.1, 0.9], val_loss=[2.0, 1.0], val_f1=[0.1, 0.2])
    assert "best f1" not in curves.curves({"loss": [2.0, 1.0], "f1": [0.1, 0.9]}).alt


def test_nothing_to_say():
    with pytest.raises(ValueError, match="a history with at least one epoch"):
        curves.describe({})


# History


def trained(**settings):
    """The history of four epochs."""
    settings = {"epochs": 4, "verbose": 0, "validation_data": (X, Y), **settings}
    return compiled(metrics=["accuracy"]).fit(X, Y, **settings)


def test_history_draws_and_describes_itself():
    history = trained()
    figure = history.plot()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
    assert list(figure.axes[0].lines[0].get_ydata()) == history.history["loss"]
    assert history.describe() == curves.describe(history)


def test_rare_validations_stand_where_they_were_made():
    history = trained(validation_freq=[1, 2, 4])
    assert history.validation_epochs == [0, 1, 3]
    assert list(history.plot().axes[0].lines[1].get_xdata()) == [1, 2, 4]


def test_history_as_a_table(tmp_path):
    history = trained(validation_freq=3, initial_epoch=1)
    history.to_csv(tmp_path / "history.csv")
    header, *rows = (line.split(",") for line in (tmp_path / "history.csv").read_text().splitlines())
    assert header == ["epoch", *history.history]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    losses, held_out = header.index("loss"), header.index("val_loss")
    assert [float(row[losses]) for row in rows] == history.history["loss"]
    assert [row[held_out] for row in rows] == ["NA", str(history.history["val_loss"][0]), "NA"]


def test_state_of_a_history():
    history, other = trained(validation_freq=2), History()
    other.set_state(history.get_state())
    assert (other.history, other.epoch) == (history.history, history.epoch)
    assert other.validation_epochs == history.validation_epochs == [1, 3]


def test_a_sentence_instead_of_the_figure():
    found = curves.curves({"loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "val_loss": [0.8, 0.9]}).alt
    assert found == (
        "Curves of loss and accuracy over 2 epochs: best validation loss 0.8 in epoch 1, best accuracy 0.75 in epoch 2."
    )
