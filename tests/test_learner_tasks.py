"""What a learner asks: the README's table leads to each answer in at most two steps."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import cache_fixture, run

from tinyconv import config

cache = cache_fixture()

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.split("## Ask where a number comes from\n")[1].split("\n## ")[0]

#: Question and commands of each row.
ROWS = {
    question: re.findall(r"`tinyconv ([^`]+)`", answer)
    for question, answer in re.findall(r"^\| ([^|]+\?) \| (.+) \|$", TABLE, re.MULTILINE)
}

#: What the answer of each command must say, in order, on a terminal without Unicode.
ANSWERS = {
    "Why is this output cell 3?": [
        ["why it is 3", "The window lies on rows 1 to 3", "1 * 0 + 1 * 0 + 1 * 1 + 0", "= 3."]
    ],
    "Which outputs feel this pixel?": [
        ["the outputs that feel it", "lies under 9 windows", "Output row 0, column 0, through the weight 0", "= 3."]
    ],
    "Where does this gradient come from?": [
        ["why it is 5", "lay on 16 pixels", "Products:", "= 5."],
        ["dK at row 0, column 2", "dX as a scatter-add", "dX as a full correlation", "the same numbers"],
    ],
    'What does "same" pad here?': [
        ["28 by 28 pixels become 14 by 14", "so 1 must be added: 0 before and 1 after", "1 of padding"]
    ],
    "Why 350 million parameters?": [["350464*1000 + 1000 = 350,465,000", "5.22 GB", "99.97% of it is in 'dense'"]],
    "What is the im2col matrix, and what does it cost?": [
        ["(4 * 4) rows of (3 * 3 * 1) = 144 numbers", "4 times the memory", "How often each pixel stands"]
    ],
    "Is my backward right?": [["Conv2D 'conv2d': gradients agree", "checks passed."]],
    "What did filter 7 learn?": [
        ["Filter 7 of conv2d: what it answers to", "answers most to", "strongest answers in 10 images", "What it saw"]
    ],
    "Why was this digit read wrongly?": [
        ["It ", ": ", "%", "written: ", "How it came about: tinyconv explain network"]
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a newcomer has after the README's first command, here a short one."""
    path = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "data/glyphs", path / "data/glyphs")
    with config.engine("numpy"):  # compiles nothing
        trained = run("train", "--limit", 500, "--epochs", 1, "--out", path / "runs/glyphs-note004-1")
    assert trained.code == 0
    return path


def answer(command, folder, monkeypatch):
    """What a command prints in that folder, in one line; stars stand for the first file that fits."""
    monkeypatch.chdir(folder)
    words = [str(next(iter(sorted(Path().glob(w))))) if "*" in w else w for w in shlex.split(command)]
    with config.engine("numpy"):
        result = run(*words)
    assert result.code == 0, result.err
    return " ".join(result.out.split())


def in_order(text, parts):
    """Whether the parts stand in the text, one after the other."""
    start = 0
    for part in parts:
        start = text.find(part, start) + len(part)
        if start < len(part):
            return False
    return True


def test_every_question_has_its_row_and_its_answer():
    assert list(ROWS) == list(ANSWERS)
    assert {question: len(commands) for question, commands in ROWS.items()} == {
        question: len(answers) for question, answers in ANSWERS.items()
    }


@pytest.mark.parametrize("question", ROWS)
def test_the_command_answers_the_question(question, folder, monkeypatch):
    for command, parts in zip(ROWS[question], ANSWERS[question], strict=True):
        text = answer(command, folder, monkeypatch)
        assert in_order(text, parts), text


def test_the_mistake_is_explained_by_the_command_that_inspect_ends_with(folder, monkeypatch):
    (command,) = ROWS["Why was this digit read wrongly?"]
    second = answer(command, folder, monkeypatch).split("How it came about: tinyconv ")[1]
    true, taken_for = re.search(r"/01-true-(\d)-taken-for-(\d)\.png", second).groups()
    against = re.search(r"--against (\d)$", second)[1]
    text = answer(second, folder, monkeypatch)
    assert in_order(
        text, [f"why {taken_for} gets", f"Why {taken_for} and not {against}:", "Difference: ", "The path ends"]
    )
    assert "DIFFERENT" not in text
    text = answer(second.replace(f"--against {against}", f"--against {true}"), folder, monkeypatch)
    assert f"Why {taken_for} and not {true}:" in text


def test_the_numbers_may_be_ones_own(folder, monkeypatch):
    words = re.search(r'`(--image "[^`]+)`', TABLE)[1]
    assert "4 1 0" in answer(f"explain conv {words}", folder, monkeypatch)
    assert (folder / "runs/glyphs-note004-1/wrong").is_dir()
