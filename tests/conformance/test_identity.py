"""The suite of patient identity: ours passes, and what only pretends, or errs in one thing, does not."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from conformance.__main__ import main
from conformance.identity.checks import CHECKS
from conformance.identity.site import FIRST, SECOND, Site
from conformance.identity.suite import Check
from conformance.judging import DONE, FAILURES, NOT_RUN, Outcome, judged
from conformance.oru.peer import Answer
from tests.server import Server, remove_folder, scratch_folder

CONFIG = "\n".join(
    f'[[identity_domains]]\nauthority = "{one.namespace}"\nuniversal_id = "{one.universal_id}"\n'
    for one in (FIRST, SECOND)
)
BY_ID = {one.id: one for one in CHECKS}


@pytest.fixture(scope="module")
def ours() -> Iterator[Site]:
    folder = scratch_folder("pacsd-identity-")
    server = Server(folder / "data", config=CONFIG)
    try:
        server.start()
        yield Site(("127.0.0.1", server.mllp_port), timeout_s=20.0)
    finally:
        server.stop()
        remove_folder(folder)


def test_every_check_is_named_once_with_transaction_and_clause() -> None:
    assert len(BY_ID) == len(CHECKS)
    assert all(re.fullmatch(r"(ITI|RAD)-\d+(, (ITI|RAD)-\d+)*", one.transaction) for one in CHECKS)
    assert all(re.match(r"(ITI TF-2|HL7 v2\.5\.1) (table )?[C\d]", one.clause) for one in CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.id)
def test_ours_passes(ours: Site, check: Check) -> None:
    one = judged(partial(check.run, ours))
    assert (one.outcome, one.message) == (Outcome.PASS, "")


# -- servers that answer alike ---------------------------------------------------------------------------------------

ACCEPTS = "MSH|^~\\&|{to}|SYSTEM|CONFORMANCE|SUITE|2026||ACK|1|P|2.5\rMSA|AA|{id}\r"
FAILS = ACCEPTS.replace("|AA|", "|AE|") + "ERR||PID^1^3|101^Required field missing^HL70357|E\r"
REJECTS = ACCEPTS.replace("|AA|", "|AR|") + "ERR||MSH^1^9^1^2|201^Unsupported event code^HL70357|E\r"
KNOWS_NOBODY = ACCEPTS.replace("ACK|1", "RSP^K23^RSP_K23|1") + "QAK|{tag}|NF\r{qpd}\r"
KNOWS_ONE = KNOWS_NOBODY.replace("|NF", "|OK") + f"PID|||1^^^{SECOND.whole}||~^^^^^^S\r"
KNOWS_NOTHING = (
    FAILS.replace("PID^1^3", "QPD^1^3^1^1").replace("|101^", "|204^").replace("ACK|1", "RSP^K23^RSP_K23|1")
    + "QAK|{tag}|AE\r{qpd}\r"
)
# what each does well enough by chance, which no check can hold against it
ALIKE: dict[str, set[str]] = {
    ACCEPTS: {"feed.acknowledge"},
    FAILS: set(),
    REJECTS: {"feed.refuse.event"},
    KNOWS_NOBODY: {"pix.answer.form"},
    KNOWS_ONE: set(),
    KNOWS_NOTHING: set(),
}


@contextmanager
def alike(answer: str) -> Iterator[Site]:
    """Says the same to everybody, but for what it has to repeat."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=32)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                message = b""
                while b"\x1c\x0d" not in message and (data := connection.recv(65536)):
                    message += data
                connection.sendall(b"\x0b" + said(answer, message.strip(b"\x0b\x1c\r").decode()) + b"\x1c\x0d")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield Site(listener.getsockname(), timeout_s=5.0)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def said(answer: str, message: str) -> bytes:
    lines = message.split("\r")
    head = lines[0].split("|") + [""] * 10
    query = next((line for line in lines if line.startswith("QPD|")), "QPD||")
    tag = (query.split("|") + [""] * 3)[2]
    return answer.format(id=head[9], to=head[4], tag=tag, qpd=query).encode()


@pytest.mark.parametrize("answer", ALIKE, ids=("AA", "AE", "AR", "NF", "OK", "204"))
def test_one_that_answers_alike_is_found_out(answer: str) -> None:
    with alike(answer) as site:
        passed = {one.id for one in CHECKS if judged(partial(one.run, site)).outcome is Outcome.PASS}
    assert passed == ALIKE[answer]


# -- ours, but for one thing -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Liar(Site):
    """Changes what the system answers on its way."""

    lie: Callable[[bytes, bytes], bytes] = lambda _asked, answer: answer

    def send(self, message: bytes) -> Answer:
        return Answer(self.lie(message, Site.send(self, message).raw))


def changed(pattern: bytes, new: bytes) -> Callable[[bytes, bytes], bytes]:
    return lambda _asked, answer: re.sub(pattern, new, answer)


def own_id_too(asked: bytes, answer: bytes) -> bytes:
    query = re.search(rb"QPD\|IHE PIX Query\|[^|]*\|([^|\r]*)", asked)
    return answer.replace(b"\rPID|||", b"\rPID|||%b~" % query[1]) if query else answer


