"""The command `python -m conformance ups`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence

from pynetdicom import _config

from conformance.judging import DONE, FAILURES, NOT_RUN, Failed, Outcome, chosen
from conformance.options import add_common
from conformance.ups.checks import CHECKS, TRANSACTIONS
from conformance.ups.peer import Peer, Receiver
from conformance.ups.suite import Result, run_all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--host", help="of the server")
    parser.add_argument("--port", type=int, default=11112, help="of its DIMSE services (11112)")
    parser.add_argument("--called", default="PACSD", metavar="AE", help="its AE title (PACSD)")
    parser.add_argument("--calling", default="CONFORMANCE", metavar="AE", help="AE title to call with (CONFORMANCE)")
    parser.add_argument("--receiver", metavar="AE:PORT", help="AE that hears of events here, as the server knows it")
    add_common(parser, "--timeout", "--only", "--json", "--quiet", "--list")


def main(options: argparse.Namespace) -> int:
    """Run what the options say: 0 without failures, 1 with, 2 where nothing could be run."""
    checks = chosen(CHECKS, [one for one in options.only.split(",") if one])
    if options.list:
        for check in checks:
            print(f"{check.id:<26} {check.level:<9} {check.reference:<44} {check.title}")
        return DONE
    if not options.host or not checks:
        print("no --host given" if checks else "no check has such an id; see --list", file=sys.stderr)
        return NOT_RUN
    _config.LOG_HANDLER_LEVEL = "none"           # the library's own lines would stand between ours
    receiver = _receiver(options.receiver)
    peer = Peer(options.host, options.port, called=options.called, calling=options.calling, receiver=receiver,
                timeout_s=options.timeout)  # fmt: skip
    try:
        peer.association()
        results = list(run_all(checks, peer, tell=None if options.quiet else _tell))
    except Failed as failed:
        print(failed, file=sys.stderr)
        return NOT_RUN
    finally:
        peer.close()
        if receiver is not None:
            receiver.stop()
    return _told(results, options)


def summary(results: Sequence[Result]) -> str:
    """How many results of each outcome, by transaction."""
    rows = [f"{'':<40}" + "".join(f"{outcome.value:>15}" for outcome in Outcome)]
    for transaction in TRANSACTIONS:
        mine = Counter(one.outcome for one in results if one.check.id.partition(".")[0] == transaction.name)
        if mine:
            title = f"{transaction.title} {transaction.number}".strip()
            rows.append(f"{title:<40}" + "".join(f"{mine[outcome]:>15}" for outcome in Outcome))
    return "\n".join(rows)


def as_json(results: Sequence[Result]) -> str:
    """The run as JSON, one object for each check."""
    found = [
        {"id": one.check.id, "reference": one.check.reference, "title": one.check.title, "level": one.check.level,
         "outcome": one.outcome, "message": one.message, "seconds": round(one.seconds, 3)}
        for one in results
    ]  # fmt: skip
    totals = {outcome.value: sum(one.outcome is outcome for one in results) for outcome in Outcome}
    return json.dumps({"suite": "ups", "totals": totals, "checks": found}, indent=1, ensure_ascii=False) + "\n"


def _receiver(text: str | None) -> Receiver | None:
    if text is None:
        return None
    title, _, port = text.rpartition(":")
    return Receiver(title, int(port)).start()


def _tell(result: Result) -> None:
    text = f"{result.outcome.value:<13}  {result.check.id:<26} {result.check.reference}  {result.check.title}"
    print(f"{text}\n{'':<15}{result.message}" if result.message else text, flush=True)


def _told(results: Sequence[Result], options: argparse.Namespace) -> int:
    failures = [one for one in results if one.outcome is Outcome.FAIL]
    for one in failures if options.quiet else ():
        _tell(one)
    print(f"\n{summary(results)}")
    if options.json:
        options.json.write_text(as_json(results), encoding="utf-8")
    return FAILURES if failures else DONE
