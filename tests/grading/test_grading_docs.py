"""The examples in grading's docstrings."""

import doctest
import importlib
import pkgutil

import pytest

import grading

MODULES = [
    name
    for _, name, _ in pkgutil.iter_modules(grading.__path__, "grading.")
    if not name.endswith(("__main__", "nbgrader_config"))
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0
