"""A foreign client of the services of unified procedure steps, on the workflow of tests/workflow."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from config.settings import RemoteAESettings
from pacsd.access.directory import Peer, Refusal
from pacsd.access.origin import Origin
from tests.dimse.fakes import Server, running
from tests.workflow.conftest import Office
from tests.workflow.steps import step

PUSH, WATCH, PULL, EVENT, QUERY = (f"1.2.840.10008.5.1.4.34.6.{number}" for number in range(1, 6))
GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"


@dataclass
class Switch:
    """Every caller is of `east`, but for READER, who is of an organisation that reads it."""

    office: Office
    remotes: dict[str, RemoteAESettings] = field(default_factory=dict)

    def renewed(self, peer: Peer) -> Peer:
        return peer

    def peer(self, *, calling: str, called: str, origin: Origin, identity: Any = None) -> Peer | Refusal:
        if called != "PACSD":
            return Refusal.CALLED_TITLE
        return replace(self.office.reader if calling == "READER" else self.office.peer, title=calling)

    def remote(self, title: str, asker: Peer | None = None) -> RemoteAESettings | None:
        return self.remotes.get(title)


@contextmanager
def serving(office: Office, *remotes: RemoteAESettings, **options: Any) -> Iterator[Server]:
    """The server; WATCHER and VIEWER are configured, and WESTERN, of another organisation."""
    known = (RemoteAESettings("WATCHER", "127.0.0.1", 1, "east"), RemoteAESettings("VIEWER", "127.0.0.1", 1, "east"),
             RemoteAESettings("WESTERN", "127.0.0.1", 1, "group"), *remotes)  # fmt: skip
    directory = Switch(office, {one.title: one for one in known})
    with running(directory=directory, workflow=office.workflow, **options) as server:
        yield server


class Client:
    """One association, with all five classes."""

    def __init__(self, port: int, calling: str = "FOREIGN", *, extended: Any = ()) -> None:
        ae = AE(calling)
        for uid in (PUSH, WATCH, PULL, EVENT, QUERY):
            ae.add_requested_context(uid)
        self.association = ae.associate("127.0.0.1", port, ae_title="PACSD", ext_neg=list(extended))
        assert self.association.is_established

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.association.release()

    def create(self, uid: str | None = None, attributes: dict[str, Any] | None = None) -> Dataset:
        """The status, and what comes with it."""
        made = Dataset.from_json(step() if attributes is None else attributes)
        made.SpecificCharacterSet = "GB18030"
        return self.association.send_n_create(made, PUSH, uid or new_uid())[0]

    def set(self, uid: str, attributes: dict[str, Any], lock: str | None = None) -> Dataset:
        changes = Dataset.from_json(attributes)
        if lock is not None:
            changes.TransactionUID = lock
        return self.association.send_n_set(changes, PUSH, uid, meta_uid=PULL)[0]

    def get(self, uid: str, *tags: int, by: str = WATCH) -> tuple[Dataset, Dataset | None]:
        return self.association.send_n_get(list(tags), PUSH, uid, meta_uid=by)

    def act(self, uid: str, action: int, by: str, **information: Any) -> Dataset:
        asked = Dataset()
        for keyword, value in information.items():
            setattr(asked, keyword, value)
        return self.association.send_n_action(asked or None, action, PUSH, uid, meta_uid=by)[0]

    def claim(self, uid: str, lock: str = "1.2.3") -> Dataset:
        return self.change(uid, "IN PROGRESS", lock)

    def change(self, uid: str, state: str, lock: str = "1.2.3") -> Dataset:
        return self.act(uid, 1, PULL, ProcedureStepState=state, TransactionUID=lock)

    def subscribe(self, uid: str, title: str = "WATCHER", *, lock: str = "FALSE", **keys: Any) -> Dataset:
        return self.act(uid, 3, WATCH, ReceivingAE=title, DeletionLock=lock, **keys)

    def find(self, by: str = PULL, **keys: Any) -> list[tuple[Dataset, Dataset | None]]:
        asked = Dataset()
        for keyword, value in keys.items():
            setattr(asked, keyword, value)
        return list(self.association.send_c_find(asked, by))


def new_uid() -> str:
    return f"2.25.{uuid4().int}"


class Listener:
    """A foreign AE that hears of events; `statuses` are its first answers, then success."""

    def __init__(
        self, title: str = "WATCHER", *, statuses: tuple[int, ...] = (), port: int = 0,
        inside: ssl.SSLContext | None = None,
    ) -> None:
        self.heard: list[tuple[str, int, Dataset]] = []
        self.associations: list[tuple[str, bool]] = []
        self._statuses = list(statuses)
        self._ae = AE(title)
        self._ae.add_supported_context(EVENT, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._on_event), (evt.EVT_ACCEPTED, self._on_accepted)]
        server = self._ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=inside,     # type: ignore[arg-type]
        )
        assert server is not None
        self._server = server
        self.remote = RemoteAESettings(title, "127.0.0.1", server.server_address[1], "east", tls=inside is not None)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _on_event(self, event: Any) -> tuple[int, None]:
        status = self._statuses.pop(0) if self._statuses else 0
        if status == 0:
            request = event.request
            assert request.AffectedSOPClassUID == PUSH
            self.heard.append((str(request.AffectedSOPInstanceUID), event.event_type, event.event_information))
        return status, None

    def _on_accepted(self, event: Any) -> None:
        roles = event.assoc.accepted_contexts[0]
        self.associations.append((str(event.assoc.requestor.ae_title).strip(), bool(roles.as_scu)))

    def told(self) -> list[tuple[str, int, str | None]]:
        """Instance, event type and state."""
        return [(uid, kind, what.get("ProcedureStepState")) for uid, kind, what in self.heard]
