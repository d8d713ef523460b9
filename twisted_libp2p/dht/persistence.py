# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records of a server in a database: memory answers, and the database follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.dht.providers import LIFETIME, MAX_RECORDS, ProviderStore, Record
from twisted_libp2p.dht.values import MAX_VALUES, StoredValue, ValueStore
from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDatabase
from twisted_libp2p.logger import Logger

__all__ = ["WRITE_DELAY", "Persistence"]

#: Seconds from a change until it is written.
WRITE_DELAY: Final = 1.0

#: The most rows of one transaction.
_ROWS: Final = 2000

_INSERT_VALUE: Final = (
    "INSERT INTO dht_values (owner, key, value, received, putter)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner, key) DO UPDATE SET"
    " value = excluded.value, received = excluded.received, putter = excluded.putter"
)
_INSERT_PROVIDER: Final = (
    "INSERT INTO dht_providers (owner, key, peer, received) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (owner, key, peer) DO UPDATE SET received = excluded.received"
)
_DELETE_VALUE: Final = "DELETE FROM dht_values WHERE owner = ? AND key = ?"
_DELETE_PROVIDER: Final = (
    "DELETE FROM dht_providers WHERE owner = ? AND key = ? AND peer = ?"
)

#: The statements of one transaction, each with its rows.
Batch = Sequence[tuple[str, Sequence[tuple[Any, ...]]]]


class Persistence:
    """
    Writes the changes of the stores, and reads all records at the start.
    """

    _log = Logger()

    def __init__(
        self,
        database: IDatabase,
        clock: IReactorTime,
        owner: bytes,
        values: ValueStore,
        providers: ProviderStore,
    ) -> None:
        """
        Follow the changes of two stores.

        @param database: the database.
        @param clock: the time.
        @param owner: the node and the network whose records these are.
        @param values: the values.
        @param providers: the providers.
        """
        self._database = database
        self._clock = clock
        self._owner = owner
        self._values = values
        self._providers = providers
        self._changedValues: dict[bytes, None] = {}
        self._changedProviders: dict[Record, None] = {}
        self._writing: IDelayedCall | None = None
        self._lock = DeferredLock()
        values.changed = self._valueChanged
        providers.changed = self._providerChanged

    def start(self) -> Deferred[None]:
        """
        Read all records that have not expired.

        @return: fires when they are in memory.
        """
        loading = self._database.whenLoaded()
        loading.addCallback(
            lambda _: self._database.transact(
                self._read, self._clock.seconds() - LIFETIME
            )
        )
        return loading.addCallbacks(self._loaded, self._failed)

    def stop(self) -> Deferred[None]:
        """
        Write the remaining changes, and follow no further ones.
        """
        self._values.changed = lambda _: None
        self._providers.changed = lambda _: None
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        return self._write()

    def _valueChanged(self, key: bytes) -> None:
        self._changedValues[key] = None
        self._schedule()

    def _providerChanged(self, record: Record) -> None:
        self._changedProviders[record] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._writing is None:
            self._writing = self._clock.callLater(WRITE_DELAY, self._written)

    def _written(self) -> None:
        self._writing = None
        self._write()

    def _write(self) -> Deferred[None]:
        """
        Write all changes, some in each transaction.
        """
        return self._lock.run(lambda: Deferred.fromCoroutine(self._writeAll()))

    async def _writeAll(self) -> None:
        while self._changedValues or self._changedProviders:
            values = dict(list(self._changedValues.items())[:_ROWS])
            providers = dict(list(self._changedProviders.items())[:_ROWS])
            batch = self._batch(list(values), list(providers))
            for key in values:
                del self._changedValues[key]
            for record in providers:
                del self._changedProviders[record]
            try:
                await self._database.transact(self._store, batch)
            except Exception:
                # The next change tries again.
                self._changedValues = {**values, **self._changedValues}
                self._changedProviders = {**providers, **self._changedProviders}
                self._failed(Failure())
                return

    def _batch(self, keys: Sequence[bytes], records: Sequence[Record]) -> Batch:
        """
        Make the statements that bring the database up to date.
        """
        owner, now = self._owner, self._clock.seconds()
        stored = [(key, self._values.get(key, now)) for key in keys]
        received = [(record, self._providers.received(record)) for record in records]
        return (
            (_DELETE_VALUE, [(owner, key) for key, found in stored if found is None]),
            (
                _INSERT_VALUE,
                [
                    (owner, key, found.value, found.received, found.putter)
                    for key, found in stored
                    if found is not None
                ],
            ),
            (
                _DELETE_PROVIDER,
                [
                    (owner, key, peer.toBytes())
                    for (key, peer), when in received
                    if when is None
                ],
            ),
            (
                _INSERT_PROVIDER,
                [
                    (owner, key, peer.toBytes(), when)
                    for (key, peer), when in received
                    if when is not None
                ],
            ),
        )

    def _store(self, connection: Any, batch: Batch) -> None:
        cursor = connection.cursor()
        for statement, rows in batch:
            if rows:
                cursor.executemany(self._sql(statement), rows)

    def _read(self, connection: Any, oldest: float) -> tuple[list[Any], list[Any]]:
        """
        Drop expired records, and read the others, oldest first.
        """
        cursor = connection.cursor()
        found: list[list[Any]] = []
        for table, columns, most in (
            ("dht_values", "key, value, received, putter", MAX_VALUES),
            ("dht_providers", "key, peer, received", MAX_RECORDS),
        ):
            cursor.execute(
                self._sql(f"DELETE FROM {table} WHERE owner = ? AND received <= ?"),
                (self._owner, oldest),
            )
            cursor.execute(
                self._sql(
                    f"SELECT {columns} FROM {table} WHERE owner = ?"
                    " ORDER BY received DESC LIMIT ?"
                ),
                (self._owner, most),
            )
            found.append(cursor.fetchall()[::-1])
        values, providers = found
        return values, providers

    def _loaded(self, found: tuple[list[Any], list[Any]]) -> None:
        """
        Take the records that are not newer in memory.
        """
        values, providers = found
        now = self._clock.seconds()
        for key, value, received, putter in values:
            if self._values.get(bytes(key), now) is None:
                stored = StoredValue(bytes(value), received, bytes(putter))
                self._values.load(bytes(key), stored)
        for key, peer, received in providers:
            try:
                record = bytes(key), PeerID.fromBytes(bytes(peer))
            except InvalidPeerID:
                continue
            if self._providers.received(record) is None:
                self._providers.load(record, received)

    def _failed(self, reason: Failure) -> None:
        self._log.error(
            "the records of the DHT are kept in memory only: {reason}",
            reason=reason.getErrorMessage(),
        )

    def _sql(self, statement: str) -> str:
        return statement.replace("?", self._database.placeholder)
