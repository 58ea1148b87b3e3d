"""`pacsd hl7`: what came, what goes out, trying, repairing and replaying it."""

import argparse
import sys
from collections.abc import Sequence

from config.settings import Settings
from pacsd.commands.wiring import Tried, Wiring
from pacsd.faults import Fault, PacsdError

REFUSED = 3                              # done, but something was refused


def list_messages(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 list`: the newest last, one a line, tabs between columns."""
    with wiring.messages(settings) as exchange:
        organisation = organisation_of(options, settings)
        if options.outgoing:
            for one in reversed(exchange.list_outgoing(organisation, state=options.state, limit=options.limit)):
                print(one.pk, f"{one.queued_at:%Y-%m-%dT%H:%M:%S%z}", one.state, one.destination, one.message_type,
                      one.control_id, f"attempts={one.attempts}", one.problem or "", sep="\t")  # fmt: skip
        else:
            for got in reversed(exchange.list(organisation, state=options.state, limit=options.limit)):
                marks = [f"repeats={got.repeats}"] * bool(got.repeats) + ["reused"] * got.reused
                why = f"{got.problem.condition} {got.problem.location} {got.problem.text}" if got.problem else ""
                print(got.pk, f"{got.received_at:%Y-%m-%dT%H:%M:%S%z}", got.state, f"{got.application}|{got.facility}",
                      got.message_type, got.control_id, " ".join(marks), why, sep="\t")  # fmt: skip
    return 0


def show(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 show`: a message and its answers, byte for byte with --raw, else a segment a line."""
    with wiring.messages(settings) as exchange:
        organisation = organisation_of(options, settings)
        if options.outgoing:
            sent = exchange.outgoing(organisation, options.number)
            bodies: Sequence[bytes] = [sent.body, *([sent.answer] if sent.answer else [])]
        else:
            got = exchange.message(organisation, options.number)
            bodies = [got.body, *got.answers]
    if options.raw:
        sys.stdout.buffer.write(bodies[0])
    else:
        for body in bodies:
            print(_lines(body))
    return 0


def replay(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 replay`: refused messages are received anew, settled outgoing ones queued again."""
    status = 0
    with wiring.messages(settings) as exchange:
        organisation = organisation_of(options, settings)
        for number in options.numbers:
            if options.outgoing:
                print(f"{number} queued again as {exchange.replay_outgoing(organisation, number)}")
            else:
                status = max(status, _tell(f"{number}", exchange.replay(organisation, number)))
    return status


def repair(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 repair`: another message in place of a refused one."""
    with wiring.messages(settings) as exchange:
        organisation = organisation_of(options, settings)
        return _tell(f"{options.number}", exchange.repair(organisation, options.number, _read(options)))


def attempt(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 try`: what a message would do, of which nothing stays."""
    with wiring.messages(settings) as exchange:
        tried = exchange.attempt(_read(options), address=options.address)
    for effect in tried.effects:
        print(effect)
    for answer in tried.answers:
        print(_lines(answer))
    return _tell("try", tried)


def send(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """`pacsd hl7 send`: queues a message for a destination; a running server delivers it."""
    with wiring.messages(settings) as exchange:
        organisation = organisation_of(options, settings)
        number = exchange.send(options.destination, _read(options), organisation=organisation)
    print(f"queued as {number}")
    return 0


def _tell(what: str, tried: Tried) -> int:
    if tried.error is None:
        print(f"{what}: taken")
        return 0
    print(f"{what}: refused, {tried.error.condition.code} {tried.error.location or ''} {tried.error.text}")
    return REFUSED


def organisation_of(options: argparse.Namespace, settings: Settings) -> str:
    """For whom a command asks: --organisation, or the first one. Raises PacsdError NOT_FOUND."""
    code = options.organisation or settings.organisations[0].code
    if code not in [one.code for one in settings.organisations]:
        raise PacsdError(Fault.NOT_FOUND, f"there is no organisation {code}")
    return str(code)


def _read(options: argparse.Namespace) -> bytes:
    try:
        return bytes(options.file.read_bytes())
    except OSError as error:
        raise PacsdError(Fault.NOT_FOUND, f"{options.file} cannot be read: {error.strerror}") from error


def _lines(body: bytes) -> str:
    """For people: a segment a line, GB 18030 where it is no UTF-8."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("gb18030", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
