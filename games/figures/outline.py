"""The outline of a figure in plain words, from its geometry alone.

It never names the figure: it helps people who cannot see the board, and gives nobody a description to copy.
"""

from collections.abc import Sequence
from functools import lru_cache
from gettext import NullTranslations
from typing import Any

import numpy as np

from games.figures.images import Polygon, draw_figure
from games.language import N_, _, catalogue

SIZE = 96
"""Pixels of the raster that is measured."""
BAND = 0.07
"""Share of the figure's height or width that counts as its edge."""
ACROSS, DOWN = ("left", "middle", "right"), ("up", "middle", "down")
"""Thirds of an edge."""
PARTS = {
    ("point", "left"): N_("point left"),
    ("point", "middle"): N_("point middle"),
    ("point", "right"): N_("point right"),
    ("point", "up"): N_("point up"),
    ("point", "down"): N_("point down"),
    ("flat", "left"): N_("flat left"),
    ("flat", "middle"): N_("flat middle"),
    ("flat", "right"): N_("flat right"),
    ("flat", "up"): N_("flat up"),
    ("flat", "down"): N_("flat down"),
}
"""(what it is, where) -> the phrase."""
ALONE = {"point": N_("point"), "flat": N_("flat")}
"""The same, for the only part of an edge, in the middle."""
BROADEST = {
    "bottom": N_("broadest bottom"),
    "top": N_("broadest top"),
    "left": N_("broadest left"),
    "right": N_("broadest right"),
    "bottom left": N_("broadest bottom left"),
    "bottom right": N_("broadest bottom right"),
    "top left": N_("broadest top left"),
    "top right": N_("broadest top right"),
}


def outline(polygons: tuple[Polygon, ...]) -> tuple[str, ...]:
    """What the silhouette of a figure looks like: short phrases, the most telling first.

    They say whether it is wide or tall, what it stands on, what is at its top and sides, where most of it is, and
    whether it has holes, a narrow neck or the same halves.
    """
    return _outline(polygons, catalogue.get())


@lru_cache(maxsize=4_096)
def _outline(polygons: tuple[Polygon, ...], _catalogue: NullTranslations) -> tuple[str, ...]:
    """The phrases in the language of the catalogue, which is the one in use."""
    ink = np.asarray(draw_figure(polygons, SIZE).convert("L")) < 128
    rows, columns = np.nonzero(ink)
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    phrases = [
        _proportion(ink),
        _edge(ink[::-1], _("bottom: {parts}"), ACROSS, _("flat bottom")),
        _edge(ink, _("top: {parts}"), ACROSS, _("flat top")),
        _edge(ink.T, _("left: {parts}"), DOWN, _("straight left side")),
        _edge(ink[:, ::-1].T, _("right: {parts}"), DOWN, _("straight right side")),
        _neck(ink),
        _hole(ink),
        _weight(ink),
        _symmetry(ink),
    ]
    return tuple(phrase for phrase in phrases if phrase)


def _proportion(ink: np.ndarray) -> str:
    ratio = ink.shape[0] / ink.shape[1]
    for least, words in (
        (1.8, N_("tall and narrow")),
        (1.2, N_("taller than wide")),
        (0.83, N_("as wide as tall")),
        (0.55, N_("wider than tall")),
    ):
        if ratio >= least:
            return _(words)
    return _("long and low")


def _runs(row: Any) -> list[tuple[int, int]]:
    """(first, last + 1) of each run of true values in [n] bool."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))


def _edge(ink: np.ndarray, sentence: str, places: Sequence[str], whole: str) -> str:
    """What is at the first rows of `ink`: flat parts and points, each with its place of `places`, or `whole`."""
    height, width = ink.shape
    depth = max(1, round(BAND * height))
    runs = _runs(np.any(ink[:depth], axis=0))
    parts = []
    for first, last in runs:
        length = int(ink[: max(1, depth // 3), first:last].any(axis=0).sum())
        if length > 0.6 * width:
            return whole
        place = places[min(2, int(3 * ((first + last - 1) / 2) / width))]
        kind = "point" if length < 0.12 * width else "flat"
        alone = place == "middle" and len(runs) == 1
        parts.append(_(ALONE[kind] if alone else PARTS[kind, place]))
    return sentence.format(parts=", ".join(parts))


def _neck(ink: np.ndarray) -> str:
    """A part at the top that is joined by a narrow place."""
    height = len(ink)
    widths = ink.sum(axis=1)
    upper = widths[: height * 2 // 3]
    for row in range(round(0.12 * height), len(upper)):
        above, below = widths[:row].max(), widths[row:].max()
        if widths[row] < 0.45 * above and widths[row] < 0.45 * below:
            middle = np.flatnonzero(ink[:row].any(axis=0)).mean()
            place = ACROSS[min(2, int(3 * middle / ink.shape[1]))]
            if place == "middle":
                return _("narrow neck")
            return _("narrow neck left") if place == "left" else _("narrow neck right")
    return ""


def _hole(ink: np.ndarray) -> str:
    """Background that the outside does not reach."""
    outside = np.zeros((ink.shape[0] + 2, ink.shape[1] + 2), dtype=bool)
    free = np.pad(~ink, 1, constant_values=True)
    outside[0, 0] = True
    while True:
        grown = outside.copy()
        grown[1:] |= outside[:-1]
        grown[:-1] |= outside[1:]
        grown[:, 1:] |= outside[:, :-1]
        grown[:, :-1] |= outside[:, 1:]
        grown &= free
        if (grown == outside).all():
            break
        outside = grown
    return _("a hole") if (free & ~outside).sum() > 0.004 * ink.size else ""


def _weight(ink: np.ndarray) -> str:
    """Where most of it is."""
    y, x = (places.mean() / (length - 1) for places, length in zip(np.nonzero(ink), ink.shape, strict=True))
    names = [
        name
        for off, name in ((y - 0.5, "bottom"), (0.5 - y, "top"), (0.5 - x, "left"), (x - 0.5, "right"))
        if off > 0.06
    ]
    where = " ".join(names)
    return _(BROADEST[where]) if where else ""


def _symmetry(ink: np.ndarray) -> str:
    same = (ink & ink[:, ::-1]).sum() / (ink | ink[:, ::-1]).sum()
    return _("halves alike") if same > 0.93 else ""
