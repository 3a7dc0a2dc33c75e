"""The five course notes that tinyconv accompanies: their programs, networks and numbers, computed again.

``programs/`` holds each note's Keras program, with only its import lines changed, and `run_note` runs one on its data.
`networks` holds each network as a function, for other data too. `reproduce` compares every number that the notes print
and that needs no data.
"""

from tinyconv.notes.comparison import Row, remarks, reproduce, table
from tinyconv.notes.findings import NOTES
from tinyconv.notes.networks import NETWORKS, Program, network
from tinyconv.notes.reproduction import run_note

__all__ = ["NETWORKS", "NOTES", "Program", "Row", "network", "remarks", "reproduce", "run_note", "table"]
