"""What may be typed behind `pacsd`: commands with their options, and who does each."""

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pacsd
from config.settings import ROLES, Settings
from pacsd.commands import (
    audit,
    certs,
    clients,
    hl7,
    identity,
    link,
    rejections,
    report,
    terminology,
    upkeep,
    users,
    viewer,
)
from pacsd.commands.echo import echo
from pacsd.commands.export import export
from pacsd.commands.find import find
from pacsd.commands.import_files import import_files
from pacsd.commands.move import move
from pacsd.commands.purge import purge
from pacsd.commands.retention import retention
from pacsd.commands.sbom import sbom
from pacsd.commands.send import send
from pacsd.commands.wiring import Wiring

STATUSES = "exit status: 0 done, 1 not done, 2 wrong usage or settings, 3 done but something was refused or wrong"

Handler = Callable[[argparse.Namespace, Settings, Wiring], int]


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(prog="pacsd", description=pacsd.__doc__, epilog=STATUSES)
    parser.add_argument("--version", action="version", version=f"pacsd {pacsd.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_archive_commands(commands)
    _add_rejections(commands)
    _add_peer_commands(commands)
    _add_hl7(commands)
    _add_identity(commands)
    _add_report(commands)
    _add_terminology(commands)
    _add_link(commands)
    _add_users(commands)
    _add_clients(commands)
    _add_viewer(commands)
    _add_certs(commands)
    _add_claims(commands)
    _add_audit(commands)
    return parser


def _serve(_options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    return wiring.serve(settings)


def _claims(_options: argparse.Namespace, _settings: Settings, wiring: Wiring) -> int:
    print(json.dumps(wiring.claims(), ensure_ascii=False, indent=1))
    return 0


def _moment(text: str) -> datetime:
    """Local time where no offset is said."""
    return datetime.fromisoformat(text).astimezone()


def _roles(text: str) -> list[str]:
    return [role.strip() for role in text.split(",")]


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser("serve", help="run the server until it is told to stop")
    _add_common(serve)
    serve.add_argument("--host", metavar="ADDRESS", help="address to listen on (127.0.0.1)")
    serve.add_argument("--http-port", type=int, metavar="N", help="port of DICOMweb, health and metrics (8080)")
    serve.add_argument("--dicom-port", type=int, metavar="N", help="port of DIMSE (11112)")
    serve.add_argument("--mllp-port", type=int, metavar="N", help="port of HL7 v2 over MLLP (2575)")
    serve.add_argument("--roles", type=_roles, metavar="ROLE,...", help=f"what to run ({','.join(ROLES)})")
    serve.set_defaults(handler=_serve)


def _add_audit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("audit", help="the records of who accessed what").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    verifying = actions.add_parser("verify", help="whether they are all there, as they were written")
    verifying.set_defaults(handler=audit.verify)
    _add_common(verifying)


def _add_claims(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    claims = commands.add_parser("claims", help="print what this build supports, as JSON")
    claims.set_defaults(handler=_claims, config=None)
    bill = commands.add_parser("sbom", help="print what this installation is made of (CycloneDX)")
    bill.set_defaults(handler=sbom, config=None)


def _add_archive_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    importing = commands.add_parser("import", help="bring in the DICOM files of a folder; run it again to go on")
    importing.add_argument("folder", type=Path, metavar="DIR")
    importing.add_argument("--organisation", metavar="CODE", help="whose they are (the first one)")
    importing.add_argument("--again", action="store_true", help="look at files that an earlier run brought in, too")
    importing.set_defaults(handler=import_files)
    exporting = commands.add_parser("export", help="write studies as files, de-identified or as they are")
    exporting.add_argument("studies", nargs="+", metavar="STUDY", help="Study Instance UID")
    exporting.add_argument("folder", type=Path, metavar="DIR", help="where to")
    exporting.add_argument("--deidentify", metavar="POLICY", help="basic, research, teaching, or a file of yours")
    exporting.add_argument("--project", metavar="NAME", help="whose pseudonyms; its key is made at first use")
    exporting.add_argument("--series", metavar="UID", help="this series of the study only")
    exporting.add_argument("--organisation", metavar="CODE", help="whose copy (the first one)")
    exporting.set_defaults(handler=export)
    check = commands.add_parser("check", help="compare every stored byte with its checksum and the index")
    check.set_defaults(handler=upkeep.check)
    rebuild = commands.add_parser("rebuild", help="make the index anew from objects and journal (server stopped)")
    rebuild.set_defaults(handler=upkeep.rebuild)
    purging = commands.add_parser("purge", help="delete a study, a series or instances for good")
    purging.add_argument("study", metavar="STUDY", help="Study Instance UID; with --non-patient a SOP Instance UID")
    purging.add_argument("--non-patient", action="store_true", help="an instance that belongs to no patient")
    purging.add_argument("--series", metavar="UID", help="this series of the study only")
    purging.add_argument("--instance", action="append", metavar="UID", dest="instances", help="these instances only")
    purging.add_argument("--organisation", metavar="CODE", help="whose copy (the first one)")
    purging.add_argument("--yes", action="store_true", help="do not ask")
    purging.set_defaults(handler=purge)
    keeping = commands.add_parser("retention", help="delete the studies that the rules let go, as the worker does")
    keeping.add_argument("--dry-run", action="store_true", help="only show them")
    keeping.set_defaults(handler=retention)
    backup = commands.add_parser("backup", help="copy everything to a folder; again: only what is new")
    backup.add_argument("folder", type=Path, metavar="DIR")
    backup.set_defaults(handler=upkeep.backup)
    restore = commands.add_parser("restore", help="bring a backup back into an empty data directory")
    restore.add_argument("folder", type=Path, metavar="DIR")
    restore.set_defaults(handler=upkeep.restore)
    for command in (importing, exporting, check, rebuild, purging, keeping, backup, restore):
        _add_common(command)


def _add_rejections(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    rejecting = commands.add_parser("reject", help="hide a study, a series or instances, as a rejection note does")
    rejecting.add_argument("--title", required=True, choices=list(rejections.TITLES), help="for which reason")
    restoring = commands.add_parser("unreject", help="show again what was rejected, by a note or by command")
    restoring.add_argument(
        "--may-come", action="store_true", help="of instances that are not here: they are taken again, and shown"
    )
    listing = commands.add_parser("rejections", help="the newest rejections, and the notes that say so")
    listing.add_argument("--study", metavar="UID", help="of this study only")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (50)")
    holding = commands.add_parser("hold", help="put a study on legal hold: nothing of it is deleted")
    releasing = commands.add_parser("release", help="end a legal hold")
    holds = commands.add_parser("holds", help="the studies on legal hold")
    for command in (rejecting, restoring, holding, releasing):
        command.add_argument("study", metavar="STUDY", help="Study Instance UID")
        command.add_argument("--reason", required=True, metavar="TEXT", help="in your own words, kept in the journal")
    for command in (rejecting, restoring):
        command.add_argument("--series", metavar="UID", help="this series of the study only")
        command.add_argument("--instance", action="append", metavar="UID", dest="instances", help="these instances")
    for command, handler in (
        (rejecting, rejections.reject), (restoring, rejections.unreject), (listing, rejections.show),
        (holding, rejections.hold), (releasing, rejections.release), (holds, rejections.show_holds),
    ):  # fmt: skip
        command.add_argument("--organisation", metavar="CODE", help="whose copy (the first one)")
        command.set_defaults(handler=handler)
        _add_common(command)


def _add_peer_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    echoing = commands.add_parser("echo", help="C-ECHO: does a peer answer")
    sending = commands.add_parser("send", help="C-STORE files and folders to a peer, as they are")
    finding = commands.add_parser("find", help="C-FIND: ask a peer what it has")
    moving = commands.add_parser("move", help="C-MOVE: have a peer send to an AE that it knows")
    for command, handler in ((echoing, echo), (sending, send), (finding, find), (moving, move)):
        command.add_argument("peer", metavar="PEER", help="AE title of the settings, or TITLE@HOST:PORT")
        command.add_argument("--timeout-s", type=float, default=30.0, metavar="S", help="wait for an answer (30)")
        command.set_defaults(handler=handler)
        _add_common(command)
    sending.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    for command in (finding, moving):
        command.add_argument("--level", choices=("PATIENT", "STUDY", "SERIES", "IMAGE"), default="STUDY")
        command.add_argument(
            "-k", "--key", action="append", default=[], metavar="KEYWORD[=VALUE]", dest="keys",
            help="a key to match or, without value, to return; PatientID=42",
        )  # fmt: skip
    moving.add_argument("--to", required=True, metavar="TITLE", help="AE title of the destination")


def _add_hl7(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("hl7", help="HL7 messages that came and that go out").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the newest messages")
    listing.add_argument("--state", metavar="STATE", help="applied, ignored, refused, replaced; waiting, delivered")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (50)")
    listing.set_defaults(handler=hl7.list_messages)
    showing = actions.add_parser("show", help="a message and its answers")
    showing.add_argument("number", type=int, metavar="N")
    showing.add_argument("--raw", action="store_true", help="the message alone, byte for byte")
    showing.set_defaults(handler=hl7.show)
    replaying = actions.add_parser("replay", help="receive refused messages anew, or send settled ones again")
    replaying.add_argument("numbers", type=int, nargs="+", metavar="N")
    replaying.set_defaults(handler=hl7.replay)
    repairing = actions.add_parser("repair", help="receive another message in place of a refused one")
    repairing.add_argument("number", type=int, metavar="N")
    repairing.add_argument("file", type=Path, metavar="FILE")
    repairing.set_defaults(handler=hl7.repair)
    trying = actions.add_parser("try", help="say what a message would do, and do nothing")
    trying.add_argument("file", type=Path, metavar="FILE")
    trying.add_argument("--address", default="127.0.0.1", metavar="ADDRESS", help="where it would come from")
    trying.set_defaults(handler=hl7.attempt)
    sending = actions.add_parser("send", help="queue a message for a destination")
    sending.add_argument("destination", metavar="DESTINATION", help="a name of [[hl7_destinations]]")
    sending.add_argument("file", type=Path, metavar="FILE")
    sending.set_defaults(handler=hl7.send)
    for action in (listing, showing, replaying):
        action.add_argument("--outgoing", action="store_true", help="of the queues, not of what came")
    for action in (listing, showing, replaying, repairing, sending):
        action.add_argument("--organisation", metavar="CODE", help="whose (the first one)")
    for action in (listing, showing, replaying, repairing, trying, sending):
        _add_common(action)


def _add_identity(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("identity", help="who is one person, and what became of a patient").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    told = actions.add_parser("history", help="every merge, link and decision that concerns a patient")
    told.set_defaults(handler=identity.history)
    records = actions.add_parser("person", help="all records that are linked to a patient's")
    records.set_defaults(handler=identity.person)
    parting = actions.add_parser("unmerge", help="take back the merge of a patient into another")
    parting.set_defaults(handler=identity.unmerge)
    reviews = actions.add_parser("review", help="pairs that may be one person").add_subparsers(
        dest="review", required=True, metavar="ACTION"
    )
    listing = reviews.add_parser("list", help="those that nobody decided on, the likeliest first")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many (50)")
    listing.set_defaults(handler=identity.review)
    linking = reviews.add_parser("link", help="they are one person, whatever the machine finds")
    linking.set_defaults(handler=identity.link)
    separating = reviews.add_parser("separate", help="they are two persons, whatever the machine finds")
    separating.set_defaults(handler=identity.separate)
    for action in (told, records, parting, linking, separating):
        action.add_argument("patient", nargs=2, metavar=("AUTHORITY", "ID"))
    for action in (linking, separating):
        action.add_argument("other", nargs=2, metavar=("AUTHORITY", "ID"))
    for action in (told, records, parting, listing, linking, separating):
        action.add_argument("--organisation", metavar="CODE", help="for whom (the first one)")
        _add_common(action)


def _add_users(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("users", help="people who sign in at our own authorization server").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    adding = actions.add_parser("add", help="make one")
    adding.add_argument("--name", metavar="TEXT", help="as people read it")
    adding.add_argument("--organisation", metavar="CODE", help="whose (the first one)")
    adding.add_argument("--patient", nargs=2, metavar=("AUTHORITY", "ID"), help="whose record a patient's is")
    adding.add_argument("--fhir-user", metavar="REFERENCE", help="such as Practitioner/17")
    adding.set_defaults(handler=users.add)
    listing = actions.add_parser("list", help="all of them")
    listing.set_defaults(handler=users.show)
    locking = actions.add_parser("lock", help="keep one out, and end all that they have open")
    locking.add_argument("--undo", action="store_true", help="let them in again")
    locking.set_defaults(handler=users.lock)
    changing = actions.add_parser("passwd", help="give one another password")
    changing.add_argument("--forget-second-factor", action="store_true", help="for who lost theirs")
    changing.set_defaults(handler=users.passwd)
    deciding = actions.add_parser("role", help="give one other roles")
    deciding.set_defaults(handler=users.role)
    for action in (adding, locking, changing, deciding):
        action.add_argument("username", metavar="USER")
    for action in (adding, changing):
        action.add_argument("--password-file", type=Path, metavar="FILE", help="else it is typed, or made up")
    adding.add_argument("--role", action="append", required=True, dest="held_roles", metavar="ROLE", help="their role")
    deciding.add_argument("held_roles", nargs="+", metavar="ROLE")
    for action in (adding, listing, locking, changing, deciding):
        _add_common(action)


def _add_clients(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("clients", help="programs that act for people, or for themselves").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    adding = actions.add_parser("add", help="register one")
    adding.add_argument("--name", metavar="TEXT", help="as people read it")
    adding.add_argument("--organisation", metavar="CODE", help="whose (the first one)")
    adding.add_argument("--method", default="none", metavar="METHOD", help="how it proves who it is (none)")
    adding.add_argument("--redirect-uri", action="append", default=[], metavar="URI", help="where people return to")
    adding.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="what it may ask for")
    adding.add_argument("--role", action="append", dest="held_roles", metavar="ROLE", help="what it is itself (system)")
    adding.add_argument("--keys", type=Path, metavar="FILE", help="its public keys, a JWK Set")
    adding.add_argument("--keys-url", metavar="URL", help="where those are")
    adding.add_argument("--certificate", metavar="SHA256", help="of its TLS certificate, in base64url")
    adding.add_argument("--trusted", action="store_true", help="people are not asked what it may")
    adding.add_argument("--launches", action="store_true", help="it launches apps with a patient (SMART)")
    adding.add_argument("--introspects", action="store_true", help="it may ask about tokens (RFC 7662)")
    adding.set_defaults(handler=clients.add)
    listing = actions.add_parser("list", help="all of them")
    listing.set_defaults(handler=clients.show)
    removing = actions.add_parser("remove", help="end one, and all that was granted to it")
    removing.set_defaults(handler=clients.remove)
    for action in (adding, removing):
        action.add_argument("client", metavar="CLIENT")
    for action in (adding, listing, removing):
        _add_common(action)


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("report", help="what is said of studies").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    listing = actions.add_parser("list", help="the reports that changed last")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (50)")
    listing.set_defaults(handler=report.list_reports)
    showing = actions.add_parser("show", help="the reports about a study, as they read and in all versions")
    showing.add_argument("study", metavar="STUDY", help="Study Instance UID")
    showing.set_defaults(handler=report.show)
    for action in (listing, showing):
        action.add_argument("--organisation", metavar="CODE", help="whose (the first one)")
        _add_common(action)


def _add_link(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("link", help="share links to studies").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    making = actions.add_parser("make", help="one, to studies or to all of a patient's")
    making.add_argument("--study", action="append", default=[], dest="studies", metavar="UID", help="a study")
    making.add_argument("--patient", nargs=2, metavar=("AUTHORITY", "ID"), help="whose history")
    lasting = making.add_mutually_exclusive_group()
    lasting.add_argument("--days", type=int, metavar="N", help="how long it lasts (links.default_days)")
    lasting.add_argument("--until", type=_moment, metavar="TIME", help="when it ends, such as 2030-01-31T18:00+08:00")
    making.add_argument("--download", action="store_true", help="let studies be taken away, too")
    protecting = making.add_mutually_exclusive_group()
    protecting.add_argument("--pin", metavar="DIGITS", help="the PIN (one is made up)")
    protecting.add_argument("--no-pin", action="store_true", help="ask for none")
    making.add_argument("--views", type=int, metavar="N", help="how often it may be opened (as often as one likes)")
    making.add_argument("--qr", type=Path, metavar="FILE", help="write its QR code, .png or .svg")
    making.add_argument("--send", nargs=2, metavar=("CHANNEL", "RECIPIENT"), help="send it, by one of link_channels")
    making.add_argument("--language", default="", metavar="LANG", help="of what is sent: zh, en")
    making.set_defaults(handler=link.make)
    listing = actions.add_parser("list", help="those that are not over")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="how many (50)")
    listing.set_defaults(handler=link.show)
    revoking = actions.add_parser("revoke", help="end one")
    revoking.add_argument("name", metavar="NAME")
    revoking.set_defaults(handler=link.revoke)
    closing = actions.add_parser("close", help="keep all links from showing a study, as while a film is not paid")
    reopening = actions.add_parser("reopen", help="let links show it again")
    for action in (closing, reopening):
        action.add_argument("study", metavar="UID")
        action.set_defaults(handler=link.film)
    for action in (revoking, closing, reopening):
        action.add_argument("--reason", required=True, metavar="TEXT")
    for action in (making, listing, revoking, closing, reopening):
        action.add_argument("--organisation", metavar="CODE", help="whose (the first one)")
        _add_common(action)


def _add_terminology(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("terminology", help="code systems from files").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    loading = actions.add_parser("load", help="a CodeSystem (.json), a table (.csv, .tsv), LOINC, or SNOMED CT (.zip)")
    loading.add_argument("file", type=Path, metavar="FILE")
    loading.add_argument("--url", default="", metavar="URI", help="which code system it is, where it does not say so")
    loading.add_argument("--version", default="", metavar="TEXT", help="its version, or edition")
    loading.add_argument("--name", default="", metavar="TEXT", help="how it is called")
    loading.add_argument("--prefixes", action="store_true", help="A00.0 is under A00, as in ICD-10")
    loading.set_defaults(handler=terminology.load)
    listing = actions.add_parser("list", help="what was loaded")
    listing.set_defaults(handler=terminology.listed)
    removing = actions.add_parser("remove", help="take one away")
    removing.add_argument("url", metavar="URI")
    removing.add_argument("version", nargs="?", default="", metavar="VERSION")
    removing.set_defaults(handler=terminology.remove)
    for action in (loading, removing):
        action.add_argument("--organisation", metavar="CODE", help="whose it is (everybody's)")
    for action in (loading, listing, removing):
        _add_common(action)


def _add_viewer(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("viewer", help="the viewer that is served below /viewer").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    install = actions.add_parser("install", help="fetch OHIF's prebuilt viewer from the npm registry, or take a file")
    install.add_argument("--from", type=Path, metavar="TGZ", dest="file", help="an npm package file instead")
    install.add_argument("--version", metavar="X.Y.Z", help=f"which version ({viewer.VERSION})")
    install.add_argument("--integrity", metavar="HASH", help="sha512-… of the package, for versions we know none of")
    install.add_argument("--registry", metavar="URL", help="an npm registry (the one that npm is set up for)")
    install.add_argument("--app-config", type=Path, metavar="FILE", help="the viewer's configuration, instead of ours")
    install.set_defaults(handler=viewer.install)
    _add_common(install)


def _add_certs(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    actions = commands.add_parser("certs", help="a private certification authority for TLS").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    beginning = actions.add_parser("init", help="make the authority")
    beginning.add_argument("--name", default="pacsd private CA", metavar="TEXT", help="its name (pacsd private CA)")
    beginning.set_defaults(handler=certs.init)
    issuing = actions.add_parser("issue", help="issue a certificate and its key")
    issuing.add_argument("use", choices=certs.USES, help="ae: a server and a client")
    issuing.add_argument("name", metavar="NAME", help="of the files, and of the subject")
    issuing.add_argument("san", nargs="*", metavar="SAN", help="host names, addresses and URIs it is for")
    issuing.add_argument("--renew", action="store_true", help="in place of the one that is there")
    issuing.set_defaults(handler=certs.issue)
    listing = actions.add_parser("list", help="state, end, name, names, thumbprint and serial number of each")
    listing.set_defaults(handler=certs.show)
    revoking = actions.add_parser("revoke", help="put a certificate on the list of those that are refused")
    revoking.add_argument("name", metavar="NAME")
    revoking.set_defaults(handler=certs.revoke)
    for action, days in ((beginning, certs.AUTHORITY_DAYS), (issuing, certs.DAYS)):
        action.add_argument("--days", type=int, default=days, metavar="N", help=f"how long it is good ({days})")
    for action in (beginning, issuing, listing, revoking):
        action.add_argument("--folder", type=Path, metavar="DIR", help="where all of it lies (certs in --data)")
        _add_common(action)


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="settings, as config/pacsd.toml shows them")
    command.add_argument("--data", type=Path, metavar="DIR", help="data directory (./pacsd-data)")
    command.add_argument("--database", metavar="DSN", help="a PostgreSQL of yours instead of the embedded one")
    command.add_argument("--ae-title", metavar="TITLE", help="our AE title (PACSD)")
