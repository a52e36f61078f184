"""Minimum-area rotated rectangles around the regions of a mask, with NumPy alone."""

import math

import numpy as np
from numpy.typing import NDArray

from localcloud.rekognition.rectangle import Points, Rectangle


def rectangles_around(marked: NDArray[np.bool_]) -> list[Rectangle]:
    """The minimum-area rectangle around each connected region of a mask [height, width]."""
    return [_smallest_rectangle(points) for points in _regions(marked)]


def _regions(marked: NDArray[np.bool_]) -> list[Points]:
    """The corners of each region's runs, as points (x, y) [count, 2].

    A run is a maximal row of marked pixels; runs of adjacent rows that touch, even diagonally,
    belong to one region.
    """
    steps = np.diff(np.pad(marked, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _rows, ends = np.nonzero(steps == -1)
    runs = list(zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True))
    parents = list(range(len(runs)))
    above = 0
    for number, (row, start, end) in enumerate(runs):
        while runs[above][0] < row - 1 or (runs[above][0] == row - 1 and runs[above][2] < start):
            above += 1
        touching = above
        while touching < number and runs[touching][0] == row - 1 and runs[touching][1] <= end:
            parents[_root(parents, touching)] = _root(parents, number)
            touching += 1
    corners: dict[int, list[tuple[int, int]]] = {}
    for number, (row, start, end) in enumerate(runs):
        region = corners.setdefault(_root(parents, number), [])
        region += [(start, row), (end, row), (start, row + 1), (end, row + 1)]
    return [np.array(points, np.float64) for points in corners.values()]


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _smallest_rectangle(points: Points) -> Rectangle:
    """The minimum-area rectangle: one side lies on an edge of the convex hull (Freeman, 1975)."""
    hull = _convex_hull(points)
    edges = np.roll(hull, -1, axis=0) - hull
    best: tuple[float, Rectangle] | None = None
    for angle in np.unique(np.arctan2(edges[:, 1], edges[:, 0]).round(6) % (math.pi / 2)):
        along = math.cos(angle), math.sin(angle)
        on_axes = hull @ np.array([[along[0], -along[1]], [along[1], along[0]]])
        low, high = on_axes.min(axis=0), on_axes.max(axis=0)
        length, thickness = (high - low).tolist()
        if best is None or length * thickness < best[0]:
            middle_along, middle_across = ((low + high) / 2).tolist()
            center = (
                middle_along * along[0] - middle_across * along[1],
                middle_along * along[1] + middle_across * along[0],
            )
            best = length * thickness, Rectangle(center, along, length, thickness)
    assert best is not None  # noqa: S101 - a hull has an edge
    return best[1]


def _convex_hull(points: Points) -> Points:
    """The convex hull [count, 2], by Andrew's monotone chain."""
    ordered = sorted({(x, y) for x, y in points.tolist()})
    chains = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, float]] = []
        for point in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains += chain[:-1]
    return np.array(chains)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
