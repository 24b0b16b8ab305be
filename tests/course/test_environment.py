"""environment.yml and pyproject.toml ask for the same packages and ranges; constraints.txt fits."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

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
    *lines, by_pip = environment["dependencies"]
    *more, course = by_pip["pip"]
    assert course == "-e ."
    conda = {r.name: str(r.specifier) for r in map(Requirement, lines + more)}
    conda = {CONDA_NAMES.get(name, name): range_ for name, range_ in conda.items()}
    assert conda.pop("python") == str(SpecifierSet(PROJECT["requires-python"]))
    assert conda.pop("pip") == ""
    assert conda == wanted("grading", "cluster", "test")


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


@pytest.mark.parametrize("end", [0, -1], ids=["oldest", "newest"])
def test_constraints_fit_every_supported_python(end):
    """Also the first release of the oldest: systems keep it, and some packages ask for a later one."""
    supported = SpecifierSet(PROJECT["requires-python"])
    minor = [n for n in range(20) if f"3.{n}.0" in supported][end]
    lines = (ROOT / "constraints.txt").read_text().splitlines()[1:]
    refused = [
        f"{package.name} {package.version} wants {wants}"
        for package in distributions()
        if f"{package.name}=={package.version}".lower() in map(str.lower, lines)
        and (wants := package.metadata.get("Requires-Python"))
        and f"3.{minor}.0" not in SpecifierSet(wants)
    ]
    assert not refused
