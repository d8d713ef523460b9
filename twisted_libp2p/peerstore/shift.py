# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The difference between our clock and those of a store.

A store that several machines share has two clocks.  What was learnt is dated by the
clock of the database, so that the later of two facts wins whatever the clocks of the
machines say.  What expires is dated by the clock of the store, which stands still while
no program uses the store: it is the database's, less all pauses.
"""

from __future__ import annotations

from math import inf
from typing import Final, NamedTuple

from twisted_libp2p.peerstore.rows import TIMES, Row

__all__ = ["Reading", "Shift"]

#: Seconds by which a clock may differ from what is known of it: the clocks of machines
#: that are kept on time agree, and need no conversion.
TOLERANCE: Final = 0.25

#: A difference is a whole number of these in a second.  A sum of a time and such a
#: difference is exact, so a time that comes back is the same time.
_PARTS: Final = 8


class Reading(NamedTuple):
    """
    The clock of a database, as it was read.

    @ivar clock: the time of the database.
    @ivar paused: the seconds for which no program has used the store, in all.
    @ivar before: our time before it was asked for.
    @ivar after: our time after the answer.
    """

    clock: float
    paused: float
    before: float
    after: float


class Shift(NamedTuple):
    """
    How to convert our times into those of a store.

    @ivar clock: the seconds by which the clock of the database is ahead of ours.
    @ivar paused: the seconds by which the clock of the store is behind that of the
        database.
    """

    clock: float = 0.0
    paused: float = 0.0

    def adjusted(self, reading: Reading) -> Shift:
        """
        Return what is right after the clock was read.
        """
        clock = self.clock
        # The database has read its clock at some time between.
        least = reading.clock - reading.after - TOLERANCE
        most = reading.clock - reading.before + TOLERANCE
        if not least <= clock <= most:
            # It does so first, before it waits for anything.
            clock = round((reading.clock - reading.before) * _PARTS) / _PARTS
        return Shift(clock, reading.paused)

    @property
    def expiry(self) -> float:
        """
        The seconds by which the clock of the store is ahead of ours.
        """
        return self.clock - self.paused

    def outward(self, row: Row) -> Row:
        """
        Convert a row of ours into one of the store.
        """
        return self._moved(row, self.clock, self.expiry)

    def inward(self, row: Row) -> Row:
        """
        Convert a row of the store into one of ours.
        """
        return self._moved(row, -self.clock, -self.expiry)

    def _moved(self, row: Row, clock: float, expiry: float) -> Row:
        if not (clock or expiry):
            return row
        # A time of 0 means "never".
        fields = row._asdict()
        moved = {
            name: time + clock for name in TIMES[type(row)] if (time := fields[name])
        }
        if row.expires and row.expires != inf:
            moved["expires"] = row.expires + expiry
        return row._replace(**moved)
