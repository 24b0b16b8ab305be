"""environment.yml and pyproject.toml ask for the same packages and ranges; constraints.txt fits."""

import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"pytorch": "torch"}


def wanted(*extras: str) -> dict[str, str]:
    lines = PROJECT["dependencies"] + [
        line for extra in extras for line in PROJECT["optional-dependencies"][extra]
    ]
    return {r.name: str(r.specifier) for r in map(Requirement, lines)}


def test_conda_asks_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "dgm"
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    conda = {r.name: str(r.specifier) for r in map(Requirement, lines)}
    conda = {CONDA_NAMES.get(name, name): range_ for name, range_ in conda.items()}
    assert conda.pop("python") == PROJECT["requires-python"]
    assert conda.pop("pip") == ""
    assert conda == wanted("grading", "cluster", "test")
    assert {"pip": ["-e ."]} in environment["dependencies"]


@pytest.mark.parametrize("extra", ["grading", "cluster", "test", "site", "bench"])
def test_constraints_lie_within_the_ranges(extra):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {
        r.name.lower(): next(iter(r.specifier)).version
        for r in map(Requirement, [line for line in lines if not line.startswith("#")])
    }
    assert pinned["torch"] == "2.13.0"
    for name, range_ in wanted(extra).items():
        assert pinned[name.lower()] in Requirement(f"{name}{range_}").specifier, name
