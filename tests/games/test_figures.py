"""Tangram pieces, the checker, and the image sets."""

import json
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.figures import app
from games.figures import open_images
from games.figures.approximate import check_polygons
from games.figures.check import check, duplicates, outline
from games.figures.classic import load_classic
from games.figures.kilogram import load_kilogram
from games.figures.pieces import (
    Placed,
    Point,
    Root2,
    Tangram,
    area,
    tangram_from_records,
    tangram_to_records,
)
from games.figures.sheet import draw_sheet

KILOGRAM = Path(
    os.environ.get(
        "RESPECT_TEST_KILOGRAM", Path(__file__).parents[2].parent / "shared" / "data" / "kilogram" / "dataset"
    )
)
needs_kilogram = pytest.mark.skipif(
    not (KILOGRAM / "full.json").is_file(),
    reason="KiloGram is not here: set RESPECT_TEST_KILOGRAM to its dataset folder",
)


def record(piece: str, x: int, y: int, orient: int, flip: bool = False) -> dict:
    return {"piece": piece, "anchor": [[x, 0], [y, 0]], "orient": orient, "flip": flip}


# Four wide and two high: two large triangles make the left square, the other five pieces the right one.
RECTANGLE = [
    record("large", 0, 0, 0),
    record("large", 2, 2, 4),
    record("medium", 3, 1, 5),
    record("small", 2, 2, 6),
    record("small", 4, 1, 4),
    record("square", 3, 1, 0),
    record("parallelogram", 2, 0, 2, flip=True),
]


def rectangle(**changes: dict) -> Tangram:
    """The rectangle, with the record at index n replaced for `_n=record`."""
    records = [changes.get(f"_{i}", placed) for i, placed in enumerate(RECTANGLE)]
    return tangram_from_records([placed for placed in records if placed])


def moved(tangram: Tangram, eighths: int, mirror: bool, by: Point) -> Tangram:
    """The same figure elsewhere: mirrored in the x axis, turned, shifted."""
    placed = []
    for piece in tangram.placed:
        anchor, orient, flip = piece.anchor, piece.orient, piece.flip
        if mirror:
            anchor, orient = anchor.mirrored(), -orient
            if piece.piece == "parallelogram":
                flip = not flip
            else:
                orient -= 2  # mirroring a triangle or square swaps its legs, which lie a quarter turn apart
        placed.append(Placed(piece.piece, anchor.turned(eighths) + by, (orient + eighths) % 8, flip))
    return Tangram(tuple(placed))


def test_numbers_with_root_two_are_compared_exactly():
    close = Root2(Fraction(665857), Fraction(-470832))  # 665857/470832 is √2 but for 2·10⁻¹²
    assert close.sign == 1
    assert Root2(1, 1) * Root2(-1, 1) == Root2(1)
    assert Root2(0, 1) < Root2(Fraction(3, 2))


@pytest.mark.parametrize(
    ("piece", "size"), [("large", "2"), ("medium", "1"), ("small", "1/2"), ("square", "1")]
)
def test_pieces_keep_their_exact_area_in_every_orientation(piece: str, size: str):
    for orient in range(8):
        placed = Placed(piece, Point(Root2(1, 2), Root2(Fraction(1, 3))), orient)
        assert area(placed.corners) == Root2(Fraction(size))


def test_a_mirrored_parallelogram_keeps_its_area_and_direction():
    origin = Point(Root2(0), Root2(0))
    assert area(Placed("parallelogram", origin, 3, flip=True).corners) == Root2(1)


def test_the_rectangle_is_a_tangram():
    report = check(rectangle())
    assert report.ok, report.problems
    assert (report.area, report.holes, report.point_joined) == (8, 0, False)


def test_overlapping_pieces_are_named():
    report = check(rectangle(_5=record("square", 2, 0, 0)))
    assert not report.ok
    assert any("square (piece 6)" in problem and "overlap" in problem for problem in report.problems)


def test_a_missing_piece_and_the_wrong_area_are_reported():
    problems = check(rectangle(_5={})).problems
    assert "it has 0 square pieces, a tangram has 1" in problems
    assert "its area is 7, a tangram's is 8" in problems


def test_a_piece_too_many_of_one_kind_is_reported():
    problems = check(rectangle(_5=record("small", 3, 0, 0))).problems
    assert "it has 3 small pieces, a tangram has 2" in problems


def test_a_figure_in_two_parts_is_refused():
    problems = check(rectangle(_0=record("large", -5, 0, 0))).problems
    assert problems == ("it falls into 2 separate parts",)


def test_parts_that_touch_at_a_corner_are_reported_but_allowed():
    report = check(rectangle(_5=record("square", 4, -1, 0)))
    assert report.ok
    assert report.point_joined


def test_parts_that_share_half_an_edge_are_joined():
    half = Placed("square", Point(Root2(Fraction(5, 2)), Root2(2)))
    tangram = rectangle()
    report = check(Tangram((*tangram.placed[:5], half, tangram.placed[6])))
    assert report.ok
    assert not report.point_joined


