"""What a board says in words: its headline, its legend, and the alternative text of its picture."""

from collections.abc import Callable, Sequence

from games.core import Outcome
from games.language import N_, _, ngettext

NUMBERS = (
    "", N_("one"), N_("two"), N_("three"), N_("four"), N_("five"), N_("six"), N_("seven"), N_("eight"), N_("nine"),
    N_("ten"), N_("eleven"), N_("twelve")
)  # fmt: skip
PLACES = (N_("first"), N_("second"), N_("third"), N_("fourth"), N_("fifth"))
ALT_LENGTH = 1_024
"""Characters of an alternative text, as many as Discord takes."""


def headline(turns: int, max_turns: int, outcome: Outcome) -> str:
    match outcome:
        case Outcome.OPEN:
            said = _("Turn {turn} of {max_turns}")
        case Outcome.WON:
            said = ngettext("Won in {turns} turn", "Won in {turns} turns", turns)
        case Outcome.LOST:
            said = _("Out of turns")
        case Outcome.GIVEN_UP:
            said = ngettext("Given up after {turns} turn", "Given up after {turns} turns", turns)
    return said.format(turn=min(turns + 1, max_turns), turns=turns, max_turns=max_turns)


def legend(marks: Sequence[tuple[bool, bool]], over: bool) -> list[tuple[str, str]]:
    """(glyph, text) of each entry below the figures. `marks`: whether each figure is a target, and selected.

    Right and other figures are counted apart: as many selected figures as targets do not mean that all are found.
    """
    targets = sum(target for target, _selected in marks)
    selected = sum(selected for _target, selected in marks)
    right = sum(target and selected for target, selected in marks)
    if over:
        marked = ngettext("{targets} target", "{targets} targets", targets).format(targets=targets)
        entries = [("star", marked), ("right", _("{number} found").format(number=right))]
        if targets > right:
            entries.append(("missed", _("{number} missed").format(number=targets - right)))
        if selected > right:
            entries.append(("cross", _("{number} wrong").format(number=selected - right)))
        return entries
    if not selected:
        said = ngettext("{targets} target to describe", "{targets} targets to describe", targets)
        return [("star", said.format(targets=targets))]
    said = ngettext("{right} of {targets} target selected", "{right} of {targets} targets selected", targets)
    entries = [("star", said.format(right=right, targets=targets))]
    if others := selected - right:
        said = ngettext("{others} other selected", "{others} others selected", others)
        entries.append(("check", said.format(others=others)))
    return entries


def alt_text(
    rows: Sequence[int],
    marks: Sequence[tuple[bool, bool]],
    outlines: Sequence[Sequence[str]],
    turns: int,
    max_turns: int,
    outcome: Outcome,
) -> str:
    """The state in words, then the outline of each figure, as much of it as fits into `ALT_LENGTH`.

    `rows`: the number of figures in each row.

    Figures are given by position and outline, because players would copy names into utterances.
    """
    places = [(row, column) for row, figures in enumerate(rows) for column in range(figures)]
    targets = sum(target for target, _selected in marks)

    def where(wanted: Callable[[bool, bool], bool]) -> str:
        found: dict[int, list[str]] = {}
        for (row, column), mark in zip(places, marks, strict=True):
            if wanted(*mark):
                found.setdefault(row + 1, []).append(_(PLACES[column]))
        told = (
            _("row {row}: {places}").format(row=row, places=", ".join(columns))
            for row, columns in found.items()
        )
        return "; ".join(told) or _("none")

    sentences = [
        f"{_in_words(rows)}. {headline(turns, max_turns, outcome)}.",
        ngettext("The target in {where}.", "Targets in {where}.", targets).format(
            where=where(lambda target, selected: target)
        ),
        _("Selected in {where}.").format(where=where(lambda target, selected: selected))
        if any(selected for _target, selected in marks)
        else _("Nothing is selected."),
    ]
    if outcome is not Outcome.OPEN and outcome is not Outcome.WON:
        missed = ngettext("Missed target: {where}.", "Missed targets: {where}.", targets)
        sentences.append(missed.format(where=where(lambda target, selected: target and not selected)))
        wrong = where(lambda target, selected: selected and not target)
        sentences.append(_("Wrongly selected: {where}.").format(where=wrong))
    said = " ".join(sentences)
    for phrases in range(max(map(len, outlines)), 0, -1):
        shapes = " ".join(
            (_("Row {row}, {place}: {shape}.") if column == 0 else _("{place}: {shape}.")).format(
                row=row + 1, place=_(PLACES[column]), shape="; ".join(shape[:phrases])
            )
            for (row, column), shape in zip(places, outlines, strict=True)
        )
        if len(said) + 1 + len(shapes) <= ALT_LENGTH:
            return f"{said} {shapes}"
    return said


def _in_words(sizes: Sequence[int]) -> str:
    """ "Ten tangram figures in two rows of five"."""
    figures, rows = _(NUMBERS[sum(sizes)]).capitalize(), [_(NUMBERS[each]) for each in sizes]
    if len(rows) == 1:
        return _("{number} tangram figures in one row").format(number=figures)
    if len(set(rows)) == 1:
        said = rows[0]
    else:
        said = _("{several} and {last}").format(several=", ".join(rows[:-1]), last=rows[-1])
    return _("{number} tangram figures in {rows} rows of {sizes}").format(
        number=figures, rows=_(NUMBERS[len(rows)]), sizes=said
    )
