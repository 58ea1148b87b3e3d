"""The command line `pacsd`: what is asked for is done, and on record; its exit status."""

import argparse
import logging
import sys
import warnings
from collections.abc import Sequence

from config.settings import Settings, SettingsError, load_settings
from pacsd.commands.arguments import Handler, build_parser
from pacsd.commands.recording import COMMANDS, message_of
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

NOT_DONE, USAGE = 1, 2

# option -> key of the settings that it overrides
OVERRIDES = {
    "data": "data_dir",
    "database": "database",
    "host": "host",
    "http_port": "http_port",
    "dicom_port": "dicom_port",
    "mllp_port": "mllp_port",
    "ae_title": "ae_title",
    "roles": "roles",
}

# What looks at an archive or changes it; what may come first makes one: serve, import, restore, users, certs …
OF_AN_ARCHIVE = frozenset((
    "check", "rebuild", "backup", "export", "purge", "retention", "reject", "unreject", "rejections", "hold", "release",
    "holds", "identity", "report", "link", "audit",
))  # fmt: skip
TAKE_A_FOLDER = frozenset(("import", "restore"))


def run(arguments: Sequence[str] | None, wiring: Wiring) -> int:
    """Do what the command line asks for; the exit status."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    handler: Handler = options.handler
    _quiet_libraries()
    try:
        settings = settings_of(options)
        _require_folders(options, settings)
        return _recorded(options, settings, wiring, handler)
    except SettingsError as error:
        print(f"pacsd: {error}", file=sys.stderr)
        return USAGE
    except PacsdError as error:
        print(f"pacsd: {error.message}", file=sys.stderr)
        return NOT_DONE
    except KeyboardInterrupt:
        print("pacsd: interrupted", file=sys.stderr)
        return NOT_DONE


def _require_folders(options: argparse.Namespace, settings: Settings) -> None:
    """A folder that is not there is a slip of who typed its name: nothing in it would be found to be wrong.

    Raises PacsdError NOT_FOUND.
    """
    if options.command in OF_AN_ARCHIVE and not settings.data_dir.is_dir():
        raise PacsdError(Fault.NOT_FOUND, f"there is no data directory {settings.data_dir}: see --data and --config")
    if options.command in OF_AN_ARCHIVE and not settings.blobs_dir.is_dir():
        raise PacsdError(Fault.NOT_FOUND, f"{settings.data_dir} is no data directory: see --data and --config")
    if options.command in TAKE_A_FOLDER and not options.folder.is_dir():
        raise PacsdError(Fault.NOT_FOUND, f"there is no folder {options.folder}")


def _recorded(options: argparse.Namespace, settings: Settings, wiring: Wiring, handler: Handler) -> int:
    """Do it, once it is on record who does."""
    message = message_of(options, settings) if settings.audit.record else None
    if message is None:
        return handler(options, settings, wiring)
    declared = COMMANDS[options.command]
    if declared is not None and declared.afterwards:
        status = handler(options, settings, wiring)
        wiring.record(settings, message)
        return status
    wiring.record(settings, message)
    return handler(options, settings, wiring)


def _quiet_libraries() -> None:
    """What they say holds values of objects, and every failure is said by the command itself."""
    for name in ("pynetdicom", "pydicom", "psycopg", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings file, with what the command line says on top. Raises SettingsError."""
    given = {key: getattr(options, name, None) for name, key in OVERRIDES.items()}
    return load_settings(options.config, {key: value for key, value in given.items() if value is not None})
