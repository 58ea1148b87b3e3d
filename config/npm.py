"""Which registry an npm client of this user would ask, for machines without npm (npm's own order of places)."""

import os
from collections.abc import Iterator
from pathlib import Path

_VARIABLES = ("npm_config_registry", "NPM_CONFIG_REGISTRY")


def configured_registry() -> str | None:
    """The registry that the environment or the user's .npmrc names; None where neither does."""
    for name in _VARIABLES:
        if value := os.environ.get(name):
            return value
    return next(_of_file(Path(os.environ.get("NPM_CONFIG_USERCONFIG") or "~/.npmrc").expanduser()), None)


def _of_file(file: Path) -> Iterator[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and key.strip() == "registry" and value.strip():
            yield value.strip().strip("\"'")
