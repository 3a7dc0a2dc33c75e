"""How good are the tests? Put small mistakes into the code, one at a time, and see whether a test fails.

    python -m tests.mutation                         600 mistakes in layers, engine, optimizers and losses
    python -m tests.mutation --files "tinyconv/layers/*" --sample 50 --seed 7
    python -m tests.mutation --folder /tmp/there     the copy and the record stay there, for the next time

`tests.mutants` says which mistakes. The work is done in a copy of the checkout, in two worlds: kernels run as plain
Python (NUMBA_DISABLE_JIT=1), with the tests that can do so; everything else runs with compiled kernels. In each, the
tests that are neither slow nor need other frameworks run once, to see which lines they reach (`tests.mutation_worker`).
Then each mistake is met by the tests that reach its line, the fastest first, until one fails or crashes or does not
end. What survives there, or has to be in the file when it is imported, is tried again in a process of its own.

A survivor needs a reason, in tests/mutation_survivors.toml. The script fails where there is none, where a reason's
mutant is no longer there, or is caught, and where less than 90 % are caught.

`tinyconv/engine/vector.py` is left out: it writes machine code, which exists only compiled. Its twin is not.
"""

import argparse
import ast
import fnmatch
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.mutants import Mutant, mutants, mutated

ROOT = Path(__file__).parent.parent
REASONS = Path(__file__).with_name("mutation_survivors.toml")

#: What is mutated, and what of it is not.
SCOPE = ("tinyconv/layers/*", "tinyconv/engine/*", "tinyconv/optimizers/*", "tinyconv/losses.py")
NOT_IN_SCOPE = ("tinyconv/engine/vector.py",)

#: A fork finds kernels that are compiled already, which is what this file is about.
NOT_FORKED = "tinyconv/engine/compiler.py"

#: What runs as plain Python in the world without compiled kernels, and the tests that run there.
PLAIN = ("tinyconv/engine/kernels/*", "tinyconv/engine/vector_plain.py")
PLAIN_TESTS = tuple(
    f"tests/test_engine_{name}.py"
    for name in ("batchnorm", "dense", "depthwise", "direct", "elementwise", "images", "maps", "optimizers", "pooling")
    + ("tiled", "warp", "winograd")
)

#: Tests of something else that the other world does without: pages, pictures, words, files of data, whole programs.
LEFT_OUT = tuple(
    f"tests/test_{name}.py"
    for name in ("benchmark*", "cli", "data*", "docs", "downloads", "explain*", "export*", "folders", "glyphs", "idx")
    + ("image*", "mutation", "note*", "odd_images", "page*", "plots*", "predict", "programs", "reproduce", "sign_mnist")
    + ("split", "summary", "tables", "train", "architecture", "errors_data", "progress", "oracle*", "fuzz*", "hostile*")
    + ("kills", "load")
)

#: A test that takes longer than this is not fast; no mutant is met by more tests than run in so many seconds.
FAST, BUDGET = 5.0, 8.0

#: Seconds of the processor that a test may take longer than it did.
GRACE = 5.0

#: Of what is tried.
NEEDED = 0.9


