# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How many examples the tests try that draw them at random.

They are few, and always the same, in the suite; C{make fuzz} sets C{EXAMPLES} to
have so many times as many, and others each time.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from random import SystemRandom
from typing import Any
from unittest import SkipTest

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

__all__ = ["drawn", "explained", "explore", "seeds"]

_FACTOR = int(os.environ.get("EXAMPLES", "1"))

# Where nobody waits for a short example of what has failed.
_PHASES = [Phase.explicit, Phase.generate, Phase.target, Phase.shrink]


def _settings(count: int, **more: Any) -> settings:
    return settings(
        max_examples=count * _FACTOR,
        derandomize=_FACTOR == 1,
        database=None,
        deadline=None,
        **more,
    )


@contextmanager
def explained(explain: Callable[[], str] = str) -> Iterator[None]:
    """
    Let what fails within tell the example.  hypothesis puts it into a note of the
    exception, and trial prints none: so they become a part of the message.  A test that
    is skipped within stays skipped.

    @param explain: tells the example, where nobody else does.
    """
    try:
        yield
    except SkipTest:
        raise
    except Exception as error:
        error.add_note(explain())
        raise AssertionError(traceback.format_exc()) from None


def explore(
    build: Callable[[], RuleBasedStateMachine], count: int, steps: int = 50
) -> None:
    """
    Let a model go through examples.

    @param build: makes the model of one example.
    @param count: how many examples the suite tries.
    @param steps: how many steps each has at the most.
    """
    factory: Any = build
    with explained():
        run_state_machine_as_test(
            factory,
            settings=_settings(
                count,
                stateful_step_count=steps,
                report_multiple_bugs=False,
                phases=_PHASES,
                suppress_health_check=list(HealthCheck),
            ),
        )


def drawn(
    count: int,
    *strategies: SearchStrategy[Any],
    **named: SearchStrategy[Any],
) -> Callable[[Callable[..., None]], Callable[[Any], None]]:
    """
    Let a test try examples.

    @param count: how many the suite tries.
    @param strategies: what to draw them from, as for C{given} of hypothesis.
    @param named: likewise, by the parameter that takes it.
    """

    def decorate(test: Callable[..., None]) -> Callable[[Any], None]:
        # How fast the machine is, and what else it does, is no matter of the test.
        chosen = _settings(count, suppress_health_check=[HealthCheck.too_slow])
        trying: Any = chosen(given(*strategies, **named)(test))

        @wraps(trying)
        def run(case: Any) -> None:
            with explained():
                trying(case)

        return run

    return decorate


def seeds(count: int) -> Iterator[int]:
    """
    Give the seeds of what leads through a model at random.  hypothesis varies what it
    has tried before, and so sees less of a model in which most ways are alike.

    @param count: how many ways the suite tries.
    """
    for number in range(count * _FACTOR):
        yield number if _FACTOR == 1 else SystemRandom().getrandbits(64)