def test_holes_are_counted():
    around = [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    ring = Tangram(tuple(Placed("square", Point(Root2(x), Root2(y))) for x, y in around))
    assert check(ring).holes == 1
    assert check(Tangram(ring.placed[:-1])).holes == 0


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("eighths", range(8))
def test_a_figure_moved_turned_or_mirrored_is_the_same_figure(eighths: int, mirror: bool):
    away = Point(Root2(3, Fraction(1, 2)), Root2(-1, 5))
    assert outline(moved(rectangle(), eighths, mirror, away)) == outline(rectangle())


def test_a_figure_whose_pieces_lie_differently_inside_is_the_same_figure():
    swapped = rectangle(_0=record("large", 2, 0, 2), _1=record("large", 0, 2, 6))  # the other diagonal
    assert check(swapped).ok
    assert duplicates({"one": rectangle(), "two": swapped}) == [("one", "two")]


def test_different_figures_are_not_duplicates():
    other = rectangle(_5=record("square", 4, -1, 0))
    assert duplicates({"one": rectangle(), "two": other}) == []


def test_records_are_read_back_as_written():
    tangram = moved(rectangle(), 3, True, Point(Root2(0, Fraction(1, 2)), Root2(Fraction(-2, 3))))
    assert tangram_from_records(json.loads(json.dumps(tangram_to_records(tangram)))) == tangram


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"piece": "huge", "anchor": [[0, 0], [0, 0]], "orient": 0}, "piece 1 is a 'huge'"),
        ({"piece": "small", "anchor": [[0, 0], [0, 0]], "orient": 8}, "piece 1 has orient 8"),
        ({"piece": ["small"], "anchor": [[0, 0], [0, 0]], "orient": 0}, "piece 1 is a"),
        ({"piece": "small", "anchor": [[0, 0], [0, 0]], "orient": 1.5}, "piece 1 has orient 1.5"),
        ({"piece": "small", "anchor": [[0.5, 0], [0, 0]], "orient": 0}, "0.5 is not an integer or a string"),
        ({"piece": "small", "orient": 0}, "piece 1 is not a record"),
    ],
)
def test_a_broken_record_is_named(broken: dict, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        tangram_from_records([broken])


def test_classic_is_large_enough_and_opens_by_name():
    images = open_images("classic")
    assert images is load_classic()
    assert len(images.ids) == len(images.figures) >= 150
    assert images.licence == "CC0-1.0"


def test_a_part_of_classic_opens_by_its_size():
    some, whole = open_images("classic:40"), open_images("classic")
    assert len(some.ids) == 40 and some.spec == "classic:40"
    assert all(some[figure] == whole[figure] for figure in some.ids)
    assert len(open_images("classic:4").ids) == 4  # the smallest board of all games
    for count in (0, 1000):
        with pytest.raises(ValueError, match=f"{count} figures were asked for"):
            open_images(f"classic:{count}")


def test_every_classic_figure_has_plenty_of_words():
    for figure in load_classic().figures:
        assert len(figure.names) >= 4, figure.id
        assert len(figure.descriptions) >= 30, figure.id
        assert len({text.casefold() for text in figure.words}) == len(figure.words), figure.id
        assert all(words.strip() == words != "" for words in figure.words), figure.id


def test_classic_descriptions_follow_no_pattern():
    said = [text.lower().split() for figure in load_classic().figures for text in figure.descriptions]
    for words in (1, 2):
        openings = Counter(tuple(text[:words]) for text in said)
        # the commonest are "a", 4%, and "bat with", 0.5%
        assert max(openings.values()) < len(said) * 0.1**words, openings.most_common(1)


def test_no_two_classic_figures_are_described_alike():
    figures = load_classic().figures
    assert len({figure.words for figure in figures}) == len(figures)
    assert len({frozenset(figure.names) for figure in figures}) == len(figures)


def test_classic_pieces_and_polygons_belong_together():
    figure = load_classic()["person-01"]
    assert sorted(figure.pieces) == sorted(placed["piece"] for placed in RECTANGLE)
    squares = [
        polygon for kind, polygon in zip(figure.pieces, figure.polygons, strict=True) if kind == "square"
    ]
    assert [len(polygon) for polygon in squares] == [4]


def test_an_unknown_image_set_is_refused_with_what_is_possible():
    with pytest.raises(ValueError, match="expected 'classic', 'classic:N' or 'kilogram:DIR'"):
        open_images("modern")


def test_polygons_of_a_true_tangram_pass_the_approximate_check():
    stretched = [tuple((49 * x, 49 * y) for x, y in polygon) for polygon in rectangle().polygons]
    assert check_polygons(stretched) == ()


def test_the_approximate_check_sees_overlap_gaps_and_wrong_pieces():
    assert any("overlap" in p for p in check_polygons(rectangle(_5=record("square", 2, 0, 0)).polygons))
    apart = rectangle(_0=record("large", -5, 0, 0)).polygons
    assert check_polygons(apart) == ("it falls into 2 separate parts",)
    assert "areas" in check_polygons(rectangle(_5=record("large", 5, 0, 0)).polygons)[0]
    assert check_polygons(apart[1:]) == ("it has 6 pieces, a tangram has seven",)


def write_kilogram(folder: Path, transform: str = "") -> Path:
    """A folder in KiloGram's format with one figure, the rectangle."""
    (folder / "tangrams-svg").mkdir(parents=True)
    ids = {"square": "1", "parallelogram": "2", "medium": "5"}
    small, large = iter("34"), iter("67")
    polygons = ""
    for placed, polygon in zip(rectangle().placed, rectangle().polygons, strict=True):
        number = ids.get(placed.piece) or next(small if placed.piece == "small" else large)
        points = " ".join(f"{x},{y}" for x, y in polygon)
        polygons += f'<polygon id="{number}" points="{points}" transform="{transform}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{polygons}</svg>'
    (folder / "tangrams-svg" / "page9-1.svg").write_text(svg)
    said = [
        {"whole": {"wholeAnnotation": "brick "}, "part": {"1": "end", "2": "side", "3": "side"}},
        {"whole": {"wholeAnnotation": "a bar"}, "part": {"1": "bar"}},
        {"whole": {"wholeAnnotation": "a bar"}, "part": {}},
    ]
    (folder / "full.json").write_text(json.dumps({"page9-1": {"annotations": said}}))
    dense = [*said, {"whole": {"wholeAnnotation": "domino"}, "part": {}}]
    (folder / "dense.json").write_text(json.dumps({"page9-1": {"annotations": dense}}))
    return folder


def test_kilogram_words_are_wholes_and_wholes_with_parts(tmp_path: Path):
    figure = load_kilogram(write_kilogram(tmp_path))["page9-1"]
    assert figure.names == ("a bar", "brick", "domino")
    assert figure.descriptions == ("brick with end and side", "a bar with bar")


def test_kilogram_transforms_are_applied(tmp_path: Path):
    plain = load_kilogram(write_kilogram(tmp_path / "plain"))["page9-1"]
    turned = load_kilogram(write_kilogram(tmp_path / "turned", "translate(10, 20) rotate(90)"))["page9-1"]
    for before, after in zip(plain.polygons, turned.polygons, strict=True):
        assert after == tuple(pytest.approx((10 - y, 20 + x)) for x, y in before)


def test_a_missing_kilogram_folder_is_explained(tmp_path: Path):
    with pytest.raises(ValueError, match=r"full\.json is missing .* kilogram:DIR"):
        load_kilogram(tmp_path / "nowhere")


def test_missing_kilogram_pictures_are_explained(tmp_path: Path):
    folder = write_kilogram(tmp_path)
    (folder / "tangrams-svg" / "page9-1.svg").unlink()
    with pytest.raises(ValueError, match=r"lacks 1 of 1 pictures, such as page9-1\.svg"):
        load_kilogram(folder)


def test_a_broken_kilogram_picture_is_named(tmp_path: Path):
    folder = write_kilogram(tmp_path)
    (folder / "tangrams-svg" / "page9-1.svg").write_text("<svg><polygon")
    with pytest.raises(ValueError, match=r"page9-1\.svg cannot be read"):
        load_kilogram(folder)


@needs_kilogram
def test_the_real_kilogram_is_read_whole():
    images = load_kilogram(KILOGRAM)
    assert len(images.ids) == 1013
    assert "page1-103" in images
    assert all(len(figure.polygons) == 7 and figure.names for figure in images.figures)
    wrong = [figure.id for figure in images.figures if check_polygons(figure.polygons, tolerance=0.5)]
    assert len(wrong) < 10  # a few of its drawings are not to scale


def test_a_contact_sheet_has_room_for_every_figure():
    sheet = draw_sheet(load_classic(), load_classic().ids[:5], columns=3, size=64)
    assert sheet.width == 3 * 64
    assert sheet.height > 2 * 64


def respect_figures(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_the_program_refuses_a_file_with_bad_figures_and_duplicates(tmp_path: Path):
    good = tangram_to_records(rectangle())
    bad = tangram_to_records(rectangle(_5={}))
    twin = tangram_to_records(moved(rectangle(), 3, True, Point(Root2(1), Root2(1))))
    figures = [{"id": "good", "pieces": good}, {"id": "bad", "pieces": bad}, {"id": "twin", "pieces": twin}]
    path = tmp_path / "figures.json"
    path.write_text(json.dumps({"figures": figures}))
    result = respect_figures("check", str(path), "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert list(found["bad"]) == ["bad"]
    assert found["duplicates"] == [["good", "twin"]]


def test_the_program_saves_a_figure(tmp_path: Path):
    result = respect_figures("show", "person-01", "--out", str(tmp_path / "person.png"))
    assert result.exit_code == 0
    assert (tmp_path / "person.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("show", "persn-01"), "did you mean"),
        (("list", "--images", "modern"), "expected 'classic', 'classic:N' or 'kilogram:DIR'"),
        (("check", "nowhere.json"), "cannot be read"),
        (("sheet", "--out", "no/such/folder/sheet.png"), "could not be written"),
    ],
)
def test_the_program_explains_what_is_wrong(arguments: tuple[str, ...], hint: str):
    result = respect_figures(*arguments)
    assert result.exit_code == 1
    assert hint in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
