# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Several requests of one caller, which end when the caller gives up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    FirstError,
    gatherResults,
)
from twisted.python.failure import Failure

__all__ = ["allOf", "fewAtATime"]

T = TypeVar("T")


def allOf(requests: Iterable[Deferred[Any]]) -> Deferred[list[tuple[bool, Any]]]:
    """
    Wait for all requests.

    @return: fires with the success and the result of each, as C{DeferredList} does.  If
        it is cancelled, it cancels all requests, and fails: C{DeferredList} would fire,
        and its caller would go on.
    """

    def cancelled(result: Deferred[Any]) -> None:
        result.errback(CancelledError())
        gathering.cancel()

    def gathered(results: list[tuple[bool, Any]]) -> None:
        if not result.called:
            result.callback(results)

    result: Deferred[list[tuple[bool, Any]]] = Deferred(cancelled)
    gathering: Deferred[Any] = DeferredList(list(requests), consumeErrors=True)
    gathering.addCallback(gathered)
    return result


def fewAtATime(
    count: int, begin: Callable[[T], Deferred[Any]], items: Iterable[T]
) -> Deferred[Any]:
    """
    Make a request for each item.

    @param count: the most requests at a time.
    @param begin: begins the request for an item.
    @return: fires when all are done, and fails with the first error; no further request
        takes the place of one that has failed.  If it is cancelled, it cancels the
        requests that have begun, and begins no other.
    """
    rest = iter(items)

    async def work() -> None:
        for each in rest:
            await begin(each)

    working: Deferred[Any] = gatherResults(
        [Deferred.fromCoroutine(work()) for _ in range(count)], consumeErrors=True
    )
    return working.addErrback(_first)


def _first(failed: Failure) -> Failure:
    """
    Return the error of the request that has failed first.
    """
    error = failed.value
    assert isinstance(error, FirstError)
    return error.subFailure
