"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples on every machine, and no stopwatch: a busy machine is not a defect.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_log_of_another_test() -> Iterator[None]:
    """A command points the log at the stream of its test, which is closed when that is over."""
    yield
    logging.getLogger("ghostships").handlers.clear()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real files beside the checkout; tests that need it are skipped where it is absent."""
    folder = CHECKOUT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("the shared folder of real files is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The project's own small files."""
    return CHECKOUT / "fixtures"
