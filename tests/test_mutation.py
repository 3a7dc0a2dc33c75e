"""The script that measures the tests: which mistakes it makes, and what it says of tests that are known."""

import ast
import json
import shutil
from pathlib import Path

import pytest

from tests import mutants, mutation

HERE = Path(__file__).parent

CHANGES = {
    "a < b": ["a <= b"],
    "a >= b": ["a > b"],
    "a < b == c": ["a <= b == c", "a < b != c"],
    "a is None": ["a is not None"],
    "a not in b": ["a in b"],
    "a and b or c": ["(a and b) and c", "(a or b) or c"],
    "not a": ["a"],
    "-a": ["a"],
    "a * 2": ["a / 2", "a * 3", "a * 1"],
    "a // b": ["a * b"],
    "a[-1]": ["a[1]", "a[-2]", "a[-0]"],
    "a += b": ["a = b", "a -= b"],
    "a[i, j] |= b": ["a[i, j] = b", "a[i, j] &= b", "a[j, i] |= b"],
    "a, b = f()": ["b, a = f()"],
    "(a, b), c = f()": ["c, (a, b) = f()"],
    "f(x[i, j])": ["f(x[j, i])"],
    "x[:, None] + x[..., i]": ["x[:, None] - x[..., i]"],
    "np.maximum(min(a), b.argmin())": [
        "np.minimum(min(a), b.argmin())",
        "np.maximum(max(a), b.argmin())",
        "np.maximum(min(a), b.argmax())",
    ],
    "x.T @ y": ["x @ y"],
    "x.transpose(a, b, c)": ["x.transpose(b, a, c)", "x.transpose(a, c, b)"],
    "0.5": [],
    "True": [],
}

WORDS = '''
"""Line 1."""
from typing import Literal
Number = int | None


@decorated(1)
def f(x: Literal[1, 2] = None) -> Literal[3]:
    """Line 2."""
    size: Literal[4] = g(x)
    if size:
        raise ValueError(f"{x + 1}" + "a" * 2)
    way_out = "one" if h(-1) else "two"
    return f"{x - 1}" + "b"


def __repr__(self):
    return str(1 + 2)
'''


@pytest.mark.parametrize(("source", "expected"), CHANGES.items(), ids=CHANGES)
def test_mistakes_of_a_line(source, expected):
    count = len(mutants.mutants("a.py", source))
    found = [ast.unparse(mutants.mutated(source, number)) for number in range(count)]
    assert found == [ast.unparse(ast.parse(one)) for one in expected]


def test_words_and_types_are_left_alone():
    assert mutants.mutants("a.py", WORDS) == []


def test_a_mutant_says_where_it_is_and_whether_it_runs_on_import():
    source = "class A:\n    n = 1\n    def f(self, k=n - 2):\n        return k + k + k"
    found = mutants.mutants("a.py", source)
    assert [(one.where, one.change, one.line, one.deep) for one in found] == [
        ("A", "1 becomes 2", 2, False),
        ("A", "1 becomes 0", 2, False),
        ("A.f", "- becomes +", 3, False),
        ("A.f", "2 becomes 3", 3, False),
        ("A.f", "2 becomes 1", 3, False),
        ("A.f", "+ becomes -", 4, True),
        ("A.f", "+ becomes -, 2nd", 4, True),
    ]
    assert found[-1].text == "return k + k + k"


def test_every_mutant_has_a_key_of_its_own_and_every_reason_a_mutant():
    every = mutation.all_mutants(mutation.ROOT)
    assert len({one.key for one in every}) == len(every)
    reasons = mutation.read_reasons()
    assert mutation.stale_reasons(reasons, every) == []
    assert all(reasons.values())


def test_sample_takes_of_every_file_and_the_same_again():
    every = mutation.all_mutants(mutation.ROOT)
    chosen = mutation.sample(every, 300, seed=5)
    assert {one.file for one in chosen} == {one.file for one in every}
    assert 270 < len(chosen) < 400
    assert len(set(chosen)) == len(chosen)
    assert chosen == mutation.sample(every, 300, seed=5) != mutation.sample(every, 300, seed=6)


CODE = '''
"""A file with a few mutants."""

STEP = 2


def total(n):
    found = int()
    while n > 0:
        found, n = found + n, n - 1
    return found


def nobody(x):
    return -x


def bounded(x):
    return x if x > STEP else STEP


def steps():
    return STEP
'''

TESTS = '''
"""Tests of the file."""

import pytest

from tinyconv.layers.small import bounded, steps, total


@pytest.mark.parametrize("n", [4, 5])
def test_total(n):
    assert total(n) == n * (n + 1) // 2


def test_bounded():
    assert bounded(7) == 7
    assert bounded(-7) == 2


def test_steps():
    assert steps() == 2


@pytest.mark.slow
def test_slow():
    raise AssertionError
'''


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the copy of a checkout that has one file."""
    copy = tmp_path / "checkout"
    (copy / "tinyconv/layers").mkdir(parents=True)
    (copy / "tests").mkdir()
    for package in ("tinyconv", "tinyconv/layers"):  # else an installed tinyconv comes first
        (copy / package / "__init__.py").touch()
    (copy / "tinyconv/layers/small.py").write_text(CODE)
    (copy / "tests/test_small.py").write_text(TESTS)
    (copy / "setup.cfg").write_text("[tool:pytest]\nmarkers =\n    slow\n    oracle\npythonpath = .\n")
    for name in ("mutants.py", "mutation_worker.py"):
        shutil.copy(HERE / name, copy / "tests")
    monkeypatch.setattr(mutation, "REASONS", tmp_path / "reasons.toml")
    monkeypatch.setattr(mutation, "GRACE", 1.5)
    monkeypatch.setattr(mutation, "NEEDED", 0.6)
    return tmp_path


def test_tests_of_one_file_are_measured(checkout, capsys):
    pytest.importorskip("coverage")
    arguments = ["--sample", "99", "--folder", str(checkout), "--json", str(checkout / "found.json")]
    reasons = checkout / "reasons.toml"
    reasons.write_text("")
    assert mutation.main(arguments) == 1
    found = json.loads((checkout / "found.json").read_text())
    outcomes = {f"{row['where']}: {row['change']}": row["outcome"] for row in found["rows"]}
    assert outcomes == {
        ": 2 becomes 3": "caught",
        ": 2 becomes 1": "caught",
        "total: 0 becomes 1": "caught",
        "total: 0 becomes -1": "survived",
        "total: > becomes >=": "survived",
        "total: the first two names change places": "too long",
        "total: + becomes -": "caught",
        "total: - becomes +": "too long",
        "total: 1 becomes 2": "caught",
        "total: 1 becomes 0": "too long",
        "nobody: minus is dropped": "not reached",
        "bounded: > becomes >=": "survived",
    }
    caught_by = {row["by"].partition("::")[2] for row in found["rows"] if row["outcome"] == "caught"}
    assert caught_by <= {"test_total[4]", "test_total[5]", "test_bounded", "test_steps"}
    printed = capsys.readouterr().out
    assert printed.count("[[survivor]]") == found["without reason"] == found["survived"] + 1

    entries = "".join(line for line in printed.splitlines(True)[:-1])
    reasons.write_text(entries.replace('reason = ""', 'reason = "It is the same."'))
    assert mutation.main(arguments) == 0
    reasons.write_text(reasons.read_text().replace("nobody", "somebody"))
    assert mutation.main([*arguments, "--survivors"]) == 1
    assert "is no longer there: tinyconv/layers/small.py | somebody" in capsys.readouterr().out
