# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics of thousands of nodes in one process and in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.topics --nodes 1000 10000 --svg docs/pubsub.svg

The routers are those of the package; an RPC takes 10 to 150 ms, as in the simulator of
the authors of gossipsub (gerbil-simsub).  Each node dials ten others, and its own
messages go to its mesh alone.  Each size is run in four ways: undisturbed; with sybils
that take part in every mesh and pass nothing on; with nodes that crash, a hundredth of
them each second, and come back after ten seconds; and with messages of 2 KiB, and three
tenths of the nodes at the end of a line of 1 Mbit/s.

With C{--way "two places"} half of the nodes are in another place, 100 ms away, and all
start together: each is connected with 15 nodes near it at once, and after 2 s with
15 far ones.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from twisted_libp2p.pubsub import Parameters, Profile
from twisted_libp2p.testing.topics import TopicFigures, TopicNetwork

__all__ = ["WAYS", "islands", "main", "plot", "simulate", "twoPlaces"]

#: The ways in which a network is run.
WAYS = ("", "sybils", "churn", "slow lines", "two places")

#: The share of the nodes that are sybils, or have slow lines.
HOSTILE, SLOW = 0.3, 0.3

#: The share of the nodes that crash in a second, and how long they are away.
CRASHES, AWAY = 0.01, 10.0

#: The bytes that a slow line takes in a second, and those of a message then.
RATE, SIZE = 125_000, 2048

_DIALS = 10

#: The delays within a place and between two, when these links are there, and how many
#: of each kind a node dials: it is dialed as often.
_NEAR, _FAR = (0.005, 0.0, 8), (0.1, 2.0, 7)

#: Seconds before the first message, and after the last one.
BEFORE, AFTER = 5.0, 5.0

# Readable on white and on black.
_INK = "#7a7a7a"
_BARS = (
    "#d9822b",
    "#4c8fbd",
    "#7a9a3a",
    "#9a5a9a",
    "#e8b27d",
    "#9cc3dd",
    "#b4c98b",
    "#c79dc7",
)

_WIDTH, _HEIGHT, _STEP = 640, 220, 0.05


def simulate(nodes: int, messages: int, way: str = "", seed: int = 1) -> TopicFigures:
    """
    Publish a message a second, each by another node.

    @param way: one of L{WAYS}.
    """
    profile = Profile(parameters=Parameters(floodPublish=False))
    if way == "two places":
        network = twoPlaces(nodes, profile, seed)
        return _publish(network, messages)
    sybils = int(nodes * HOSTILE) if way == "sybils" else 0
    honest = nodes - sybils
    network = TopicNetwork(honest, dials=_DIALS, profile=profile, seed=seed)
    dice = Random(seed)
    for _ in range(sybils):
        network.addSybil(dice.sample(range(honest), min(2 * _DIALS, honest)))
    if way == "slow lines":
        for number in dice.sample(range(nodes), int(nodes * SLOW)):
            network.slow(number, RATE)
    network.run(BEFORE)
    if way == "churn":
        network.churn(1 / (nodes * CRASHES), AWAY)
    return _publish(network, messages, SIZE if way == "slow lines" else 0)


def _publish(network: TopicNetwork, messages: int, size: int = 0) -> TopicFigures:
    """
    Publish a message a second, each by another node.
    """
    for number in range(messages):
        data = b"message %d" % number
        network.publish(network.honest[number], data.ljust(size))
        network.run(1.0)
    network.run(AFTER)
    return network.figures()


def twoPlaces(nodes: int, profile: Profile, seed: int) -> TopicNetwork:
    """
    Start all nodes of two places together: those with even numbers are in one.
    """
    network = TopicNetwork(nodes, dials=0, profile=profile, seed=seed)
    dice = Random(seed)
    for far, (delay, after, dials) in enumerate((_NEAR, _FAR)):
        network.run(after - network.now)
        for number in range(nodes):
            others = range((number + far) % 2, nodes, 2)
            for other in dice.sample(others, dials):
                network.connect(number, other, delay)
    network.run(BEFORE)
    return network


def islands(network: TopicNetwork) -> list[set[int]]:
    """
    Return the parts of a network between which there is no link of a mesh.
    """
    found: list[set[int]] = []
    left = set(network.honest)
    while left:
        part: set[int] = set()
        edge = {left.pop()}
        while edge:
            number = edge.pop()
            part.add(number)
            edge.update(set(network.meshOf(number)) - part)
        left -= part
        found.append(part)
    return found


def line(name: str, figures: TopicFigures) -> str:
    """
    Return the figures as a line.
    """
    middle, late, last = (1000 * figures.percentile(each) for each in (0.5, 0.99, 1.0))
    return (
        f"{name}: {figures.published} messages, {100 * figures.delivered:.2f} %"
        f" delivered, {figures.copies:.2f} copies, p50 {middle:.0f} ms, p99"
        f" {late:.0f} ms, last {last:.0f} ms, mesh of {figures.degree:.1f} with"
        f" {100 * figures.captured:.0f} % sybils, {figures.have} IHAVE,"
        f" {figures.want} IWANT"
    )


def plot(runs: Sequence[tuple[str, TopicFigures]]) -> str:
    """
    Return the latencies of runs as an SVG picture.
    """
    steps = 1 + max(int(figures.percentile(1.0) / _STEP) for _, figures in runs)
    steps = min(steps, 20)
    wide = _WIDTH / steps
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 60}"'
        f' height="{_HEIGHT + 60}" font-family="sans-serif" font-size="11">'
    ]
    for place, (name, figures) in enumerate(runs):
        colour = _BARS[place % len(_BARS)]
        counts = [0] * steps
        for each in figures.latencies:
            counts[min(steps - 1, int(each / _STEP))] += 1
        for step, count in enumerate(counts):
            height = _HEIGHT * count / max(1, len(figures.latencies))
            left = 40 + step * wide + place * wide / (len(runs) + 1)
            parts.append(
                f'<rect x="{left:.1f}" y="{20 + _HEIGHT - height:.1f}"'
                f' width="{wide / (len(runs) + 1):.1f}" height="{height:.1f}"'
                f' fill="{colour}"/>'
            )
        parts.append(
            f'<text x="{_WIDTH - 140}" y="{14 + 14 * place}" fill="{colour}">'
            f"{name}</text>"
        )
    for step in range(0, steps, 2):
        parts.append(
            f'<text x="{40 + step * wide:.1f}" y="{_HEIGHT + 36}" fill="{_INK}">'
            f"{1000 * step * _STEP:.0f} ms</text>"
        )
    parts.append(
        f'<text x="40" y="{_HEIGHT + 54}" fill="{_INK}">share of the deliveries, by'
        " their time after the publication</text>"
    )
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Run, print the figures, and draw them.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, nargs="+", default=[1000])
    parser.add_argument("--messages", type=int, default=10)
    parser.add_argument("--way", choices=WAYS, nargs="+", default=WAYS[:-1])
    parser.add_argument("--svg", type=Path, help="draws the sizes and ways")
    options = parser.parse_args(arguments)
    runs = []
    for nodes in options.nodes:
        for way in options.way:
            began = time.process_time()
            name = f"{nodes} nodes" + (f", {way}" if way else "")
            figures = simulate(nodes, options.messages, way)
            spent = time.process_time() - began
            print(f"{line(name, figures)}; {spent:.0f} s of CPU", flush=True)
            runs.append((name, figures))
            if options.svg is not None:
                # After each run, since the next one may take long.
                options.svg.write_text(plot(runs))


if __name__ == "__main__":
    # A simulation makes no cycles, and half of its time is spent in search of them.
    gc.disable()
    main()