class World:
    """One of the two ways to run tests, in a copy of the checkout.

    Args:
        folder: holds the copy, and keeps the record.
        plain: whether kernels run as plain Python.
        tests: patterns of the files of tests to use.
    """

    def __init__(self, folder: Path, plain: bool, tests: Sequence[str]) -> None:
        self.folder, self.plain, self.name = folder, plain, "plain" if plain else "compiled"
        self.copy, self.caught = folder / "checkout", folder / "caught.jsonl"
        every = sorted(str(path.relative_to(self.copy)) for path in (self.copy / "tests").glob("test_*.py"))
        mine = [file for file in every if (file in PLAIN_TESTS if plain else not _matches(file, LEFT_OUT))]
        self.tests = [file for file in mine if _matches(file, tests)]
        self.environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
        self.environment |= {"NUMBA_DISABLE_JIT": "1"} if plain else {}
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, dict[str, list[str]]] = {}

    def record(self, measured: list[str]) -> None:
        """Which tests reach which lines, and how long they take; from the last time, where nothing has changed."""
        kept = self.folder / f"record-{self.name}.json"
        code = _digest([self.copy / file for file in measured])
        known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        parts = known.get("parts", {}) if known.get("code") == code else {}
        now = {file: _digest([self.copy / file]) for file in self.tests}
        old = {file for file in self.tests if parts.get(file, {}).get("digest") == now[file]}
        new = [file for file in self.tests if file not in old]
        if new:
            limit = 2 * FAST if self.plain else 0  # to be watched takes time; 0 is none, for here a test may compile
            found = self.work({"kind": "record", "measured": measured, "files": new, "limit": limit})
            parts |= {file: _part_of(found, file) | {"digest": now[file]} for file in new}
            kept.write_text(json.dumps({"code": code, "parts": parts}), encoding="utf-8")
        for part in (parts[file] for file in self.tests):
            self.seconds |= {test: t for test, t in part["tests"].items() if t < FAST}
            for file, lines in part["lines"].items():
                for line, names in lines.items():
                    here = self.lines.setdefault(file, {}).setdefault(line, [])
                    here += [name for name in names if part["tests"][name] < FAST]

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Those that reach its line; for a line that runs on import, those that reach the file."""
        lines = self.lines.get(mutant.file, {})
        found = [lines[str(line)] for line in (mutant.line, mutant.statement) if str(line) in lines]
        if mutant.deep and not found:
            return []
        here = found[0] if found else []
        return self.in_order(here or {name for names in lines.values() for name in names}, Path(mutant.file).stem)

    def in_order(self, names: Iterable[str], topic: str) -> list[str]:
        """What is within the budget: tests that are named after the topic, then others, of each the fastest first.

        Forty fast ones begin, at most two of a function; then come the others, file by file.
        """
        chosen, total = [], 0.0
        for name in sorted(names, key=lambda name: (topic not in name.partition("::")[0], self.seconds[name], name)):
            total += self.seconds[name]
            if total < BUDGET:
                chosen.append(name)
        chosen.sort(key=lambda name: (self.seconds[name], name))
        first, of_function = [], Counter[str]()
        for name in chosen:
            of_function[name.partition("[")[0]] += 1
            if len(first) < 40 and of_function[name.partition("[")[0]] <= 2:
                first.append(name)
        early = set(first)
        files = list(dict.fromkeys(name.partition("::")[0] for name in chosen))
        rest = [name for name in chosen if name not in early]
        return first + sorted(rest, key=lambda name: files.index(name.partition("::")[0]))

    def try_(self, chosen: list[Mutant], until: float) -> dict[Mutant, tuple[str, str]]:
        """mutant -> (what became of it, the test that saw it), as far as time allows."""
        jobs = [
            {"name": self.name_of(one), "file": one.file, "number": one.number, "tests": self.tests_for(one)}
            for one in chosen
        ]
        used = {name.partition("::")[0] for job in jobs for name in job["tests"]}
        deep = [
            job for one, job in zip(chosen, jobs, strict=True) if one.deep and job["tests"] and one.file != NOT_FORKED
        ]
        order = {
            "kind": "try", "jobs": deep, "seconds": self.seconds, "until": until, "files": sorted(used), "grace": GRACE,
            "caught": str(self.caught),
        }  # fmt: skip
        rows = self.work(order)["rows"] if deep else []
        on_import = self.on_import({one.file for one in chosen}, used)
        quick = {row["name"]: (row["outcome"], row["by"]) for row in rows}
        found = {}
        for one, job in zip(chosen, jobs, strict=True):
            outcome, by = quick.get(job["name"], ("not in place", ""))
            if not job["tests"]:
                outcome = "not reached"
            elif outcome == "not in place" or (outcome == "survived" and (one.file, one.line) in on_import):
                if time.time() > until:
                    continue
                outcome, by = self.anew(one, job["tests"])
                self.keep(one, outcome, by)
            found[one] = outcome, by
        return found

    def on_import(self, measured: set[str], tests: set[str]) -> set[tuple[str, int]]:
        """(file, line) of what runs when these files of tests are collected: a fork comes too late for it."""
        files = sorted(measured)
        found = self.work({"kind": "collect", "measured": files, "files": sorted(tests), "limit": 0})["lines"]
        return {(file, int(line)) for file, lines in found.items() for line in lines}

    def known(self, mutants: Iterable[Mutant]) -> dict[Mutant, tuple[str, str]]:
        """Those that were caught before, where the folder is kept; the others are tried again."""
        lines = self.caught.read_text(encoding="utf-8").splitlines() if self.caught.exists() else []
        rows = {row["name"]: (row["outcome"], row["by"]) for row in map(json.loads, lines)}
        return {one: rows[name] for one in mutants if (name := self.name_of(one)) in rows}

    def keep(self, mutant: Mutant, outcome: str, by: str) -> None:
        """Note one that is caught."""
        if outcome != "survived":
            with self.caught.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"name": self.name_of(mutant), "outcome": outcome, "by": by}) + "\n")

    def name_of(self, mutant: Mutant) -> str:
        """For as long as its file is as it is."""
        return f"{mutant.file} {_digest([self.copy / mutant.file])[:16]} {mutant.number}"

    def anew(self, mutant: Mutant, tests: list[str]) -> tuple[str, str]:
        """As `try_`, with the mistake in the file, in a new process."""
        path = self.copy / mutant.file
        source, status = path.read_text(encoding="utf-8"), path.stat()
        files = sorted({name.partition("::")[0] for name in tests})
        limit = 120 + 5 * sum(self.seconds[name] for name in tests)
        try:
            path.write_text(ast.unparse(mutated(source, mutant.number)), encoding="utf-8")
            found = self.work({"kind": "run", "tests": tests, "files": files}, limit)
        except subprocess.TimeoutExpired:
            return "too long", ""
        except subprocess.CalledProcessError:
            return "caught", "the import"
        finally:
            path.write_text(source, encoding="utf-8")
            os.utime(
                path, ns=(status.st_atime_ns, status.st_mtime_ns)
            )  # not the mutant's: Python keeps what it compiled
        return ("survived", "") if found["survived"] else ("caught", found["by"])

    def work(self, job: dict, limit: float | None = None) -> dict:
        """What the worker answers."""
        asked, answer, log = (self.folder / name for name in ("job.json", "answer.json", "output.txt"))
        asked.write_text(
            json.dumps({"markers": "not slow and not oracle", "found": str(answer)} | job), encoding="utf-8"
        )
        command = [sys.executable, "-m", "tests.mutation_worker", str(asked)]
        with log.open("w", encoding="utf-8") as output:
            subprocess.run(
                command, cwd=self.copy, env=self.environment, check=True, timeout=limit, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output,
            )  # fmt: skip
        return json.loads(answer.read_text(encoding="utf-8"))


def _part_of(found: dict, file: str) -> dict:
    """What was recorded of one file of tests."""
    begin = f"{file}::"
    tests = {name: t for name, t in found["tests"].items() if name.startswith(begin)}
    lines = {
        measured: {line: [name for name in names if name in tests] for line, names in of_line.items()}
        for measured, of_line in found["lines"].items()
    }
    return {"tests": tests, "lines": lines}


def _digest(files: Iterable[Path]) -> str:
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _matches(file: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(file, pattern) for pattern in patterns)


def copy_checkout(target: Path) -> None:
    """The files that tests need."""
    left = shutil.ignore_patterns(".git", "build", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, target, ignore=left)


def all_mutants(checkout: Path) -> list[Mutant]:
    """Of all files in scope."""
    files = sorted(str(path.relative_to(checkout)) for path in (checkout / "tinyconv").rglob("*.py"))
    mine = [file for file in files if _matches(file, SCOPE) and not _matches(file, NOT_IN_SCOPE)]
    return [one for file in mine for one in mutants(file, (checkout / file).read_text(encoding="utf-8"))]


def sample(every: Sequence[Mutant], n: int, seed: int) -> list[Mutant]:
    """So many, each file with its share, and none without; in an order by chance, for time may run out."""
    rng = random.Random(seed)
    by_file: dict[str, list[Mutant]] = {}
    for one in every:
        by_file.setdefault(one.file, []).append(one)
    chosen = []
    for mine in by_file.values():
        chosen += rng.sample(mine, min(len(mine), max(3, round(n * len(mine) / len(every)))))
    rng.shuffle(chosen)
    return chosen


def read_reasons() -> dict[tuple[str, ...], str]:
    """The key of a mutant -> why it survives."""
    entries = tomllib.loads(REASONS.read_text(encoding="utf-8")).get("survivor", [])
    return {tuple(one[name] for name in ("file", "where", "text", "change")): one["reason"].strip() for one in entries}


def stale_reasons(reasons: Iterable[tuple[str, ...]], every: Iterable[Mutant]) -> list[tuple[str, ...]]:
    """Those whose mutant is no longer there."""
    known = {one.key for one in every}
    return [key for key in reasons if key not in known]


def as_toml(mutant: Mutant) -> str:
    """The entry of a survivor, with the reason left open."""
    names = ("file", "where", "text", "change")
    lines = [f"{name} = {json.dumps(value)}" for name, value in zip(names, mutant.key, strict=True)]
    return "\n".join(["[[survivor]]", *lines, 'reason = ""', ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a sample, and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=600, metavar="N", help="how many mistakes (600)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which of them (0)")
    parser.add_argument("--files", default="*", metavar="GLOB", help="only in these files")
    parser.add_argument("--where", default="*", metavar="GLOB", help="only in these functions")
    parser.add_argument("--tests", default="*", metavar="GLOB", help="with these files of tests alone")
    parser.add_argument("--survivors", action="store_true", help="those that have a reason, in place of a sample")
    parser.add_argument("--minutes", type=float, default=600, metavar="M", help="begin nothing new after this time")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep the copy there, or use the one that is")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures and the survivors here")
    options = parser.parse_args(arguments)
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        return _main(options, options.folder.resolve())
    with tempfile.TemporaryDirectory() as folder:
        return _main(options, Path(folder))


def _main(options: argparse.Namespace, folder: Path) -> int:
    begin = time.time()
    if not (folder / "checkout").exists():
        copy_checkout(folder / "checkout")
    every = all_mutants(folder / "checkout")
    reasons = read_reasons()
    in_files = [one for one in every if fnmatch.fnmatch(one.file, options.files)]
    mine = [one for one in in_files if fnmatch.fnmatch(one.where, options.where)]
    if options.survivors:
        chosen = [one for one in mine if one.key in reasons]
    else:
        chosen = sample(mine, options.sample, options.seed)
    found: dict[Mutant, tuple[str, str]] = {}
    until = begin + 60 * options.minutes
    for plain in (True, False):
        world = World(folder, plain, [options.tests])
        mine = [one for one in chosen if _matches(one.file, PLAIN) == plain]
        found |= world.known(mine)
        rest = [one for one in mine if one not in found]
        if rest:
            world.record(sorted({one.file for one in every if _matches(one.file, PLAIN) == plain}))
            found |= world.try_(rest, until)
    return _report(options, every, found, reasons, time.time() - begin)


def _report(options: argparse.Namespace, every: list[Mutant], found: dict, reasons: dict, seconds: float) -> int:
    outcomes = Counter(outcome for outcome, _ in found.values())
    survivors = [one for one, (outcome, _) in found.items() if outcome in ("survived", "not reached")]
    without = [one for one in survivors if not reasons.get(one.key)]
    stale = stale_reasons(reasons, every)
    needless = [one for one, (outcome, _) in found.items() if one not in survivors and one.key in reasons]
    for one in without:
        print(f"# {found[one][0]}, line {one.line}\n{as_toml(one)}")
    for one in needless:
        print(f"has a reason, but {found[one][1] or 'the time limit'} catches it: {one}")
    for key in stale:
        print(f"has a reason, but is no longer there: {' | '.join(key)}")
    caught = outcomes["caught"] + outcomes["too long"]
    share = caught / max(len(found), 1)
    figures = {
        "mutants": len(every), "tried": len(found), "caught": caught, "by time limit": outcomes["too long"],
        "survived": outcomes["survived"], "not reached": outcomes["not reached"], "without reason": len(without),
        "stale reasons": len(stale), "share": round(share, 4), "seed": options.seed, "seconds": round(seconds),
    }  # fmt: skip
    if options.json is not None:
        rows = [
            dict(zip(("file", "where", "text", "change"), one.key, strict=True)) | {"outcome": outcome, "by": by}
            for one, (outcome, by) in found.items()
        ]
        options.json.write_text(json.dumps(figures | {"rows": rows}, indent=1), encoding="utf-8")
    print(
        f"{len(found)} of {len(every)} mutants tried with seed {options.seed}: {caught} caught ({100 * share:.1f} %), "
        f"{len(survivors)} survived, {len(without)} of them without a reason; {seconds:.0f} seconds"
    )
    return int(bool(without or stale or needless) or (share < NEEDED and not options.survivors))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the copy is left as it was
    sys.exit(main())
