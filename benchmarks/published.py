# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Published runs of gossipsub, and simulated ones under the same conditions.

From the command line, at the root of the repository::

    python -m benchmarks.published --table docs/pubsub-published.inc

The figures of others are those that their authors print, or computed from the times
that they have published; none is read off a picture.  A simulated run has their number
of nodes, dials, mesh degrees, delays and lines, but fewer messages.  The sources:

  - Vyzovitis, Preliminary EPISUB results with 1000 nodes, gist of 2022-08-07: the
    simulator of the authors of gossipsub
  - Vyzovitis et al., GossipSub: Attack-Resilient Message Propagation in the Filecoin
    and ETH2.0 Networks, 2020, arXiv 2007.02754, tables 3 and 4: go-libp2p-pubsub
  - waku-org/research, docs/message-propagation.md, and
    rln-delay-simulations/raw/latency_10kb.txt without the first message: nwaku
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from twisted_libp2p.pubsub import Parameters, Profile
from twisted_libp2p.testing.topics import TopicFigures, TopicNetwork

__all__ = ["RUNS", "PublishedRun", "main", "simulate", "table"]

#: The cell of a figure that was not published.
NONE = "\N{EN DASH}"

#: Seconds before the first message, and after the last one.
BEFORE, AFTER = 5.0, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRun:
    """
    A published run.

    @ivar name: what was run, as the table says it.
    @ivar figures: its figures, as the table shows them: copies, p50, p99, last.
    @ivar parameters: those of its meshes.
    @ivar dials: the number of nodes that each node dials.
    @ivar latency: the least and the greatest delay of a connection in seconds.
    @ivar jitter: the share by which it varies.
    @ivar validation: the seconds that a validation takes.
    @ivar before: the seconds that an author needs for a message before it leaves; they
        are a part of the latencies.
    @ivar rate: the bytes that the line of a node takes in a second; 0 for any number.
    @ivar size: the bytes of a message.
    @ivar nodes: the number of nodes.
    """

    name: str
    figures: tuple[str, str, str, str]
    parameters: Parameters
    dials: int = 20
    latency: tuple[float, float] = (0.05, 0.05)
    jitter: float = 0.0
    validation: float = 0.0
    before: float = 0.0
    rate: float = 0.0
    size: int = 0
    nodes: int = 1000


def _paper(degree: int, last: int, late: int) -> PublishedRun:
    """
    Return a run of table 4 of the paper on gossipsub 1.1, whose mesh degrees are in its
    table 3.

    @param degree: the degree of meshes.
    @param last: the greatest latency in milliseconds.
    @param late: the 99th percentile.
    """
    low = degree * 3 // 4
    return PublishedRun(
        name=f"paper of gossipsub 1.1, D = {degree}",
        figures=(NONE, NONE, f"{late} ms", f"{last} ms"),
        parameters=Parameters(
            degree=degree,
            degreeLow=low,
            degreeScore=low,
            degreeHigh=degree * 3 // 2,
            degreeOut=min(2, low - 1),
        ),
        jitter=0.1,
        size=2048,
    )


#: The runs.
RUNS: Sequence[PublishedRun] = (
    PublishedRun(
        name="gerbil-simsub, gossipsub 1.0",
        figures=("6.29", "200 to 300 ms", "300 to 400 ms", "300 to 400 ms"),
        parameters=Parameters(floodPublish=False),
        latency=(0.01, 0.15),
    ),
    *(_paper(*each) for each in ((4, 245, 175), (8, 185, 139), (16, 161, 117))),
    PublishedRun(
        name="nwaku in Shadow, 10 kB",
        figures=(NONE, "518 ms", "644 ms", "673 ms"),
        parameters=Parameters(degreeLow=4, degreeOut=3, degreeScore=6),
        dials=25,
        latency=(0.1, 0.1),
        validation=0.012,
        before=0.15,
        rate=38_000_000 / 8,
        size=10_000,
    ),
)


def simulate(run: PublishedRun, messages: int, seed: int = 1) -> TopicFigures:
    """
    Publish a message a second, each by another node, under the conditions of a run.
    """
    network = TopicNetwork(
        run.nodes,
        dials=run.dials,
        profile=Profile(parameters=run.parameters),
        latency=run.latency,
        jitter=run.jitter,
        validationTime=run.validation,
        seed=seed,
    )
    if run.rate:
        for number in network.honest:
            network.slow(number, run.rate)
    network.run(BEFORE)
    for number in range(messages):
        data = b"message %d" % number
        network.publish(network.honest[number], data.ljust(run.size))
        network.run(1.0)
    network.run(AFTER)
    return network.figures()


def _cells(run: PublishedRun, figures: TopicFigures) -> tuple[str, ...]:
    """
    Return the figures of a simulated run: copies, p50, p99, last.
    """
    times = (run.before + figures.percentile(each) for each in (0.5, 0.99, 1.0))
    return (f"{figures.copies:.2f}", *(f"{1000 * each:.0f} ms" for each in times))


def table(runs: Iterable[tuple[PublishedRun, TopicFigures]]) -> str:
    """
    Return runs as a table of the manual, each published one above the simulated one.
    """
    rows: list[tuple[str, ...]] = [("run", "copies", "p50", "p99", "last")]
    for run, figures in runs:
        rows += [(run.name, *run.figures), ("simulated", *_cells(run, figures))]
    text = [".. list-table::", "   :header-rows: 1", "   :widths: 34 12 18 18 18", ""]
    for row in rows:
        text += [f"   * - {row[0]}", *(f"     - {each}" for each in row[1:])]
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Simulate all runs, and print a line for each.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10)
    parser.add_argument("--only", help="the runs whose names contain a text")
    parser.add_argument("--table", type=Path, help="writes a table for the manual")
    options = parser.parse_args(arguments)
    runs = []
    for run in RUNS:
        if options.only and options.only not in run.name:
            continue
        began = time.process_time()
        figures = simulate(run, options.messages)
        spent = time.process_time() - began
        print(
            f"{run.name}: {', '.join(run.figures)}; simulated:"
            f" {', '.join(_cells(run, figures))}, {100 * figures.delivered:.2f} %"
            f" delivered, mesh of {figures.degree:.1f}; {spent:.0f} s of CPU",
            flush=True,
        )
        runs.append((run, figures))
    if options.table is not None:
        options.table.write_text(table(runs))


if __name__ == "__main__":
    # A simulation makes no cycles, and much time is spent in search of them.
    gc.disable()
    main()
