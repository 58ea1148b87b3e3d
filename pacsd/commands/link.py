"""`pacsd link`: share links of an organisation, made, listed and ended by its administrator."""

import argparse
import getpass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from pacsd.access.principal import PatientKey
from pacsd.commands.hl7 import organisation_of
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError
from pacsd.links import qr
from pacsd.links.link import Kept
from pacsd.links.links import Wanted
from pacsd.links.notices import NoticeTo

PICTURES = {".png": qr.png, ".svg": qr.svg}


def make(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd link make`: one, told this once; its PIN too, unless it was given."""
    picture = None if options.qr is None else PICTURES.get(options.qr.suffix.lower())
    if options.qr is not None and picture is None:
        raise PacsdError(Fault.INVALID, f"a QR code is a file {' or '.join(PICTURES)}")
    with wiring.links(settings) as links:
        made = links.make(organisation_of(options, settings), _user(), _wanted(options))
    if options.qr is not None and picture is not None:
        _write(options.qr, picture(made.url))
    print(f"link\t{made.url}\nname\t{made.link.name}\nuntil\t{made.link.expires_at:%Y-%m-%dT%H:%M:%S%z}")
    if made.pin:
        print(f"PIN\t{made.pin}")
    return 0


def show(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd link list`: those that are not over, the last one last, tabs between columns."""
    with wiring.links(settings) as links:
        for one in reversed(links.listed(organisation_of(options, settings), _user(), limit=options.limit)):
            print(*_columns(one), sep="\t")
    return 0


def revoke(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd link revoke`: end one, and within seconds what was opened with it."""
    with wiring.links(settings) as links:
        links.revoke(organisation_of(options, settings), _user(), options.name, reason=options.reason)
    print(f"revoked {options.name}")
    return 0


def film(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd link close` and `reopen`: whether any link shows a study."""
    closed = options.action == "close"
    with wiring.links(settings) as links:
        links.close_film(organisation_of(options, settings), _user(), options.study, closed=closed,
                         reason=options.reason)  # fmt: skip
    print(f"{'closed' if closed else 'reopened'} {options.study}")
    return 0


def _wanted(options: argparse.Namespace) -> Wanted:
    until = options.until if options.days is None else _in(options.days)
    channel = NoticeTo(options.send[0], options.send[1], options.language) if options.send else None
    return Wanted(
        studies=tuple(options.studies), patient=PatientKey(*options.patient) if options.patient else None, until=until,
        download=options.download, pin="" if options.no_pin else options.pin, max_views=options.views, notice=channel,
    )  # fmt: skip


def _in(days: int) -> datetime:
    try:
        return datetime.now(UTC) + timedelta(days=days)
    except OverflowError as error:
        raise PacsdError(Fault.INVALID, "a link does not last that long") from error


def _columns(kept: Kept) -> tuple[object, ...]:
    link = kept.link
    patient = "" if link.patient is None else f"{link.patient.assigning_authority}|{link.patient.patient_id}"
    viewed = f"{kept.views}/{link.max_views}" if link.max_views is not None else kept.views
    marks = " ".join(["pin"] * bool(link.pin) + ["download"] * link.download)
    return link.name, f"{link.expires_at:%Y-%m-%dT%H:%M:%S%z}", f"views={viewed}", marks, link.made_by, patient, \
        " ".join(link.studies)


def _write(file: Path, picture: bytes) -> None:
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise PacsdError(Fault.INVALID, f"{file} cannot be written: {error.strerror}") from error


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):          # a number without a name
        return "unknown"
