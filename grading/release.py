"""solutions/ -> exercises/: what students get, generated and never edited."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.course import Course


def release(course: Course, unit: str, *, database: bool = False) -> None:
    """Generate one exercise from its solution: answers replaced by stubs, outputs cleared.

    The same bytes come with and without `database`, which also enters the unit in the gradebook.

    Raises:
        nbgrader.converters.NbGraderException: if the solution notebook is not a valid source.
    """
    config = course.config()
    config.BaseConverter.force = True
    if not database:
        config.merge(Config({"SaveCells": {"enabled": False}}))
        config.GenerateAssignment.no_database = True
    config.CourseDirectory.assignment_id = unit
    run(GenerateAssignment, config)


def run(converter: type, config: Config) -> None:
    """Run one of nbgrader's converters, quietly: what matters it raises, or logs as an error."""
    with quiet():
        converter(coursedir=CourseDirectory(config=config), config=config, log=log()).start()


@contextmanager
def quiet() -> Iterator[None]:
    """SQLAlchemy has its doubts about nbgrader's models, and says so on every submission."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def log() -> logging.Logger:
    """Where nbgrader's parts report errors, and nothing less."""
    found = logging.getLogger("grading.nbgrader")
    found.setLevel(logging.ERROR)
    return found
