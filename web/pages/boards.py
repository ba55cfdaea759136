"""Boards for the templates: the listener's figures as SVG polygons, and what each turn did to them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from games import GAMES
from games.core import Game, change_of
from games.figures import ImageSet, open_images
from games.figures.images import fit
from games.figures.outline import outline
from games.letters import LETTERS

SIZE = 100
"""Side of a figure's viewBox."""
PHRASES = 3
"""Phrases of a figure's outline that are read aloud."""


@dataclass(frozen=True)
class Drawing:
    """One figure of a board."""

    letter: str
    """As in states and actions: its place for the listener."""
    figure_id: str
    polygons: tuple[str, ...]
    """`points` of SVG polygons; none if the image set is not on this machine."""
    outline: str
    """Its silhouette in words."""


@dataclass(frozen=True)
class Cell:
    """One figure of a board after a turn."""

    letter: str
    selected: bool
    picked: bool = False
    """Selected in this turn."""
    dropped: bool = False
    """Deselected in this turn."""
    target: bool = False
    """Only where the truth is shown."""
    right: bool = False
    """Should have been clicked, as a rater says."""

    @property
    def words(self) -> str:
        """Its state for a screen reader."""
        state = (
            "selected in this turn"
            if self.picked
            else "deselected in this turn"
            if self.dropped
            else "selected"
            if self.selected
            else "not selected"
        )
        extra = (", a target" if self.target else "") + (", a right click" if self.right else "")
        return f"{self.letter}: {state}{extra}"


class ImageSets:
    """Image sets by spec, each opened once. To be used off the event loop."""

    def __init__(self) -> None:
        self._sets: dict[str, ImageSet | None] = {}

    def of(self, spec: str) -> ImageSet | None:
        """None for a set that cannot be opened on this machine."""
        if spec not in self._sets:
            try:
                self._sets[spec] = open_images(spec)
            except (ValueError, OSError):
                self._sets[spec] = None
        return self._sets[spec]


def drawings(images: ImageSet | None, context: Sequence[str]) -> list[Drawing]:
    """The figures of a board in the listener's order."""
    found = []
    for letter, figure_id in zip(LETTERS, context, strict=False):
        figure = images[figure_id] if images is not None and figure_id in images else None
        polygons = () if figure is None else tuple(map(_points, fit(figure.polygons, SIZE)))
        words = "" if figure is None else "; ".join(outline(figure.polygons)[:PHRASES])
        found.append(Drawing(letter, figure_id, polygons, words))
    return found


def _points(polygon: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in polygon)


def cells_before(game: str, context: Sequence[str], state: str, targets: Collection[str]) -> list[Cell]:
    """The board in a state. `targets` is empty where the truth is not shown."""
    selected = GAMES[game].selected(context, state)
    return [
        Cell(letter, figure in selected, target=figure in targets)
        for letter, figure in zip(LETTERS, context, strict=False)
    ]


def cells_after(
    game: str,
    context: Sequence[str],
    state: str,
    action: str,
    targets: Collection[str],
    right: Collection[str] = (),
) -> list[Cell]:
    """The board after an action. `targets` is empty where the truth is not shown; `right`: what a rater would click."""
    rules: Game = GAMES[game]
    change = change_of(rules, context, state, action)
    return [
        Cell(
            letter,
            selected=figure in change.after,
            picked=figure in change.after - change.before,
            dropped=figure in change.before - change.after,
            target=figure in targets,
            right=figure in right,
        )
        for letter, figure in zip(LETTERS, context, strict=False)
    ]
