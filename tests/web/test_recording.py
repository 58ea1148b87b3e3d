"""No answer begins before its access is on record, and every route says what is recorded of it."""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pacsd.access.asking import Access
from pacsd.access.directory import Peer
from pacsd.access.operations import OPEN, Operation
from pacsd.access.principal import Principal, Proof, Role
from pacsd.access.scope import Scope
from pacsd.audit.audited import AUDITED
from pacsd.audit.codes import Event, Kind, Outcome
from pacsd.audit.message import AuditMessage, Encoded, Recordable
from pacsd.faults import Fault, PacsdError
from pacsd.web.admission import ACCESS
from pacsd.web.app import OPERATIONS, PAGES, TRANSACTIONS
from pacsd.web.recording import Recording
from tests.web.fakes import FakeArchive, Web

STUDY = "/studies/1.2.3"
JSON = {"accept": "application/dicom+json"}


class Kept:
    """A recorder that keeps messages, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.messages: list[AuditMessage] = []
        self.keys: list[Hashable] = []
        self._fails = fails
        self.settled: list[Future[None] | None] = []

    def write(self, *messages: AuditMessage) -> tuple[str, int]:
        self.messages += messages
        return "W", len(self.messages)

    def begin(
        self, make: Callable[[], Sequence[Recordable]], *, key: Hashable | None = None, later: bool = False
    ) -> "Future[None] | None":
        recorded: Future[None] = Future()
        self.keys.append(key)
        if self._fails:
            recorded.set_exception(PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded"))
        else:
            self.messages += [one.message() if isinstance(one, Encoded) else one for one in make()]
            recorded.set_result(None)
        return recorded

    def settle(self, recorded: "Future[None]", *, wait: bool = True) -> bool:
        self.settled.append(recorded)
        return wait or recorded.done()

    def soon(self) -> None:
        self.settled.append(None)


def web(kept: Kept) -> Web:
    return Web(recording=Recording(kept, "ARCHIVE"))


def test_every_operation_says_what_is_recorded_of_it() -> None:
    assert set(AUDITED) == set(Operation)
    assert all(AUDITED[one] is None for one in OPEN)
    assert all(one.operation in AUDITED for one in (*TRANSACTIONS, *OPERATIONS, *PAGES))


def test_the_address_on_record_is_the_clients_behind_the_proxies() -> None:
    kept = Kept()
    through = Web(recording=Recording(kept, "ARCHIVE", lambda request: request.headers["x-test-address"]))
    through.get("/studies", headers={**JSON, "x-test-address": "198.51.100.7"})
    assert [one.agents[0].address for one in kept.messages] == ["198.51.100.7"]


def test_a_search_is_on_record_with_its_query_and_patient() -> None:
    kept = Kept()
    answer = web(kept).get("/studies?PatientID=P1&StudyDate=20200101", headers=JSON)
    assert answer.status_code == 200
    (message,) = kept.messages
    assert message.event is Event.QUERY and message.outcome is Outcome.SUCCESS
    person, query = message.objects
    assert (person.kind, person.id, person.authority) == (Kind.PATIENT, "P1", "default")
    assert query.query == b"/dicom-web/studies?PatientID=P1&StudyDate=20200101"
    assert [one.user_id for one in message.agents] == ["anonymous", "ARCHIVE"]


def test_what_is_not_there_is_on_record_as_a_failure_and_a_wild_card_names_nobody() -> None:
    kept = Kept()
    asking = web(kept)
    assert asking.get("/studies/9.9.9").status_code == 404
    asking.get("/studies?PatientID=P*", headers=JSON)
    absent, searched = kept.messages
    assert absent.outcome is Outcome.MINOR_FAILURE and absent.studies() == ("9.9.9",)
    assert [one.kind for one in searched.objects] == [Kind.QUERY]


@pytest.mark.parametrize("path", ["/studies?PatientID=P1", STUDY + "/metadata", STUDY])
def test_what_cannot_be_recorded_is_not_answered(path: str) -> None:
    answer = web(Kept(fails=True)).get(path, headers=JSON)
    assert answer.status_code == 503 and b"PatientName" not in answer.content


def test_a_search_is_done_while_it_is_recorded() -> None:
    kept, recorded = Kept(), Future[None]()
    kept.begin = lambda make, **_: kept.messages.extend(make()) or recorded              # type: ignore[method-assign]
    asking = web(kept)
    compiled = asking.archive.compile

    def found(*arguments: object, **options: object) -> object:
        assert len(kept.messages) == 1 and not kept.settled
        recorded.set_result(None)        # were it waited for before, this would never come
        return compiled(*arguments, **options)

    asking.archive.compile = found                       # type: ignore[method-assign,assignment]
    assert asking.get("/studies?PatientID=P1", headers=JSON).status_code == 200
    assert len(kept.messages) == 1 and kept.settled == [recorded]


@pytest.mark.parametrize("fails", [False, True])
def test_a_search_whose_record_another_writes_is_answered_when_that_is_done(fails: bool) -> None:
    kept, recorded, settled = Kept(), Future[None](), threading.Event()
    kept.begin = lambda make, **_: kept.messages.extend(make()) or recorded              # type: ignore[method-assign]
    kept.settle = lambda _recorded, **_: settled.set() or False      # type: ignore[method-assign, func-returns-value]
    asking = web(kept)
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(asking.get, "/studies?PatientID=P1", headers=JSON)
        assert settled.wait(10) and not answer.done()
        if fails:
            recorded.set_exception(PacsdError(Fault.UNAVAILABLE, "the access cannot be recorded"))
        else:
            recorded.set_result(None)
        assert answer.result(10).status_code == (503 if fails else 200)


def test_a_search_that_is_refused_is_on_record_as_asked_and_as_a_failure() -> None:
    kept = Kept()
    assert web(kept).get("/studies?limit=x", headers=JSON).status_code == 400
    assert [one.outcome for one in kept.messages] == [Outcome.SUCCESS, Outcome.MINOR_FAILURE]


def test_pages_and_health_are_answered_without_a_record() -> None:
    kept = Kept(fails=True)
    assert web(kept).request("GET", "/health/live").status_code == 200
    assert kept.keys == []


def test_reads_of_one_study_by_one_agent_have_one_key() -> None:
    kept = Kept()
    asking = web(kept)
    for series in ("1.2.3.1", "1.2.3.2"):
        asking.get(f"{STUDY}/series/{series}/metadata", headers=JSON)
    asking.get("/studies/1.2.4/metadata", headers=JSON)
    assert kept.keys[0] == kept.keys[1] != kept.keys[2]


class Projects:
    """archive.research.services.Research over one study; what it gives is the fakes' archive."""

    def __init__(self) -> None:
        self.given: list[Access] = []

    def archive(self, access: Access) -> FakeArchive:
        self.given.append(access)
        return FakeArchive()

    def about(self, principal: Principal, study_instance_uid: str) -> tuple[str, str]:
        return "lung", "1.2.3" if study_instance_uid == "2.25.7" else ""


