"""For each note: its data, what it prints, and where it slips."""

from tinyconv.notes.findings import note000, note001, note002, note003, note004
from tinyconv.notes.findings.base import Findings, Section, Slip, as_printed, reached

#: By the number of the note.
NOTES = {module.FINDINGS.note: module.FINDINGS for module in (note000, note001, note002, note003, note004)}

__all__ = [
    "NOTES",
    "Findings",
    "Section",
    "Slip",
    "as_printed",
    "note000",
    "note001",
    "note002",
    "note003",
    "note004",
    "reached",
]
