"""The five course notes that tinyconv accompanies: their networks, and their numbers computed again.

`networks` holds each network as the function that the note's Keras program would be, `reproduce` compares every number
that the notes print with what tinyconv makes of it.
"""

from tinyconv.notes.comparison import Row, remarks, reproduce, table
from tinyconv.notes.networks import NETWORKS, Program, network

__all__ = ["NETWORKS", "Program", "Row", "network", "remarks", "reproduce", "table"]