LIES: dict[str, tuple[Callable[[bytes, bytes], bytes], str]] = {
    "MSA-2 is another": (changed(rb"\rMSA\|(..)\|[^|\r]*", rb"\rMSA|\1|OTHER"), "feed.acknowledge"),
    "addressed to another": (changed(rb"^(MSH\|[^|]*\|[^|]*\|[^|]*\|)CONFORMANCE", rb"\1OTHER"), "feed.acknowledge"),
    "errors without a place": (changed(rb"\rERR\|[^|]*\|[^|]*", b"\rERR||"), "feed.refuse.no-id"),
    "every error is 207": (changed(rb"(\rERR\|[^|]*\|[^|]*\|)\d+", rb"\g<1>207"), "pix.case-3"),
    "AR is AE": (changed(rb"\rMSA\|AR", b"\rMSA|AE"), "feed.refuse.event"),
    "names are lost": (changed(rb"(\rPID\|1\|\|[^|]*\|\|)[^|]*", rb"\1NOBODY"), "feed.update.A08"),
    "the authority is a name alone": (changed(rb"&2\.25\.\d+&ISO", b""), "pix.answer.qualified"),
    "PIX tells names": (changed(rb"~\^{6}S", b"NAME^OF^PATIENT"), "pix.answer.nameless"),
    "PIX gives the id asked for": (own_id_too, "pix.all-domains"),
    "QAK-1 is another": (changed(rb"\rQAK\|[^|]*", b"\rQAK|OTHER"), "pix.answer.form"),
    "QPD is not echoed": (changed(rb"\rQPD\|[^\r]*", b""), "pdq.answer.form"),
    "QAK-2 says OK to all": (changed(rb"(\rQAK\|[^|]*\|)..", rb"\1OK"), "pix.case-2"),
    "the ordinal is always 1": (changed(rb"QPD\^1\^([48])\^\d", rb"QPD^1^\1^1"), "pix.case-5"),
    "one error for many": (changed(rb"(\rERR[^\r]*)(\rERR[^\r]*)+", rb"\1"), "pdq.case-3"),
    "MSH-3 is its own name": (changed(rb"^MSH\|\^~\\&\|[^|]*", rb"MSH|^~\\&|MYSELF"), "pdq.answer.form"),
    "no more than an increment": (changed(rb"\rDSC\|[^\r]*", b""), "pdq.continue"),
    "the pointer never changes": (changed(rb"\rDSC\|[^|]*", b"\rDSC|1"), "pdq.continue"),
    "always more to come": (lambda _asked, answer: answer + b"DSC|1|I\r", "pdq.continue.enough"),
    "a cancel is answered by RSP": (changed(rb"\|ACK[^|]*\|", b"|RSP^K22|"), "pdq.continue.cancel"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_one_that_errs_in_one_thing_is_found_out(ours: Site, name: str) -> None:
    lie, caught = LIES[name]
    liar = Liar(ours.mllp, timeout_s=20.0, lie=lie)
    one = judged(partial(BY_ID[caught].run, liar))
    assert one.outcome is Outcome.FAIL and "does not understand" not in one.message


@pytest.mark.parametrize("event", ["A40", "A47", "A24", "A37"])
def test_one_that_takes_an_event_and_does_nothing_is_found_out(ours: Site, event: str) -> None:
    caught = {"A40": "feed.merge.A40.v25", "A47": "feed.change.A47", "A24": "feed.link.A24", "A37": "feed.link.A37"}

    @dataclass(frozen=True, slots=True)
    class Idle(Site):
        def send(self, message: bytes) -> Answer:
            control_id = message.split(b"|")[9]
            if b"|ADT^%b^" % event.encode() in message:
                return Answer(b"MSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AA|%b\r" % control_id)
            return Site.send(self, message)

    assert judged(partial(BY_ID[caught[event]].run, Idle(ours.mllp))).outcome is Outcome.FAIL


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_lists_runs_and_says_what_came(
    ours: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["identity", "--list"]) == DONE
    listed = capsys.readouterr().out
    assert all(one.id in listed and one.transaction in listed and one.clause in listed for one in CHECKS)
    mllp, file = f"{ours.mllp[0]}:{ours.mllp[1]}", tmp_path / "out.json"
    assert main(["identity", "--mllp", mllp, "--only", "pix.case-3,pix.case-4", "--json", str(file)]) == DONE
    assert "2 pass, 0 fail" in capsys.readouterr().out and '"pix.case-4"' in file.read_text()
    stranger = "OTHER&2.25.1&ISO"
    assert main(["identity", "--mllp", mllp, "--only", "pix.case-2", "--second", stranger]) == FAILURES


def test_what_cannot_be_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with alike(ACCEPTS) as site:
        gone = f"127.0.0.1:{site.mllp[1]}"
    assert main(["identity"]) == main(["identity", "--mllp", gone]) == NOT_RUN
    assert main(["identity", "--mllp", gone, "--only", "nothing"]) == NOT_RUN
    with pytest.raises(SystemExit):
        main(["identity", "--mllp", gone, "--first", "NAME"])


def test_domains_may_be_others() -> None:
    assert replace(FIRST, namespace="X").forms == ("X", f"&{FIRST.universal_id}&ISO", f"X&{FIRST.universal_id}&ISO")
