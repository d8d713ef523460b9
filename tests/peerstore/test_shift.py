# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.shift}.
"""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow, Row, TagRow
from twisted_libp2p.peerstore.shift import Reading, Shift

NOW = 1_750_000_000.0


class ShiftTests(SynchronousTestCase):
    """
    Between our clock and those of a store.
    """

    def test_same(self) -> None:
        """
        Clocks that agree need no conversion, even if the answer comes late.
        """
        for clock, after in ((NOW, NOW), (NOW + 0.2, NOW + 0.1), (NOW + 4, NOW + 5)):
            reading = Reading(clock, 0.0, min(NOW, clock), after)
            shift = Shift().adjusted(reading)
            if clock < NOW + 1:
                self.assertEqual(shift, Shift())
        row = TagRow(b"peer", "tag", NOW, 1, inf)
        self.assertIs(Shift().outward(row), row)

    def test_ahead(self) -> None:
        """
        The difference is kept while it is right, and corrected when it is not.
        """
        shift = Shift().adjusted(Reading(NOW + 3600.1, 7.0, NOW, NOW + 0.2))
        self.assertEqual(shift, Shift(3600.125, 7.0))
        same = shift.adjusted(Reading(NOW + 3600.2, 7.0, NOW, NOW + 3.0))
        self.assertEqual(same, shift)
        late = shift.adjusted(Reading(NOW + 30.0, 8.0, NOW, NOW + 0.1))
        self.assertEqual(late, Shift(30.0, 8.0))

    def test_rows(self) -> None:
        """
        What was learnt is dated by the database's clock, and what expires by the
        store's; never and for ever stay what they are.
        """
        shift = Shift(100.0, 30.0)
        row = AddressRow(b"peer", b"address", NOW, 2, NOW + 9, 0.0, NOW - 1)
        self.assertEqual(
            shift.outward(row),
            AddressRow(b"peer", b"address", NOW + 100, 2, NOW + 79, 0.0, NOW + 99),
        )
        for expires in (0.0, inf):
            kept = shift.outward(TagRow(b"peer", "tag", NOW, 1, expires))
            self.assertEqual(kept.expires, expires)

    @drawn(
        100,
        st.integers(-80_000, 80_000),
        st.integers(0, 10_000_000),
        st.floats(0.0, 2e9),
        st.floats(1e9, 2e9),
    )
    def test_exact(self, eighths: int, paused: int, one: float, two: float) -> None:
        """
        A time that comes back is the same time.
        """
        # What a clock says has no more digits than this.
        one, two = (round(time * 4096) / 4096 for time in (one, two))
        shift = Shift(eighths / 8, float(paused))
        rows: list[Row] = [
            PeerRow(b"", one, two, one, b"", two, "", "", "", b"", b"", one, ""),
            AddressRow(b"", b"", one, 0, two, two, 0.0),
        ]
        for row in rows:
            moved = shift.outward(row)
            if 0.0 not in (moved.expires, *moved[1:2]) and moved.expires > 0:
                self.assertEqual(shift.inward(moved), row)
