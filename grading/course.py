"""Where a class's files lie, and nbgrader's settings for them."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config

ROOT = Path(__file__).resolve().parents[1]
COURSE_ID = "dgm"
STUB = 'raise NotImplementedError("replace this line with your code")'


@dataclass(frozen=True)
class Course:
    """A folder laid out like this repository; by default, this repository.

    `solutions/` and `exercises/` lie in `root`; all that belongs to a class lies in `root/grading`.
    """

    root: Path = ROOT

    @property
    def folder(self) -> Path:
        return self.root / "grading"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def database(self) -> str:
        """The gradebook's address: what `gradebook.url` says, or else a SQLite file.

        One file, so that nbgrader, formgrader and this package cannot disagree. It may hold any
        address that SQLAlchemy knows, such as `postgresql+psycopg://me@host/grades`.
        """
        try:
            return (self.folder / "gradebook.url").read_text().strip()
        except FileNotFoundError:
            return f"sqlite:///{self.folder / 'gradebook.db'}"

    def release(self, unit: str) -> Path:
        return self.root / "exercises" / unit / f"{unit}.ipynb"

    def submitted(self, unit: str, student: str) -> Path:
        return self.folder / "submitted" / student / unit

    def feedback(self, unit: str, student: str) -> Path:
        return self.folder / "feedback" / student / unit / f"{unit}.html"

    def units(self) -> list[str]:
        """The units with an exercise, in order."""
        return sorted(p.parent.name for p in self.root.glob("solutions/*/*.ipynb"))

    def students(self, unit: str) -> list[str]:
        """Who handed in a folder for this unit, whatever is in it."""
        folders = (self.folder / "submitted").glob(f"*/{unit}")
        return sorted(p.parent.name for p in folders if p.is_dir())

    @contextmanager
    def gradebook(self) -> Iterator[Any]:
        """The open gradebook, an `nbgrader.api.Gradebook`."""
        from nbgrader.api import Gradebook

        _see_to_path()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SQLAlchemy has its doubts about nbgrader's models
            with Gradebook(self.database, COURSE_ID) as gradebook:
                yield gradebook

    def config(self) -> Config:
        """nbgrader's settings."""
        _see_to_path()
        _see_to_templates()
        c = Config()
        c.CourseDirectory.course_id = COURSE_ID
        c.CourseDirectory.root = str(self.root)
        c.CourseDirectory.db_url = self.database
        c.CourseDirectory.source_directory = "solutions"
        c.CourseDirectory.release_directory = "exercises"
        for step in ("submitted", "autograded", "feedback"):
            c.CourseDirectory[f"{step}_directory"] = os.path.join("grading", step)
        c.ZipCollectApp.downloaded_directory = os.path.join("grading", "downloaded")
        c.ClearSolutions.code_stub = {"python": STUB}
        c.Autograde.exporter_class = "grading.exporter.SubmissionExporter"
        c.Autograde.autograde_preprocessors = [
            "grading.preprocessor.WriteVerdict",  # in the place of nbgrader's Execute
            "nbgrader.preprocessors.LimitOutput",
            "nbgrader.preprocessors.SaveAutoGrades",
            "grading.preprocessor.SaveFeedback",
            "nbgrader.preprocessors.AssignLatePenalties",
            "nbgrader.preprocessors.CheckCellMetadata",
        ]
        c.HTMLExporter.filters = {"markdown2html": "grading.maths.markdown2html"}
        c.ExecutePreprocessor.timeout = c.Execute.timeout = 120  # nbgrader validate
        return c


def _see_to_path() -> None:
    """nbgrader runs programs of its own environment, activated or not."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


def _see_to_templates() -> None:
    """nbconvert looks for templates on Jupyter's path; formgrader lets no setting say otherwise.

    The formulas in them are set by `lectures.website`, which is never installed.
    """
    ours = str(Path(__file__).parent / "jupyter")
    if ours not in (paths := os.environ.get("JUPYTER_PATH", "").split(os.pathsep)):
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [ours, *paths]))
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
