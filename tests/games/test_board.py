"""The speaker's board: picture, alt text, and what they must not reveal."""

import io
import random
import re
import threading

import pytest
from PIL import Image, ImageChops

from games.board import WIDTH, draw_board, legend
from games.core import Board, Deal, Outcome
from games.figures.classic import load_classic
from games.figures.outline import outline
from games.multiref import MultiRef

IMAGES = load_classic()
DEAL = MultiRef().deal(IMAGES.ids, random.Random(7))
TARGETS = [figure for figure in DEAL.speaker if figure in DEAL.targets]
OTHERS = [figure for figure in DEAL.speaker if figure not in DEAL.targets]
OVER = [Outcome.WON, Outcome.LOST, Outcome.GIVEN_UP]


def board(
    *selected: str, turns: int = 0, outcome: Outcome = Outcome.OPEN, deal: Deal = DEAL, max_turns: int = 10
) -> Board:
    return draw_board(deal, frozenset(selected), turns, max_turns, outcome, IMAGES)


def picture(drawn: Board) -> Image.Image:
    return Image.open(io.BytesIO(drawn.png)).convert("RGBA").convert("RGB")


def changed(one: Board, other: Board) -> tuple[int, int, int, int] | None:
    """The box of pixels that differ."""
    return ImageChops.difference(picture(one), picture(other)).getbbox()


def test_the_picture_is_a_small_png_with_room_for_ten_figures():
    drawn = board(*TARGETS, *OTHERS, turns=10, outcome=Outcome.LOST)
    assert picture(drawn).width == WIDTH
    assert len(drawn.png) < 150_000


