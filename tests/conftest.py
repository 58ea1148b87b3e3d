"""Fixtures every room's tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real DICOM, HL7 and FHIR files; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("PACSD_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "dicom").is_dir():
        if os.environ.get("PACSD_REQUIRE_CLIENTS") == "1":
            pytest.fail(f"no test data at {folder}")
        pytest.skip("real files are looked for in $PACSD_TEST_DATA, and are not there")
    return folder
