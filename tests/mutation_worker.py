"""What `tests.mutation` starts in its copy of the checkout: a pytest that records, and one that tries mutants.

    python -m tests.mutation_worker JOB

JOB is a JSON file. To record is to run tests once, and to note which lines of which files each test runs, and its
seconds; to collect is to note the lines that run without a test. To try is to collect the tests once, and then, for
each mutant, to fork: the child puts the mutant's code in place of the function's own, runs the tests that reach the
line, and ends at the first that fails. So a mutant costs no more than its tests. To run is to run tests in the order
given, up to the first that fails: for a mutant that must be in its file when that is imported.
"""

import ast
import gc
import json
import mmap
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tests.mutants import mutated

#: A test may take its own time this many times over, and on a busy machine wait for so many seconds.
SLOWER, WAIT = 20, 60

#: Bytes that a mutant may ask for beyond what the worker has.
ROOM = 4 << 30

CAUGHT, SURVIVED, NOT_IN_PLACE = 1, 0, 3


class Recorder:
    """Notes the lines of each test, and its seconds of the processor. A test that takes more than the limit fails."""

    def __init__(self, files: list[str], limit: float) -> None:
        from coverage import Coverage

        self.limit = limit
        signal.signal(signal.SIGPROF, _too_slow)
        self.files = [str(Path(file).resolve()) for file in files]
        self.coverage = Coverage(data_file=None, include=self.files, config_file=False)
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Around one test."""
        self.coverage.switch_context(item.nodeid)
        begin = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, self.limit)
        result = yield
        signal.setitimer(signal.ITIMER_PROF, 0)
        self.seconds[item.nodeid] = time.process_time() - begin
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report):
        """A test that fails, or is skipped, tells nothing."""
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def result(self) -> dict:
        """``tests``: the seconds of each; ``lines``: file -> line -> tests; ``failed``."""
        self.coverage.stop()
        data = self.coverage.get_data()
        tests = {name: round(t, 4) for name, t in self.seconds.items() if name not in self.failed}
        lines = {}
        for file in self.files:
            reached = data.contexts_by_lineno(file).items()
            lines[os.path.relpath(file)] = {line: [t for t in names if t in tests] for line, names in reached}
        return {"tests": tests, "lines": lines, "failed": sorted(self.failed)}


def _too_slow(*_: object) -> None:
    pytest.fail("it takes too long")


class Trier:
    """Tries mutants, each in a fork.

    Args:
        jobs: for each mutant its ``name``, ``file``, ``number`` and ``tests``, those to run first at the beginning.
        seconds: of each test.
        until: when to end, in seconds since 1970.
        grace: seconds of the processor that a test may take longer than it did.
        caught: a line is added to this file for each that is caught, so that nothing is lost if time runs out.
    """

    def __init__(self, jobs: list[dict], seconds: dict[str, float], until: float, grace: float, caught: str) -> None:
        self.jobs, self.seconds, self.until, self.grace = jobs, seconds, until, grace
        self.rows: list[dict] = []
        self.caught = Path(caught)
        self.trusted: dict[str, bool] = {}
        self.sources: dict[str, str] = {}
        self.place = mmap.mmap(-1, 8)  # shared with the children: at which test they are
        self.in_child = False

    def pytest_runtestloop(self, session):
        """In place of pytest's own loop over all tests."""
        self.items = {item.nodeid: item for item in session.items}
        _load_kernels()
        self.functions = _functions({str(Path(job["file"]).resolve()) for job in self.jobs})
        gc.collect()
        gc.freeze()
        for job in self.jobs:
            if time.time() > self.until:
                break
            begin = time.perf_counter()
            outcome, by = self.attempt(job)
            seconds = round(time.perf_counter() - begin, 3)
            row = {"name": job["name"], "outcome": outcome, "by": by, "seconds": seconds}
            self.rows.append(row)
            if outcome not in ("survived", "not in place"):
                with self.caught.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        return True

    def attempt(self, job: dict) -> tuple[str, str]:
        """What became of a mutant, and the test that saw it. A test that fails without the mutant too is left out."""
        tests = [name for name in job["tests"] if name in self.items and self.trusted.get(name, True)]
        code, by = self.fork(tests, job)
        while code not in (SURVIVED, NOT_IN_PLACE) and by and not self.trust(by):
            tests.remove(by)
            code, by = self.fork(tests, job)
        if code == SURVIVED:
            return "survived", ""
        return {CAUGHT: "caught", NOT_IN_PLACE: "not in place"}.get(code, "too long"), by

    def trust(self, name: str) -> bool:
        """Whether a test passes in a fork without a mutant."""
        if name not in self.trusted:
            self.trusted[name] = self.fork([name], None)[0] == SURVIVED
        return self.trusted[name]

    def fork(self, tests: list[str], job: dict | None) -> tuple[int, str]:
        """(how a child ended that ran these tests, the test it was at)."""
        self.place[:] = bytes(8)
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os.setsid()
                self.run(tests, job)
            os._exit(CAUGHT)  # what is not even an error of a test
        _, status = os.waitpid(child, 0)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # what the tests may have started
        at = int.from_bytes(self.place[:], "little")
        return os.waitstatus_to_exitcode(status), tests[at] if at < len(tests) else ""

    def run(self, tests: list[str], job: dict | None) -> None:
        """In the child: never returns."""
        self.in_child = True
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        _limit_memory()
        if job is not None and not self.put_in_place(job):
            os._exit(NOT_IN_PLACE)
        for i, name in enumerate(tests):
            self.place[:] = i.to_bytes(8, "little")
            limit = SLOWER * self.seconds.get(name, 1.0)
            signal.setitimer(signal.ITIMER_PROF, self.grace + limit)
            signal.setitimer(signal.ITIMER_REAL, WAIT + limit)
            item, after = self.items[name], self.items[tests[i + 1]] if i + 1 < len(tests) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        os._exit(SURVIVED)

    def pytest_runtest_logreport(self, report):
        """In the child, one failure is enough."""
        if self.in_child and report.failed:
            os._exit(CAUGHT)

    def put_in_place(self, job: dict) -> bool:
        """Give the functions that a mutant changes their new code; False where none of them is there yet."""
        file = str(Path(job["file"]).resolve())
        source = self.sources.setdefault(file, Path(file).read_text(encoding="utf-8"))
        before, after = (compile(tree, file, "exec") for tree in (ast.parse(source), mutated(source, job["number"])))
        changed = list(_changed(before, after))
        known = self.functions[file]
        if not changed or any(old not in known for old, _ in changed):
            return False
        for old, new in changed:
            for function in known[old]:
                if len(new.co_freevars) != len(old.co_freevars):
                    return False
                function.__code__ = new
        return True


