"""Runs the doctor and prints what it found."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hilum import config as configuration
from hilum import words
from hilum.cli import output
from hilum.cli.ledger import quiet
from hilum.clock import utc_now
from hilum.doctor.check import Grade, Report
from hilum.doctor.examination import Examination
from hilum.errors import TemporaryError
from hilum.ledger.database import Database

_MARKS: Final = {Grade.OK: "OK", Grade.LOOK: "!", Grade.WRONG: "!!"}


def examine(path: Path, destination: str | None) -> Report:
    """Look at the gateway of a configuration, or at one of its destinations.

    Raises:
        ConfigError: The configuration cannot be used: that comes first.
    """
    quiet()
    settings = configuration.load(path)
    database = Database(settings.ledger.url)
    try:
        examination = Examination(
            settings=settings, database=database if _is_there(database) else None, running=database.is_attended()
        )
        if destination is not None:
            return examination.of_destination(destination, utc_now())
        return examination.whole(utc_now())
    finally:
        database.close()


def _is_there(database: Database) -> bool:
    """Whether there is something to look at; that a server does not answer, the look at it tells."""
    try:
        return database.exists()
    except TemporaryError:
        return True


def tell(found: Report) -> None:
    """All of it, area by area, and below what to do."""
    area = ""
    for one in found.checks:
        if one.area != area:
            if area:
                output.say()
            area = one.area
            output.heading(area.capitalize())
        expected = f" (expected: {one.expected})" if one.expected else ""
        output.point(_MARKS[one.grade], f"{one.subject}: {one.found}{expected}", [one.remedy] if one.remedy else [])
    grades = [one.grade for one in found.checks]
    output.say()
    output.say(
        f"{words.count(len(grades), 'check')}: {grades.count(Grade.OK)} OK, {grades.count(Grade.LOOK)} to look at, "
        f"{grades.count(Grade.WRONG)} wrong"
    )
