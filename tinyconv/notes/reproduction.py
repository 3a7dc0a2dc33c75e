"""Runs a note's program on its data, and writes down what came of it: a report, curves, and the pictures it draws."""

import json
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyconv import config, plots
from tinyconv.doctor import MovingStatisticsWarning
from tinyconv.notes.findings import NOTES, Findings, Section, Slip, as_printed
from tinyconv.notes.running import Fit, Run, changed, inside, source

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Epochs of each training, for a quick look.
QUICK = 2
#: Letters in a line of the report.
_WIDTH = 100
_PRINTED = "#717581"


def run_note(
    note: str, folder: Path, *, quick: bool = False, seed: int | None = None, say: Callable[[str], None] = print
) -> str:
    """Run the program of a note, then its corrections, and write the results into a folder.

    Args:
        note: its number, such as "004".
        folder: where ``report.md``, ``histories.json``, the curves of each training and the program's own pictures go.
        quick: only on a small part of the data, and only two epochs of each training.
        seed: of weights, order, dropout and augmentation; the note's own if it has one and this is None, else 0.
        say: takes a line about what happens next.

    Returns:
        The report.

    Raises:
        FileNotFoundError: if the data are nowhere; the message says what to put where.
    """
    findings, text, started = NOTES[note], source(note), time.perf_counter()
    text = changed(text, {} if seed is None else findings.reseeded(seed))
    text = changed(text, findings.quick if quick else {})
    with tempfile.TemporaryDirectory(prefix=f"note{note}-") as beside, warnings.catch_warnings():
        if quick:  # that the epochs are too few is known
            warnings.simplefilter("ignore", MovingStatisticsWarning)
        findings.lay(Path(beside), quick)
        say(_beginning(findings, quick))
        run = Run(note, text, Path(beside), folder, QUICK if quick else None, seed or 0).program()
        say("\nThat was the note's program. Now the trainings that correct it.\n")
        with inside(run.folder):  # data sets that are read from files are read again
            found = list(findings.examine(run))
        reached = _table(("training", "", "the note", "here"), _reached(findings, run))
    parts = [
        f"# Note {note}: {findings.title}",
        _paragraph(_beginning(findings, quick)),
        f"## What it reaches\n\n{reached}",
        *(_section(one) for one in found if isinstance(one, Section)),
        "## Where the note slips\n\n" + "\n".join(_item(one) for one in found if isinstance(one, Slip)),
    ]
    for i, fit in enumerate(run.fits, start=1):
        curves(fit, findings.trainings.get(fit.cell)).savefig(folder / f"curves-{i}.png", dpi=120)
        parts.append(f"![{fit.cell}](curves-{i}.png)")
    own = seed is None and findings.reseeded(0)
    parts.append(_end("the note's seed" if own else f"seed {seed or 0}", time.perf_counter() - started))
    report = "\n\n".join(parts) + "\n"
    (folder / "report.md").write_text(report, encoding="utf-8")
    (folder / "histories.json").write_text(json.dumps(_histories(run.fits), indent=1), encoding="utf-8")
    return report


def curves(fit: Fit, key: str | None) -> "Figure":
    """Loss and accuracy of a training, with what the note prints of it, if anything: a small cross for each epoch."""
    figure = plots.curves(fit.history)
    if max(fit.history["loss"]) > 50 * min(fit.history["loss"]):
        figure.axes[0].set_yscale("log")  # else the first epochs would press all others flat
    theirs = as_printed(key) if key else {}
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=False):
        _add_printed(axes, {epoch: found[f"val_{name}"] for epoch, found in theirs.items()}, len(fit.history[name]))
    figure.suptitle(fit.cell)
    return figure


def _add_printed(axes: "Axes", values: dict[int, float], epochs: int) -> None:
    shown = {epoch: value for epoch, value in values.items() if epoch <= epochs}
    if shown:
        axes.plot(list(shown), list(shown.values()), "x", color=_PRINTED, label="validation in the note", markersize=7)
        axes.legend(edgecolor="none", framealpha=0.85, handlelength=3.2)


# The report


def _beginning(findings: Findings, quick: bool) -> str:
    begin = f"Note {findings.note} on {findings.data}"
    if not quick:
        return f"{begin}; about {findings.takes} on two cores."
    changes = "".join(f", {new} for {old}" for old, new in findings.quick.items())
    return f"{begin}; a quick look, with few images and {QUICK} epochs{changes}: what it reaches means nothing."


def _end(seeded: str, seconds: float) -> str:
    threads = f"{config.threads()} thread{'s' * (config.threads() > 1)}"
    return f"Engine {config.engine_name()}, {threads}, {seeded}, {seconds:.0f} s in all."


def _reached(findings: Findings, run: Run) -> Iterator[Sequence[str]]:
    """What each training reached, beside what the note prints of it."""
    for fit in run.fits:
        theirs = as_printed(findings.trainings[fit.cell]) if fit.cell in findings.trainings else {}
        best, epoch = fit.best()
        ours = {
            "loss of the first epoch": f"{fit.history['loss'][0]:.4f}",
            "last val_accuracy": f"{fit.last():.4f}",
            "best val_accuracy": f"{best:.4f} in epoch {epoch}",
        }
        for (what, here), note in zip(ours.items(), _printed(theirs), strict=True):
            yield fit.cell if what == "loss of the first epoch" else "", what, note, here
    for what, note, here in findings.numbers(run):
        yield "", what, note, here


def _printed(theirs: dict[int, dict[str, float]]) -> Sequence[str]:
    """First loss, last and best accuracy as the note prints them; nothing where it prints nothing."""
    if not theirs:
        return ("", "", "")
    best = max(theirs, key=lambda epoch: theirs[epoch]["val_accuracy"])
    return (
        f"{theirs[1]['loss']:.4f}",
        f"{theirs[max(theirs)]['val_accuracy']:.4f}",
        f"{theirs[best]['val_accuracy']:.4f} in epoch {best}",
    )


def _section(section: Section) -> str:
    return f"## {section.title}\n\n{_table(section.head, section.rows)}\n\n{_paragraph(section.words)}"


def _item(slip: Slip) -> str:
    """A slip as an item of a list, with its two results below."""
    lines = [textwrap.fill(slip.what, _WIDTH, initial_indent="* ", subsequent_indent="  ")]
    return "\n".join([*lines, f"  * as in the note: {slip.as_it_is}", f"  * corrected: {slip.corrected}"])


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """In Markdown, with columns under each other."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _histories(fits: Sequence[Fit]) -> list[dict[str, object]]:
    return [{"training": fit.cell, "history": fit.history, "seconds": fit.seconds} for fit in fits]
