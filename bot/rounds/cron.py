"""Cron expressions as a trigger of APScheduler, read as cron reads them.

APScheduler's own `from_crontab` counts weekdays from Monday, wants day of month and weekday to hold both, and fires
twice in a night in which the clock goes back.
"""

from datetime import datetime, tzinfo

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim, CronSimError
from tzlocal import get_localzone

FIELDS = 5


class Cron(BaseTrigger):
    """Fires when a cron expression says so, in this machine's time zone."""

    def __init__(self, expression: str, zone: tzinfo | None = None) -> None:
        """Raises ValueError for an expression that is none, and for one that never comes true."""
        if len(expression.split()) != FIELDS:
            raise ValueError("it needs five fields: minute, hour, day of month, month and weekday")
        self._expression = expression
        self._zone = zone or get_localzone()
        try:
            next(CronSim(expression, datetime.now(self._zone)))
        except CronSimError as error:
            raise ValueError(str(error).lower()) from error
        except StopIteration:
            raise ValueError("there is no such day") from None

    def get_next_fire_time(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """The first time after the last one, or after now."""
        return next(CronSim(self._expression, (previous_fire_time or now).astimezone(self._zone)), None)
