"""The tree of errors, and the help for a name that is nearly right."""

from __future__ import annotations

import re

import pytest

from traceview import errors
from traceview.errors import TraceviewError, nearest

ERRORS = {name: getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("TraceNotFoundError", FileNotFoundError),
        ("TraceReadError", OSError),
        ("UnknownFormatError", ValueError),
        ("UnsupportedVersionError", ValueError),
        ("DeclarationsNeededError", ValueError),
        ("DeclarationsMismatchError", ValueError),
        ("GrammarError", ValueError),
        ("UnknownNameError", LookupError),
        ("MissingEventsError", LookupError),
        ("ImageError", OSError),
        ("UndoFileError", ValueError),
        ("RepairRefusedError", RuntimeError),
        ("TooManyRecordsError", ValueError),
        ("MissingPackageError", ImportError),
        ("StoreError", OSError),
        ("TriageError", ValueError),
    ],
)
def test_each_error_is_one_of_ours_and_the_built_in_that_it_resembles(name: str, builtin: type[Exception]) -> None:
    assert issubclass(ERRORS[name], TraceviewError)
    assert issubclass(ERRORS[name], builtin)
    assert str(ERRORS[name]("what is wrong")) == "what is wrong"


def test_the_tree_in_the_documentation_is_the_tree_of_the_classes() -> None:
    documented = dict(re.findall(r"[├└]── (\w+) *\(also (\w+)\)", errors.__doc__ or ""))
    found = {
        name: next(b.__name__ for b in cls.__bases__ if b is not TraceviewError)
        for name, cls in ERRORS.items()
        if cls is not TraceviewError
    }
    assert documented == found


def test_every_class_of_the_module_is_public() -> None:
    classes = {n for n, c in vars(errors).items() if isinstance(c, type) and c.__module__ == errors.__name__}
    assert classes == set(ERRORS)


def test_the_nearest_known_name_is_offered() -> None:
    assert nearest("mirror_exti", ["mirror_start", "mirror_exit"]) == "; did you mean 'mirror_exit'?"


def test_no_name_is_offered_where_none_is_near() -> None:
    assert nearest("xyz", ["mirror_start", "mirror_exit"]) == ""
    assert nearest("xyz", []) == ""
