# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which foreign peers there are, what becomes of the results, and the time of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final

import pytest
from twisted.internet.defer import Deferred

from tests.interop.idle import Idlers
from tests.interop.matrix import Cell
from tests.interop.peers.build import available, build, required
from tests.interop.results import TABLE, Results
from tests.interop.sides import Sides

#: Seconds that a test may take, also on a busy machine.  One that waits for a peer that
#: never does its part fails, and the others are run.
LIMIT: Final = 900

RESULTS = pytest.StashKey[Results]()


def pytest_configure(config: pytest.Config) -> None:
    """
    Begin without results.
    """
    config.stash[RESULTS] = Results()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Give each test its time.
    """
    # Pytest-twisted has installed the reactor by now.
    from twisted.internet import reactor

    for item in items:
        if isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.obj = _limited(item.obj, reactor)


def _limited(test: Callable[..., Any], reactor: Any) -> Callable[..., Any]:
    """
    Cancel a test that takes too long: it fails where it waits.
    """

    @wraps(test)
    async def limited(**given: Any) -> None:
        await Deferred.fromCoroutine(test(**given)).addTimeout(LIMIT, reactor)

    return limited


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Results:
    """
    Give what gathers the results of the matrix.
    """
    return request.config.stash[RESULTS]


@pytest.fixture(scope="session")
def sides() -> Sides:
    """
    Give what starts both sides of a connection.
    """
    return Sides()


@pytest.fixture(scope="session", autouse=True)
def idlers(request: pytest.FixtureRequest, sides: Sides) -> Idlers:
    """
    Begin with all that are to be idle, before the first test.
    """
    return Idlers(
        [
            cell
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.originalname == "test_idle"
            for cell in item.callspec.params.values()
            if isinstance(cell, Cell)
        ],
        sides,
    )


@pytest.fixture(scope="session")
def command() -> Callable[[str], list[str]]:
    """
    Give what tells the command of a peer, or skips where there is none.
    """

    def commandOf(name: str) -> list[str]:
        missing = available(name)
        if missing is None:
            return build(name)
        if required(name):
            pytest.fail(f"the {name} peer is required: {missing}")
        pytest.skip(f"no {name} peer: {missing}")

    return commandOf


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """
    Write the table of the documentation, if the whole matrix was run.
    """
    results = config.stash[RESULTS]
    missing = results.missing()
    if missing:
        told = f"not written: {', '.join(missing)} did not run, or not all of it"
    else:
        TABLE.write_text(results.render(), encoding="utf-8")
        told = "written"
    terminalreporter.write_line(f"{TABLE.name}: {told}")
