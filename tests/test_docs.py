"""The pages: programs run and print what is shown, and commands, settings and files that are named exist."""

import contextlib
import importlib
import io
import os
import re
import subprocess
from pathlib import Path

import pytest
from command_line import cache_fixture

from tinyconv import cli, config

cache = cache_fixture()

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/engine.md", "docs/keras.md", "docs/doctor.md"]

#: (program, the output shown under it) for each Python block.
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)
_NUMBER = re.compile(r"[\d.,]*\d%?")


def printed_by(program):
    """What a program prints."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")  # a terminal that can draw the lines of tables
    with contextlib.redirect_stdout(out):
        exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    out.seek(0)
    return out.read()


def without_times(text):
    """The text without what a clock has measured."""
    return re.sub(r" - \d+s \d+[mu]?s/step( \(first step \w+\))?", "", text)


def numbers(text):
    """Every number of a text, percentages as fractions."""
    found = [word.replace(",", "") for word in _NUMBER.findall(text)]
    return [float(word[:-1]) / 100 if word.endswith("%") else float(word) for word in found]


# Programs


def test_every_program_shows_its_output():
    assert len(PROGRAMS) == README.count("```python") == 3


@pytest.fixture
def settings(monkeypatch):
    """What a newcomer has: no engine chosen, and the doctor. A program may set the number of threads."""
    monkeypatch.delenv("TINYCONV_ENGINE", raising=False)
    monkeypatch.delenv("TINYCONV_DOCTOR", raising=False)
    yield
    config.set_threads(None)


@pytest.mark.parametrize(("program", "shown"), PROGRAMS, ids=[str(i) for i in range(len(PROGRAMS))])
def test_program_prints_what_is_shown(program, shown, settings, doctor):
    if "engine numba" in shown:
        pytest.importorskip("numba")
    ref, comp = without_times(shown), without_times(printed_by(program))
    assert _NUMBER.sub("#", comp) == _NUMBER.sub("#", ref)
    # Another processor rounds otherwise, and training magnifies that; a wrong claim would be further off.
    assert numbers(comp) == pytest.approx(numbers(ref), rel=0.1, abs=0.02)


def test_first_program_has_at_most_twelve_lines():
    assert sum(bool(line.strip()) for line in PROGRAMS[0][0].splitlines()) <= 12


# Commands


def test_the_two_commands_of_a_newcomer():
    commands = [line for line in README.splitlines() if line.startswith("pip install ")]
    assert commands == ["pip install . && tinyconv train", "pip install '.[test]' && pytest"]


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(tinyconv [a-z][^`]*)`", README))))
def test_command_is_understood(command):
    cli.make_parser().parse_args(command.split()[1:])


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`python -m (benchmarks\.[^`]+)`", README))))
def test_benchmark_is_understood(command, capsys):
    module, *arguments = command.split()
    with pytest.raises(SystemExit) as end:
        importlib.import_module(module).main([*arguments, "--help"])
    assert end.value.code == 0


def test_every_benchmark_is_mentioned():
    files = sorted((ROOT / "benchmarks").glob("*.py"))
    commands = [path.stem for path in files if "\ndef main(arguments" in path.read_text(encoding="utf-8")]
    assert commands == ["accuracy", "epoch", "layers", "readme", "scaling", "start", "train_step"]
    assert [name for name in commands if f"`python -m benchmarks.{name}" not in README] == []


def test_every_subcommand_is_mentioned():
    assert [name for name in cli.COMMANDS if f"`tinyconv {name}" not in README] == []


def test_extras_exist():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8").split("[options.extras_require]")[1]
    names = {name for page in PAGES for text in re.findall(r"\.\[([\w,]+)\]", _text(page)) for name in text.split(",")}
    assert [name for name in sorted(names) if f"\n{name} =" not in setup] == []


def test_markers_exist():
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert [name for name in re.findall(r"pytest -m (\w+)", README) if f"    {name}: " not in setup] == []


@pytest.mark.skipif(os.name == "nt", reason="a script for bash")
def test_ci_script_is_sound():
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=False).returncode == 0


# Settings


def test_settings_exist():
    named = {name for page in PAGES for name in re.findall(r"\bconfig\.(?!py\b)(\w+)", _text(page))}
    assert {"set_engine", "engine", "set_threads", "set_winograd"} <= named
    assert [name for name in sorted(named) if not hasattr(config, name)] == []


def test_environment_variables_are_looked_at():
    named = {name for page in PAGES for name in re.findall(r"\bTINYCONV_\w+", _text(page))}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tinyconv").rglob("*.py"))
    assert {"TINYCONV_ENGINE", "TINYCONV_CACHE"} <= named
    assert [name for name in sorted(named) if f'"{name}"' not in sources] == []


# Files


def _text(page):
    return (ROOT / page).read_text(encoding="utf-8")


def named_files():
    """(page, path) for every path in backticks and every link to a file."""
    pattern = re.compile(
        r"`((?:\.ci|tinyconv|tests|data|docs|benchmarks)/[\w./]*)`|`(\w+\.(?:md|cfg|toml))`|\]\((?!https?:)([^)]+)\)"
    )
    return sorted({(page, next(filter(None, groups))) for page in PAGES for groups in pattern.findall(_text(page))})


@pytest.mark.parametrize(("page", "path"), named_files())
def test_named_file_exists(page, path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("picture", sorted(set(re.findall(r"!\[.+\]\((.+)\)", README))))
def test_pictures_are_small(picture):
    assert (ROOT / picture).stat().st_size < 150_000


def test_changelog_knows_the_version():
    from tinyconv import __version__

    assert f"## [{__version__}]" in _text("CHANGELOG.md")
