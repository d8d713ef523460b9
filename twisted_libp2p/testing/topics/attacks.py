# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Attacks of sybils on a topic, those of gossipsub-hardening, to see what a profile makes
of them::

    for each in SCENARIOS:
        outcome = play(each, profile)
        print(each.name, outcome.figures.percentile(0.99), outcome.recovered)

See libp2p/gossipsub-hardening, scripts/configs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any, Final

from twisted_libp2p.pubsub import Profile
from twisted_libp2p.testing.topics.figures import TopicFigures
from twisted_libp2p.testing.topics.hardening import hardening
from twisted_libp2p.testing.topics.network import TopicNetwork
from twisted_libp2p.testing.topics.sybil import Sybil

__all__ = [
    "SCENARIOS",
    "Arrival",
    "Outcome",
    "Scenario",
    "Step",
    "Target",
    "play",
]

#: The share of the honest nodes that publish, as there.
_PUBLISHERS: Final = 0.1

#: The connections that each honest node opens: half as many as there.
_DIALS: Final = 10

#: The least and the greatest delay of a connection in seconds, and the share by which
#: it varies, as there.
_LATENCY: Final = (0.005, 0.025)
_JITTER: Final = 0.1

#: The seconds between the sybils and the honest nodes of an attack at dawn, as there.
_DAWN: Final = 10.0

#: The seconds at the end in which nothing is published, but gossip still repairs.
_REST: Final = 5.0


class Arrival(Enum):
    """
    When sybils come.
    """

    #: They are there before the honest nodes.
    FIRST = "first"
    #: They come with the honest nodes.
    TOGETHER = "together"
    #: They come with the honest nodes, and behave until the attack.
    COVERT = "covert"
    #: They come to a network that has its meshes.
    LATER = "later"


class Target(Enum):
    """
    The nodes with which sybils connect.
    """

    ONE = "one"
    PUBLISHERS = "publishers"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """
    An attack.

    @ivar name: its name.
    @ivar sybils: the number of sybils for each honest node.
    @ivar degree: the number of honest nodes with which each sybil connects; 0 for all
        targets.
    @ivar target: the nodes with which they connect.
    @ivar arrival: when they come.
    @ivar drop: the share of the messages that they do not pass on.
    @ivar delay: the seconds for which they hold the others back.
    @ivar censors: whether they only drop messages of the first node.
    """

    name: str
    sybils: float
    degree: int = 0
    target: Target = Target.ALL
    arrival: Arrival = Arrival.LATER
    drop: float = 1.0
    delay: float = 0.0
    censors: bool = False


#: The attacks.  Sybils are as many for each honest node, and each honest node has as
#: many of them around it, as in gossipsub-hardening.
SCENARIOS: Final = (
    Scenario(name="no attack", sybils=0.0),
    Scenario(name="eclipse of one node", sybils=1.0, target=Target.ONE),
    Scenario(name="eclipse of the publishers", sybils=1.0, target=Target.PUBLISHERS),
    Scenario(name="eclipse of the network", sybils=4.0, degree=50),
    Scenario(name="censor", sybils=2.0, degree=50, drop=0.0, censors=True),
    Scenario(name="degradation, half dropped", sybils=2.0, degree=50, drop=0.5),
    Scenario(
        name="degradation, delayed by 1 s",
        sybils=2.0,
        degree=50,
        drop=0.0,
        delay=1.0,
    ),
    Scenario(name="cold boot", sybils=4.0, degree=20, arrival=Arrival.TOGETHER),
    Scenario(name="covert flash", sybils=4.0, degree=20, arrival=Arrival.COVERT),
    Scenario(name="attack at dawn", sybils=4.0, degree=20, arrival=Arrival.FIRST),
)


