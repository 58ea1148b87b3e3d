"""`pacsd reject`, `unreject`, `rejections`, `hold`, `release` and `holds`: what notes of IHE RAD-66 do, by hand."""

import argparse

from config.settings import Settings
from pacsd.commands.members import organisation_of
from pacsd.commands.wiring import Wiring
from pacsd.faults import Fault, PacsdError

TITLES = {                               # PS3.16 CID 7010
    "quality": "113001",
    "safety": "113037",
    "worklist": "113038",
    "retention": "113039",
}
_WORDS = {code: word for word, code in TITLES.items()}


def reject(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Hide instances, beside a running server if there is one."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        done = archive.rejections.reject(
            code, options.study, options.series, options.instances, code=TITLES[options.title], reason=options.reason
        )
    print(f"rejected: {done} instances")
    return 0


def unreject(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Show them again, or let come what is not here."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        if options.may_come:
            if not options.instances:
                raise PacsdError(Fault.MALFORMED, "--may-come needs an --instance")
            archive.rejections.let_come(code, options.study, options.series or "", options.instances)
            print("they may come")
            return 0
        done = archive.rejections.restore(
            code, options.study, options.series, options.instances, reason=options.reason
        )
    print(f"shown again: {done} instances")
    return 0


def show(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """One line for each: when, why, what became of it, which instance of which study, by which note, in whose words."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        for one in archive.rejected(code, options.study, options.limit):
            what = "note" if one.note else one.state
            why = _WORDS.get(one.saying.code, one.saying.code)
            said = " ".join(filter(None, (one.saying.said_by and f"by {one.saying.said_by}", one.saying.reason)))
            study = one.study_instance_uid or "-"
            line = f"{one.rejected_at:%Y-%m-%d %H:%M:%S} {why:9} {what:7} {one.sop_instance_uid} {study} {said}"
            print(line.rstrip())
    return 0


def hold(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """Put a study on legal hold."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        archive.rejections.hold(code, options.study, reason=options.reason)
    print("on hold")
    return 0


def release(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """End a legal hold."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        archive.rejections.release(code, options.study, reason=options.reason)
    print("released")
    return 0


def show_holds(options: argparse.Namespace, settings: Settings, wiring: Wiring) -> int:
    """One line for each study on hold."""
    code = organisation_of(options, settings)
    with wiring.archive(settings, alone=False) as archive:
        for one in archive.holds(code):
            print(f"{one.held_at:%Y-%m-%d %H:%M:%S} {one.study_instance_uid} {one.reason}")
    return 0
