"""Other people's programs that drive the server in tests."""

import os
import shutil

import pytest


def require(*programs: str) -> None:
    """Skip with a visible reason where a system program is missing; in CI that is a failure instead."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent:
        missing(f"needs {', '.join(absent)}")


def missing(reason: str) -> None:
    """Skip with a visible reason; in CI that is a failure instead."""
    if os.environ.get("PACSD_REQUIRE_CLIENTS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