@dataclass(frozen=True, slots=True)
class Step:
    """
    A part of an attack.

    @ivar until: its end, in seconds after the beginning of the attack.
    @ivar soon: the share of the deliveries that came before the deadline.
    @ivar captured: the share of the mesh peers of the attacked nodes that were sybils
        then.
    """

    until: float
    soon: float
    captured: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What an attack has done.

    @ivar figures: the figures of the messages since its beginning: all of them, those
        that came to the eclipsed node, or those of the censored one.
    @ivar steps: its parts.
    @ivar recovered: the seconds after which 99 % of the deliveries of each later step
        came before the deadline; None if that did not happen.
    @ivar digest: a hash of the course.
    """

    figures: TopicFigures
    steps: tuple[Step, ...]
    recovered: float | None
    digest: str


def play(
    scenario: Scenario,
    profile: Profile | None = None,
    *,
    honest: int = 200,
    rate: float = 4.0,
    before: float = 30.0,
    seconds: float = 120.0,
    step: float = 10.0,
    deadline: float = 0.25,
    seed: int = 1,
) -> Outcome:
    """
    Play an attack.

    @param scenario: the attack.
    @param profile: the settings of the honest nodes; those of gossipsub-hardening by
        default.
    @param honest: the number of honest nodes.
    @param rate: messages in a second.
    @param before: seconds before the attack.
    @param seconds: seconds of the attack.
    @param step: seconds of one part of the attack.
    @param deadline: the seconds after which a delivery is late.  Within the default a
        message has to come along meshes: gossip waits for the next heartbeat.
    @param seed: the beginning of everything random.
    """
    attack = _Attack(scenario, profile or hardening(rate), honest, seed)
    network = attack.network
    if scenario.arrival is not Arrival.FIRST:
        attack.publish(before, rate)
    attack.begin()
    start = network.now
    captured = []
    for _ in range(round(seconds / step)):
        attack.publish(step, rate)
        captured.append(network.captured(attack.victims))
    network.run(_REST)
    steps = []
    for place, share in enumerate(captured):
        since = start + place * step
        part = network.figures(since, since + step, **attack.watched)
        steps.append(Step((place + 1) * step, part.within(deadline), share))
    late = [each.until for each in steps if each.soon < 0.99]
    recovered = max(late, default=0.0)
    return Outcome(
        network.figures(start, **attack.watched),
        tuple(steps),
        recovered if recovered < steps[-1].until else None,
        network.digest(),
    )


class _Attack:
    """
    A network and its sybils.

    @ivar watched: the messages and nodes whose figures are those of the attack, as
        options of L{TopicNetwork.figures}.
    @ivar victims: the nodes that sybils attack.
    """

    def __init__(
        self, scenario: Scenario, profile: Profile, honest: int, seed: int
    ) -> None:
        self._scenario = scenario
        self._random = Random(seed)
        self._publishers = max(2, round(_PUBLISHERS * honest))
        self._sybils: list[int] = []
        self._authors = self._inTurns(honest)
        self.network = network = TopicNetwork(
            honest,
            dials=0,
            profile=profile,
            latency=_LATENCY,
            jitter=_JITTER,
            seed=seed,
        )
        if scenario.arrival is Arrival.FIRST:
            self._infiltrate()
            network.run(_DAWN)
        for number in range(honest):
            network.dial(number, _DIALS)
        if scenario.arrival in (Arrival.TOGETHER, Arrival.COVERT):
            self._infiltrate()
        self.victims = frozenset(self._targets())
        self.watched: dict[str, Any] = {}
        if scenario.censors:
            self.watched["authors"] = {0}
        elif scenario.target is Target.ONE:
            self.watched["nodes"] = {0}

    def begin(self) -> None:
        """
        Begin the attack.
        """
        if self._scenario.arrival is Arrival.LATER:
            self._infiltrate()
        for each in self._sybils:
            sybil = self.network.routers[each]
            assert isinstance(sybil, Sybil)
            sybil.attacking = True

    def _targets(self) -> list[int]:
        honest = self.network.honest
        return {
            Target.ONE: honest[:1],
            Target.PUBLISHERS: honest[: self._publishers],
            Target.ALL: honest,
        }[self._scenario.target]

    def _infiltrate(self) -> None:
        """
        Add the sybils.
        """
        scenario, network = self._scenario, self.network
        targets = self._targets()
        degree = min(scenario.degree or len(targets), len(targets))
        for _ in range(round(scenario.sybils * len(network.honest))):
            sybil = network.addSybil(
                self._random.sample(targets, degree),
                drop=scenario.drop,
                delay=scenario.delay,
                censored=[0] if scenario.censors else [],
                attacking=scenario.arrival is not Arrival.COVERT,
            )
            self._sybils.append(sybil)

    def _inTurns(self, honest: int) -> Iterator[int]:
        """
        Go through the authors of the messages.  A censored node publishes every second
        one, and an eclipsed one none.
        """
        count = 0
        while True:
            others = 1 + count % (min(self._publishers, honest) - 1)
            if self._scenario.censors:
                yield 0
            elif self._scenario.target is not Target.ONE:
                others = count % self._publishers
            yield others
            count += 1

    def publish(self, seconds: float, rate: float) -> None:
        """
        Let the publishers publish.
        """
        for _ in range(round(seconds * rate)):
            self.network.publish(next(self._authors), b"%f" % self.network.now)
            self.network.run(1 / rate)