class Researchers:
    """Everybody is one."""

    async def access(self, scope: object) -> Access:
        peer = Peer("", 1, "default", "default", Scope((1,), 1))
        access = Access(Principal("ada", "default", frozenset({Role.RESEARCHER}), Proof.TOKEN), peer)
        scope[ACCESS] = access  # type: ignore[index]
        return access

    async def admitted(self, scope: object, operation: Operation, *, deidentifying: bool = False) -> Access:
        return (await self.access(scope)).permitted(operation, deidentifying=deidentifying)


def test_what_a_researcher_got_is_on_record_as_what_is_stored_and_under_its_project() -> None:
    kept, projects = Kept(), Projects()
    asking = Web(recording=Recording(kept, "ARCHIVE", research=projects), admission=Researchers(), research=projects)
    asking.get("/studies/2.25.7/metadata", headers=JSON)
    asking.get("/studies?PatientID=P1", headers=JSON)
    assert asking.get("/workitems", headers=JSON).status_code == 403
    read, searched, refused = kept.messages
    study, project = read.objects
    assert (study.kind, study.id, study.details) == (Kind.STUDY, "1.2.3", {"deidentified": "2.25.7"})
    assert (project.kind, project.id, project.details) == (Kind.URI, "lung", {"name": "research project"})
    assert [one.kind for one in searched.objects] == [Kind.QUERY, Kind.URI]      # P1 is of the project, and of nobody
    assert refused.outcome is Outcome.MINOR_FAILURE
    assert [(one.deidentified, one.scope.organisations) for one in projects.given] == [(True, ())] * 2


def test_without_projects_a_researcher_gets_nothing() -> None:
    asking = Web(recording=Recording(Kept(), "ARCHIVE"), admission=Researchers())
    for path in ("/studies", STUDY, f"{STUDY}/metadata"):
        assert asking.get(path, headers=JSON).status_code == 403
