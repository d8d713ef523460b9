# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Topics of thousands of nodes in one process and in virtual time.

From the command line, at the root of the repository::

    python -m benchmarks.topics --nodes 1000 10000 --svg docs/pubsub.svg

The routers are those of the package; an RPC takes 10 to 150 ms, as in the simulator of
the authors of gossipsub (gerbil-simsub).  Each node dials ten others, and its own
messages go to its mesh alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from twisted_libp2p.pubsub import Parameters
from twisted_libp2p.testing.topics import TopicFigures, TopicNetwork

__all__ = ["main", "plot", "simulate"]

#: Seconds before the first message, and after the last one.
BEFORE, AFTER = 5.0, 5.0

# Readable on white and on black.
_INK, _BARS = "#7a7a7a", ("#d9822b", "#4c8fbd", "#7a9a3a", "#9a5a9a")

_WIDTH, _HEIGHT, _STEP = 640, 220, 0.05


def simulate(nodes: int, messages: int, mute: float = 0.0) -> TopicFigures:
    """
    Publish a message a second, each by another node.

    @param mute: the share of the nodes that pass nothing on.
    """
    parameters = Parameters(floodPublish=False)
    muted = int(nodes * mute)
    network = TopicNetwork(nodes, parameters=parameters, mute=muted)
    network.run(BEFORE)
    for number in range(messages):
        network.publish(number, b"message %d" % number)
        network.run(1.0)
    network.run(AFTER)
    return network.figures()


def line(name: str, figures: TopicFigures) -> str:
    """
    Return the figures as a line.
    """
    middle, late, last = (1000 * figures.percentile(each) for each in (0.5, 0.99, 1.0))
    return (
        f"{name}: {figures.published} messages, {100 * figures.delivered:.2f} %"
        f" delivered, {figures.copies:.2f} copies, p50 {middle:.0f} ms, p99"
        f" {late:.0f} ms, last {last:.0f} ms, mesh of {figures.degree:.1f},"
        f" {figures.have} IHAVE, {figures.want} IWANT"
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
    parser.add_argument("--mute", type=float, default=0.3, help="share of the sybils")
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args(arguments)
    runs = []
    for nodes in options.nodes:
        shares = dict.fromkeys((0.0, options.mute))
        for mute in shares:
            name = f"{nodes} nodes" + (f", {100 * mute:.0f} % mute" if mute else "")
            figures = simulate(nodes, options.messages, mute)
            print(line(name, figures), flush=True)
            runs.append((name, figures))
    if options.svg is not None:
        options.svg.write_text(plot(runs))


if __name__ == "__main__":
    main()
