"""The HL7 files of the data folder."""

from pathlib import Path


def hl7_files(data_folder: Path) -> dict[str, bytes]:
    """All of them, by their path below `hl7v2/`."""
    root = data_folder / "hl7v2"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.hl7"))}
