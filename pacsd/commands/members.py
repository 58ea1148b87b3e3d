"""On whose behalf a command acts."""

import argparse

from config.settings import Settings
from pacsd.faults import Fault, PacsdError


def organisation_of(options: argparse.Namespace, settings: Settings) -> str:
    """The code of `--organisation`, or of the first organisation. Raises PacsdError NOT_FOUND."""
    code: str = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code}")
    return code