def test_the_corners_are_transparent_so_that_it_fits_every_theme():
    drawn = Image.open(io.BytesIO(board().png)).convert("RGBA")
    assert drawn.getpixel((0, 0))[3] == 0
    assert drawn.getpixel((WIDTH // 2, 2))[3] == 255


def test_the_same_position_gives_the_same_bytes():
    first = board(TARGETS[0], turns=2)
    draw_again = Deal(tuple(DEAL.speaker), DEAL.listener, frozenset(DEAL.targets))
    assert board(TARGETS[0], turns=2, deal=draw_again).png == first.png


def test_a_position_is_drawn_once():
    assert board(TARGETS[1], turns=3).png is board(TARGETS[1], turns=3).png


def test_targets_are_marked():
    other_targets = Deal(DEAL.speaker, DEAL.listener, frozenset(OTHERS[:3]))
    assert changed(board(), board(deal=other_targets))


def test_a_selected_figure_is_marked_in_its_own_cell():
    first = DEAL.speaker[0]
    box = changed(board(), board(first))
    assert box is not None
    row_one = picture(board()).height // 2
    cell_changes = ImageChops.difference(
        picture(board()).crop((0, 0, WIDTH, row_one)), picture(board(first)).crop((0, 0, WIDTH, row_one))
    ).getbbox()
    assert cell_changes is not None
    assert cell_changes[2] < WIDTH / 4


def test_a_selection_differs_in_brightness_and_not_only_in_hue():
    figure = OTHERS[0]
    grey = [picture(drawn).convert("L") for drawn in (board(), board(figure))]
    darkest, lightest = ImageChops.difference(*grey).getextrema()
    assert lightest - darkest > 100  # pyright: ignore[reportOperatorIssue]


def test_the_order_is_the_speakers():
    shuffled = Deal(DEAL.speaker, tuple(reversed(DEAL.listener)), DEAL.targets)
    assert board(deal=shuffled) == board()
    swapped = Deal((DEAL.speaker[1], DEAL.speaker[0], *DEAL.speaker[2:]), DEAL.listener, DEAL.targets)
    assert board(deal=swapped).png != board().png


def test_every_turn_looks_different():
    assert len({board(turns=turns).png for turns in range(10)}) == 10


def test_missed_and_wrong_figures_look_unlike_found_ones_at_the_end():
    end = {"turns": 10, "outcome": Outcome.LOST}
    drawn = [board(**end), board(TARGETS[0], **end), board(OTHERS[0], **end)]
    assert len({each.png for each in drawn}) == 3
    assert board(TARGETS[0], OTHERS[0], turns=9).png != board(TARGETS[0], OTHERS[0], **end).png


def test_the_alt_text_says_the_turn_the_targets_and_the_selection():
    deal = Deal(DEAL.speaker, DEAL.listener, frozenset([DEAL.speaker[1], DEAL.speaker[2], DEAL.speaker[9]]))
    alt = board(DEAL.speaker[2], turns=2, deal=deal).alt
    assert "Turn 3 of 10." in alt
    assert "Targets in row 1: second, third; row 2: fifth." in alt
    assert "Selected in row 1: third." in alt


def test_the_alt_text_says_when_nothing_is_selected():
    assert "Nothing is selected." in board().alt


@pytest.mark.parametrize(
    ("outcome", "turns", "headline"),
    [
        (Outcome.OPEN, 0, "Turn 1 of 10"),
        (Outcome.OPEN, 9, "Turn 10 of 10"),
        (Outcome.WON, 1, "Won in 1 turn."),
        (Outcome.WON, 5, "Won in 5 turns."),
        (Outcome.LOST, 10, "Out of turns."),
        (Outcome.GIVEN_UP, 3, "Given up after 3 turns."),
    ],
)
def test_the_alt_text_says_how_the_game_stands(outcome: Outcome, turns: int, headline: str):
    assert headline in board(*TARGETS, turns=turns, outcome=outcome).alt


def test_the_alt_text_of_a_lost_game_says_what_was_wrong():
    deal = Deal(DEAL.speaker, DEAL.listener, frozenset(DEAL.speaker[:3]))
    alt = board(DEAL.speaker[0], DEAL.speaker[7], turns=10, outcome=Outcome.LOST, deal=deal).alt
    assert "Missed targets: row 1: second, third." in alt
    assert "Wrongly selected: row 2: third." in alt


def of(size: int) -> Deal:
    """A board of the first figures, the first and the last of them targets."""
    ids = IMAGES.ids[:size]
    return Deal(ids, ids, frozenset((ids[0], ids[-1])))


ROWS = {
    4: "Four tangram figures in one row. ",
    5: "Five tangram figures in one row. ",
    6: "Six tangram figures in two rows of three. ",
    7: "Seven tangram figures in two rows of four and three. ",
    8: "Eight tangram figures in two rows of four. ",
    9: "Nine tangram figures in two rows of five and four. ",
    10: "Ten tangram figures in two rows of five. ",
    11: "Eleven tangram figures in three rows of four, four and three. ",
    12: "Twelve tangram figures in three rows of four. ",
}


@pytest.mark.parametrize("size", ROWS)
def test_a_board_of_any_size_is_drawn_and_described_by_rows(size: int):
    deal = of(size)
    drawn = board(deal=deal)
    assert drawn.alt.startswith(ROWS[size])
    where = {4: "row 1: first, fourth", 7: "row 1: first; row 2: third", 12: "row 1: first; row 3: fourth"}
    assert where.get(size, "row 1: first") in drawn.alt
    assert len(board(*deal.speaker, deal=deal, turns=10, outcome=Outcome.GIVEN_UP).alt) <= 1024


@pytest.mark.parametrize("size", [4, 7, 11, 12])
def test_every_figure_of_a_board_has_a_cell_of_its_own(size: int):
    deal = of(size)
    drawn = board(deal=deal)
    plain = picture(drawn).crop(cells := (0, 104, WIDTH, picture(drawn).height - 84))
    marked = [picture(board(figure, deal=deal)).crop(cells) for figure in deal.speaker]
    boxes = [ImageChops.difference(each, plain).getbbox() for each in marked]
    assert len(set(boxes)) == size
    assert all(0 <= left < right <= WIDTH for left, _, right, _ in boxes)


@pytest.mark.parametrize(
    ("right", "wrong", "texts"),
    [
        (0, 0, ["4 targets to describe"]),
        (3, 0, ["3 of 4 targets selected"]),
        (3, 1, ["3 of 4 targets selected", "1 other selected"]),
        (0, 2, ["0 of 4 targets selected", "2 others selected"]),
    ],
)
def test_as_many_selected_as_targets_does_not_read_as_finished(right: int, wrong: int, texts: list[str]):
    marks = [(place < 4, place < right or 4 <= place < 4 + wrong) for place in range(10)]
    assert [text for _, text in legend(marks, over=False)] == texts


def test_the_legend_of_a_game_with_one_target():
    assert [text for _, text in legend([(True, False), (False, True)], over=False)] == [
        "0 of 1 target selected",
        "1 other selected",
    ]


@pytest.mark.parametrize("turns", [0, 10])
def test_the_alt_text_describes_the_outline_of_each_figure(turns: int):
    alt = board(*DEAL.speaker[:6], turns=turns, outcome=Outcome.LOST if turns else Outcome.OPEN).alt
    shapes = alt[alt.index("Row 1, first: ") :]
    assert shapes.count("; ") >= 10
    for figure in DEAL.speaker:
        assert "; ".join(outline(IMAGES[figure].polygons)[:2]) in shapes
        assert not any(name in alt for name in IMAGES[figure].names)
    assert len(alt) <= 1024


def test_the_alt_text_uses_the_singular_for_one_target():
    deal = Deal(of(5).speaker, of(5).listener, frozenset(of(5).speaker[:1]))
    assert "The target in row 1: first." in board(deal=deal).alt
    assert "Missed target: row 1: first." in board(deal=deal, turns=3, outcome=Outcome.LOST).alt


@pytest.mark.parametrize("outcome", [Outcome.OPEN, *OVER])
def test_the_alt_text_is_short_and_gives_away_no_letter_name_or_id(outcome: Outcome):
    alt = board(*DEAL.speaker[::2], turns=4, outcome=outcome).alt
    assert len(alt) <= 1024
    assert not re.search(r"\b[A-J]\b", alt)
    for figure in DEAL.speaker:
        assert figure not in alt
        assert not any(re.search(rf"\b{re.escape(name)}\b", alt) for name in IMAGES[figure].names)


def test_a_selection_that_is_not_on_the_board_is_refused():
    stranger = next(figure for figure in IMAGES.ids if figure not in DEAL.speaker)
    with pytest.raises(ValueError, match=stranger):
        board(stranger)


def test_a_game_draws_its_own_state():
    game = MultiRef()
    letter = "ABCDEFGHIJ"[DEAL.listener.index(TARGETS[0])]
    assert game.render(DEAL, letter, 1, Outcome.OPEN, IMAGES) == board(TARGETS[0], turns=1)


def test_threads_draw_the_same_boards():
    pictures: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: pictures.append(board(*TARGETS, turns=8, max_turns=12).png))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pictures) == 4
    assert len(set(pictures)) == 1