def _changed(before: CodeType, after: CodeType):
    """(old, new) code of the outermost functions that differ. Nothing where a module or a class itself differs."""
    old, new = ([c for c in code.co_consts if isinstance(c, CodeType)] for code in (before, after))
    for a, b in zip(old, new, strict=True):
        if a.co_flags & 1:  # a function's own, neither a class's nor a module's
            if a != b:
                yield a, b
        else:
            yield from _changed(a, b)


def _functions(files: set[str]) -> dict[str, dict[CodeType, list[FunctionType]]]:
    """Every function of these files that there is in this process, by file and code."""
    found: dict[str, dict[CodeType, list[FunctionType]]] = {file: {} for file in files}
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename in files:
            found[one.__code__.co_filename].setdefault(one.__code__, []).append(one)
    return found


def _load_kernels() -> None:
    """Machine code is loaded here, once, and not in every child."""
    compiler = sys.modules.get("tinyconv.engine.compiler")
    if compiler is not None:
        for one in gc.get_objects():
            if type(one) is compiler.Kernel and one.__module__.startswith("tinyconv.engine.kernels"):
                one.compile()


def _limit_memory() -> None:
    """A mutant that asks for a thousand times the memory gets an error."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + ROOM
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


class Selector:
    """Keeps the tests that are named, in this order."""

    def __init__(self, tests: list[str]) -> None:
        self.tests, self.by = tests, ""

    def pytest_collection_modifyitems(self, items):
        """Once all are collected."""
        known = {item.nodeid: item for item in items}
        items[:] = [known[name] for name in self.tests if name in known]

    def pytest_runtest_logreport(self, report):
        """Note the one that fails."""
        if report.failed:
            self.by = report.nodeid


def main() -> None:
    """Do what the file says."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    options = ["-q", "-p", "no:cacheprovider", "-m", job["markers"], *job["files"]]
    result: dict
    if job["kind"] in ("record", "collect"):
        recorder = Recorder(job["measured"], job["limit"])
        pytest.main(["--collect-only", *options] if job["kind"] == "collect" else options, plugins=[recorder])
        result = recorder.result()
    elif job["kind"] == "run":
        selector = Selector(job["tests"])
        code = pytest.main(["-x", *options], plugins=[selector])
        result = {"survived": code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), "by": selector.by}
    else:
        trier = Trier(job["jobs"], job["seconds"], job["until"], job["grace"], job["caught"])
        pytest.main(options, plugins=[trier])
        result = {"rows": trier.rows}
    Path(job["found"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
