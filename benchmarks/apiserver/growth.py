"""How figures change with the number of machines and of watchers, as numbers and as a chart."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import log10

import load
import watching
from dataset import fill
from figures import LOADS
from target import Target

WIDTH, HEIGHT, MARGIN, LEGEND = 720, 420, 60, 200
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#34495e", "#16a085", "#7f8c8d")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What to measure at."""

    machines: tuple[int, ...]
    watchers: tuple[int, ...]
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Point:
    """One figure at one size."""

    figure: str
    by: str
    size: int
    microseconds: float
    """What one costs: of requests one answer, of watches one event, at full load."""


FULL = Sizes(machines=(100, 1_000, 10_000, 50_000), watchers=(1, 10, 100, 1_000), seconds=3)
SHORT = Sizes(machines=(20, 100), watchers=(1, 5), seconds=1)


def measure(target: Target, sizes: Sizes, tell: Callable[[str], None]) -> list[Point]:
    """Return the cost of each kind of request by the number of machines, then of events by that of watchers."""
    points: list[Point] = []
    numbers = iter(range(1, 100_000))
    stored = 0
    for size in sizes.machines:
        tell(f"{size} machines")
        asyncio.run(fill(target, stored, size))
        stored = size
        for name, _, each in LOADS:
            rate = load.run(target, each, size, next(numbers), sizes.seconds).rate
            points.append(Point(figure=name, by="machines", size=size, microseconds=1e6 / rate))
    for count in sizes.watchers:
        tell(f"{count} watchers")
        rate = watching.run(target, count, stored, next(numbers), sizes.seconds).rate
        points.append(Point(figure="event", by="watchers", size=count, microseconds=1e6 / rate))
    return points


def table(points: Sequence[Point]) -> str:
    """Return the points as text."""
    return "\n".join(f"{p.figure:26} {p.size:>7,} {p.by:9} {p.microseconds:>12,.1f} us each" for p in points)


def chart(points: Sequence[Point]) -> str:
    """Return the points as a drawing (SVG). Both axes are logarithmic: what grows in proportion is a straight line."""
    highest = max(p.microseconds for p in points)
    lowest = min(p.microseconds for p in points)
    narrowest, widest = min(p.size for p in points), max(p.size for p in points)

    def place(point: Point) -> str:
        across = log10(point.size / narrowest) / log10(widest / narrowest)
        up = log10(point.microseconds / lowest) / log10(highest / lowest)
        return f"{MARGIN + across * WIDTH:.0f},{MARGIN + (1 - up) * HEIGHT:.0f}"

    lines = "".join(_lines(points, place))
    width, height = WIDTH + 2 * MARGIN + LEGEND, HEIGHT + 2 * MARGIN
    frame = f'<rect x="{MARGIN}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    words = (
        f'<text x="{MARGIN}" y="{MARGIN - 12}">'
        f"microseconds for one, at full load: {lowest:,.1f} to {highest:,.0f}</text>"
        f'<text x="{MARGIN}" y="{height - 20}">machines or watchers: {narrowest:,} to {widest:,}</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        f"{frame}{words}{lines}</svg>\n"
    )


def _lines(points: Sequence[Point], place: Callable[[Point], str]) -> Iterator[str]:
    for index, figure in enumerate(dict.fromkeys(p.figure for p in points)):
        own, colour = [p for p in points if p.figure == figure], COLOURS[index % len(COLOURS)]
        row = MARGIN + 20 + 20 * index
        yield f'<polyline points="{" ".join(map(place, own))}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{WIDTH + MARGIN + 15}" y="{row}" fill="{colour}">{figure}, by {own[0].by}</text>'
