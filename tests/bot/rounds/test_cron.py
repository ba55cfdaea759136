"""Cron expressions mean what cron means."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.rounds.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")
WEDNESDAY = datetime(2026, 11, 25, 12, tzinfo=BERLIN)


def fires(expression: str, start: datetime, count: int) -> list[datetime]:
    trigger = Cron(expression, BERLIN)
    found: list[datetime] = []
    for _ in range(count):
        last = found[-1] if found else None
        found.append(trigger.get_next_fire_time(last, last or start) or start)
    return found


@pytest.mark.parametrize(
    ("expression", "days"),
    [
        ("0 4 * * 0", ["Sun", "Sun"]),
        ("0 4 * * 7", ["Sun", "Sun"]),
        ("0 4 * * SUN", ["Sun", "Sun"]),
        ("0 4 * * 1", ["Mon", "Mon"]),
        ("0 4 * * 1-5", ["Thu", "Fri", "Mon"]),
        ("0 4 * * 5-7", ["Fri", "Sat", "Sun"]),
        ("0 4 * * sat,sun", ["Sat", "Sun", "Sat"]),
        ("0 4 27 * 6", ["Fri", "Sat"]),  # the 27th, and every Saturday
        ("0 4 * * *", ["Thu", "Fri"]),
    ],
)
def test_weekdays_count_from_sunday(expression: str, days: list[str]):
    found = fires(expression, WEDNESDAY, len(days))
    assert [f"{each:%a}" for each in found] == days
    assert all(each.hour == 4 and each > WEDNESDAY for each in found)


def test_a_night_in_which_the_clock_goes_back_has_one_round():
    found = fires("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 3)
    assert [each.day for each in found] == [25, 26, 27]


def test_a_night_in_which_the_clock_goes_forward_has_one_round():
    found = fires("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 3)
    assert [each.day for each in found] == [29, 30, 31]


def test_times_are_those_of_the_clock_on_the_wall():
    trigger = Cron("0 4 * * *", BERLIN)
    utc = WEDNESDAY.astimezone(ZoneInfo("UTC"))
    assert trigger.get_next_fire_time(None, utc) == WEDNESDAY.replace(hour=4) + timedelta(days=1)


@pytest.mark.parametrize(
    "expression", ["", "4", "61 * * * *", "0 4 * * 8", "0 4 31 2 *", "@daily", "0 4 * * * * *", "½ 4 * * *"]
)
def test_what_is_no_cron_expression_is_refused(expression: str):
    with pytest.raises(ValueError, match=r"."):
        Cron(expression, BERLIN)
