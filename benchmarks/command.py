"""What the commands have in common: arguments, a line for each problem, the files they write."""

import argparse
import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers import COMPETITORS, OURS
from benchmarks.problems import Problem
from benchmarks.report import Measurement, as_json, machine, machine_line
from benchmarks.turns import Entrant, Phase, measure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Command:
    """A run: who takes part, what was measured, and where it goes.

    Args:
        name: of the module, in this folder.
        about: its docstring, of which the first line is shown.
        rounds: how often everybody has a turn, unless the user says otherwise.
    """

    def __init__(self, name: str, about: str | None, rounds: int) -> None:
        program, first = f"python -m benchmarks.{name}", (about or "").split("\n")[0]
        self.name = name
        self.parser = argparse.ArgumentParser(prog=program, description=first)
        self.parser.add_argument("--rounds", type=count, default=rounds, help=f"turns of everybody ({rounds})")
        self.parser.add_argument("--threads", type=count, default=1, help="threads, and cores, of each process (1)")
        self.parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
        self.parser.add_argument("--quick", action="store_true", help="one round of one call, to see that it works")
        self.results: dict[str, dict[str, Measurement]] = {}
        self.settings: dict[str, Any] = {}

    def add_peers(self, choices: Sequence[str], default: Sequence[str]) -> None:
        """An argument: against whom."""
        usual = "all that are installed" if set(default) == set(choices) else " ".join(default)
        about = f"whom to compare with ({usual}); or nobody"
        self.parser.add_argument("--peers", nargs="*", choices=choices, default=default, help=about)

    def add_one_at_a_time(self) -> None:
        """An argument: less memory, more time."""
        about = "start everybody anew for each turn, so that only one is in memory; M5 needs about 8 GB each"
        self.parser.add_argument("--one-at-a-time", action="store_true", help=about)

    def add_picture(self) -> None:
        """An argument: a picture."""
        self.parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the results, for example as PNG")

    def start(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Read the command line and say on what machine this is."""
        args = self.args = self.parser.parse_args(arguments)
        args.rounds = 1 if args.quick else args.rounds
        self.machine = machine()
        self.conditions = f"{_several(args.threads, 'thread')}, {_several(args.rounds, 'round')}"
        print(f"{machine_line(self.machine)}; {self.conditions}", flush=True)
        files = ("json", "picture")
        self.settings = {name: value for name, value in vars(args).items() if name not in files}
        return args

    def present(self, names: Sequence[str]) -> list[str]:
        """Those who can take part here; a line says who cannot."""
        obstacles = {name: COMPETITORS[name].obstacle() for name in names}
        self.settings["absent"] = {name: obstacle for name, obstacle in obstacles.items() if obstacle}
        for name, obstacle in self.settings["absent"].items():
            print(f"Without {COMPETITORS[name].title}: {obstacle}.")
        return [name for name in names if not obstacles[name]]

    def run(self, key: str, problem: Problem, names: Sequence[str], phases: Sequence[Phase], **settings: Any) -> bool:
        """Measure one problem; whether everybody computed the same. If not, the reason is printed."""
        entrants = {name: Entrant(name, problem, self.args.threads) for name in [OURS, *names]}
        if not self.measure(key, entrants, phases, **settings):
            return False
        loss = self.results[key][OURS].loss
        print(f"{key}: {problem.title}; the loss is {loss:.5f} for all", flush=True)
        return True

    def measure(
        self, key: str, entrants: Mapping[str, Entrant], phases: Sequence[Phase], **settings: Any
    ) -> dict[str, Measurement] | None:
        """The same for entrants of any kind; what was measured, or None."""
        self.settings.setdefault("entrants", {})[key] = {name: asdict(entrant) for name, entrant in entrants.items()}
        self.settings.setdefault("phases", {})[key] = [_plain(asdict(phase)) for phase in phases]
        try:
            self.results[key] = measure(entrants, phases, self.args.rounds, **settings)
        except (RuntimeError, ValueError) as error:
            print(f"{key}: {error}", file=sys.stderr)
            return None
        return self.results[key]

    def finish(
        self, text: str, draw: Callable[[], "Figure"] | None = None, more: Mapping[str, Any] | None = None
    ) -> None:
        """Print the tables and write the files that are asked for; ``more`` goes into the JSON beside the results."""
        print(f"\n{text}")
        if self.args.json:
            found = {"command": self.name, "machine": self.machine, "settings": self.settings}
            found |= {"results": as_json(self.results), **(more or {})}
            self.args.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
        if draw is not None and self.args.picture:
            draw().savefig(self.args.picture, dpi=150)


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1. Received {text!r}.")
    return int(text)


def _several(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n > 1 else ''}"


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: sorted(v) if isinstance(v, Collection) and not isinstance(v, str) else v for name, v in settings.items()
    }
