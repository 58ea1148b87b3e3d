"""The composition root: the only module that knows every room."""

import logging
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from functools import partial
from threading import Event, Thread

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

import pacsd
from config.deidentification import load_policy
from config.settings import LogSettings, RemoteAESettings, Settings
from fhir.claims import claims as fhir_claims
from fhir.http.app import Edge, FhirApp
from fhir.http.event_socket import EventSockets
from fhir.interaction.request import Asker, Askers
from fhir.launch_patients import LaunchPatients
from fhir.outgoing import Door
from fhir.outgoing import client as http_client
from fhir.projection.consumer import Projections
from fhir.projection.services import giving_way, open_projections
from fhir.projection.systems import Systems
from fhir.services import Fhir, open_fhir
from fhir.subscription.channel import post_form
from fhir.subscription.service import Subscriptions
from fhir.terminology.services import Loading
from hl7.client import Client
from hl7.delivery import Delivery
from hl7.metering import Meters as Hl7Meters
from hl7.ports import Inbox
from hl7.serving import serve as serve_hl7
from ihe_profiles.atna.delivery import chores as atna_chores
from ihe_profiles.atna.messages import RecordedInbox, RecordedQueue
from ihe_profiles.exchange.claims import claims as hl7_claims
from ihe_profiles.exchange.dialling import dial_of
from ihe_profiles.exchange.queues import DeliveryQueue
from ihe_profiles.exchange.services import Exchange
from pacsd.access.callers import Callers
from pacsd.access.handshakes import Handshakes
from pacsd.access.operations import Operation
from pacsd.access.resolution import Resolution
from pacsd.access.secrets import secret_text
from pacsd.access.tls import TlsContexts, check_files
from pacsd.access.tokens import Verifier
from pacsd.archive.commitment import COMMITMENT
from pacsd.archive.journal import FactKind
from pacsd.archive.research.services import open_research
from pacsd.archive.services import Archive, open_archive
from pacsd.archive.upkeep import Appliers, Upkeep, chores, settle
from pacsd.archive.worker import Chore, Worker
from pacsd.audit.codes import Event as AuditEventKind
from pacsd.audit.loading import told
from pacsd.audit.message import AuditMessage
from pacsd.audit.services import chores as audit_chores
from pacsd.audit.services import folder as audit_folder
from pacsd.audit.services import open_trail, reload_records, source, started, stopped, verification
from pacsd.audit.trail import Recorder
from pacsd.audit.verify import Verify
from pacsd.commands import cli
from pacsd.commands.export import KEYS_FOLDER
from pacsd.commands.project_key import project
from pacsd.commands.wiring import Address
from pacsd.dimse import availability, commitment
from pacsd.dimse.claims import claims as dimse_claims
from pacsd.dimse.dialling import Dialling
from pacsd.dimse.file_sender import FileSender, file_sender
from pacsd.dimse.listener import serve_queries, serve_receiver
from pacsd.dimse.metering import Meters as DimseMeters
from pacsd.dimse.metering import Metrics
from pacsd.dimse.note_sender import NoteSender
from pacsd.dimse.notifier import Kind, Notifier
from pacsd.dimse.occupancy import Occupancy
from pacsd.dimse.query import as_query as dimse_query
from pacsd.dimse.requestor import Proposal
from pacsd.dimse.services import Department
from pacsd.dimse.sop_classes import INSTANCE_AVAILABILITY_NOTIFICATION, STORAGE_COMMITMENT
from pacsd.dimse.ups_event import Reporter, connecting, targets
from pacsd.events.pace import UNHURRIED_S, Pace
from pacsd.faults import PacsdError
from pacsd.identity.services import Identity
from pacsd.identity.services import appliers as identity_appliers
from pacsd.index import oauth_grants
from pacsd.index.access_grants import appliers as grant_appliers
from pacsd.index.access_openings import IndexOpenings
from pacsd.index.audit_events import AuditEvents
from pacsd.index.busy import writes
from pacsd.index.care_encounters import appliers as care_appliers
from pacsd.index.claims import claims as query_claims
from pacsd.index.connect import pool, wait_for_database
from pacsd.index.links import LinkRows
from pacsd.index.links import appliers as link_appliers
from pacsd.index.migrate import migrate
from pacsd.links.desk import LinkDesk
from pacsd.links.records import LinkRecords
from pacsd.links.services import open_chores as link_chores
from pacsd.links.services import open_links
from pacsd.links.sessions import Sessions
from pacsd.links.visit import Visits
from pacsd.oauth.administration import Administration
from pacsd.oauth.app import MOUNTED, OAuthApp
from pacsd.oauth.desk import open_desk
from pacsd.oauth.fetch import fetch
from pacsd.oauth.own_tokens import OwnTokens
from pacsd.oauth.peer import Peers
from pacsd.oauth.provider import Provider, open_provider
from pacsd.oauth.recording import Recording as OAuthRecording
from pacsd.oauth.secret_file import read_secret
from pacsd.reports.services import Shelf, open_reports
from pacsd.supervise import logs
from pacsd.supervise.attach import database
from pacsd.supervise.processors import Processors
from pacsd.supervise.roles import Role, RoleContext
from pacsd.supervise.supervisor import Supervisor
from pacsd.web.addresses import Addresses
from pacsd.web.admission import ACCESS, NOBODY, Admission, Bearer, shown_certificate, web_reader
from pacsd.web.app import create_app
from pacsd.web.claims import claims as web_claims
from pacsd.web.entrance import gates_of
from pacsd.web.host_names import asked_by_name
from pacsd.web.link_session import WithLinks
from pacsd.web.metering import Meter
from pacsd.web.neighbours import Neighbours
from pacsd.web.recording import Recording as WebRecording
from pacsd.web.server import ServerLimits
from pacsd.web.server import run as run_web
from pacsd.web.services import Services, WebLimits
from pacsd.web.threads import Threads, picture_threads
from pacsd.web.throttle import throttled
from pacsd.workflow.availability import AVAILABILITY
from pacsd.workflow.claims import claims as worklist_claims
from pacsd.workflow.modality_worklist import ModalityWorklist
from pacsd.workflow.order_facts import applier as orders_applier
from pacsd.workflow.orders import progress
from pacsd.workflow.services import Workflow, announce_restart, open_workflow, release_notifications
from pacsd.workflow.step_facts import applier as steps_applier

HANDOVER_SOCKET = "queries.sock"         # through it receivers pass associations on to query processes
PRELOADED = ("pydicom", "pacsd.codec.dicom_json", "pacsd.web.app", "pacsd.dimse.listener",
             "fhir.http.app", "ihe_profiles.exchange.services")  # fmt: skip
HL7_CONNECTIONS = 12                     # to the database, for each HL7 process: so many messages at once
GUARDED = ("/oauth/", "/l/")             # where passwords, codes and PINs are tried
WORKER_NICE = 10                         # whoever waits for an answer goes first, where processors are short
NOTIFIERS = 3                            # threads of a worker: so many AEs are notified at once

log = logging.getLogger("pacsd")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `pacsd`; the exit status."""
    return cli.run(arguments, Wiring())


class Wiring:
    """What the command line may ask for."""

    def serve(self, settings: Settings) -> int:
        """Supervise the configured roles until told to stop."""
        check_files(settings)
        for one in settings.research_projects:
            load_policy(one.policy)
        return Supervisor(settings, roles(settings), prepare=partial(_prepare, settings), preload=PRELOADED).run()

    def claims(self) -> Mapping[str, object]:
        """What the rooms say they support, each from the tables it works by."""
        rooms = {"dimse": dimse_claims, "query": query_claims, "web": web_claims, "worklist": worklist_claims,
                 "hl7": hl7_claims, "fhir": fhir_claims}  # fmt: skip
        product = {"name": "pacsd", "version": pacsd.__version__}
        return {"product": product, **{name: claims() for name, claims in rooms.items()}}

    @contextmanager
    def archive(self, settings: Settings, *, alone: bool) -> Iterator[Upkeep]:
        """The archive for one command. Raises PacsdError CONFLICT with `alone` while a server runs on the data."""
        with _for_command(settings, alone=alone, level="warning") as archive:
            workflow, linker = _workflow(settings, archive), _identity(settings, archive).linker
            reporting = open_reports(settings, archive)
            restoration = open_fhir(settings, archive).restoration
            yield Upkeep(
                settings,
                archive,
                send_note=NoteSender(settings),
                also_rebuild=(workflow.rebuild.run, partial(linker.run_all, tell=False), restoration.rebuild,
                              partial(reload_records, settings, archive.pool)),
                also_check=(workflow.check.run, reporting.check.run),
                also_apply={**_appliers(settings, archive), **reporting.rebuilt_by},
                records=audit_folder(settings),
            )

    def sender(
        self, settings: Settings, peer: Address, contexts: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> AbstractContextManager[FileSender]:
        """An association with a peer, to send it files."""
        remote = RemoteAESettings(
            title=peer.title, host=peer.host, port=peer.port, tls=peer.tls,
            certificate=peer.certificate, organisation=settings.organisations[0].code,
        )  # fmt: skip
        dial = Dialling(settings.security.tls)
        return file_sender(remote, contexts, calling=settings.ae_title, dial=dial, timeout_s=timeout_s)

    def record(self, settings: Settings, message: AuditMessage) -> None:
        """Record what a command is about to do; of what it deletes first whose it is. Raises PacsdError UNAVAILABLE."""
        if message.event is AuditEventKind.STUDY_DELETED and message.studies():
            with _for_command(settings) as archive:
                message, _ = told(message, AuditEvents(archive.pool).studies(message.studies()))
        trail = open_trail(settings)
        try:
            trail.write(message)
        finally:
            trail.close()

    @contextmanager
    def records(self, settings: Settings) -> Iterator[Verify]:
        """What was recorded, beside a running server or without one; what waits is read into the index first."""
        with _for_command(settings) as archive:
            yield verification(settings, archive.blobs, archive.pool)

    @contextmanager
    def identity(self, settings: Settings) -> Iterator[Identity]:
        """Patients' identities for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield _identity(settings, archive)

    @contextmanager
    def messages(self, settings: Settings) -> Iterator[Exchange]:
        """HL7 messages for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield _exchange(settings, archive)

    @contextmanager
    def reports(self, settings: Settings) -> Iterator[Shelf]:
        """Reports for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield Shelf(open_reports(settings, archive).reports, archive.directory)

    @contextmanager
    def administration(self, settings: Settings) -> Iterator[Administration]:
        """Users and clients for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield Administration(archive.pool)

    @contextmanager
    def links(self, settings: Settings) -> Iterator[LinkDesk]:
        """Share links for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield LinkDesk(open_links(settings, archive.pool, archive.journal.append_all, archive.directory),
                           archive.directory)

    @contextmanager
    def terminology(self, settings: Settings) -> Iterator[Loading]:
        """Code systems from files for one command, beside a running server or without one."""
        with _for_command(settings) as archive:
            yield Loading(archive.pool, archive.directory)


@contextmanager
def _for_command(settings: Settings, *, alone: bool = False, level: str = "error") -> Iterator[Archive]:
    logs.configure(LogSettings(form="text", level=level), role="command")
    with database(settings, alone=alone) as dsn:
        migrate(dsn)
        archive = open_archive(settings, dsn)
        try:
            yield archive
        finally:
            archive.close()


def roles(settings: Settings) -> tuple[Role, ...]:
    """The processes of the configured roles."""
    dimse = settings.dimse
    occupancy = Occupancy(dimse.receivers + dimse.query_processes)       # shared: made before the first fork
    neighbours = Neighbours(settings.web.processes)
    every = {
        "dimse": (
            Role("dimse", dimse.receivers, partial(_receiver, occupancy)),
            Role("dimse-query", dimse.query_processes, partial(_queries, occupancy)),
        ),
        "web": (Role("web", settings.web.processes, partial(_web, neighbours), keeps_much=True),),
        "hl7": (Role("hl7", settings.hl7.processes, _hl7),),
        "worker": (Role("worker", settings.supervise.worker_processes, _worker),),
    }
    return tuple(role for name in settings.roles for role in every[name] if role.count)


def _prepare(settings: Settings, dsn: str) -> None:
    migrate(dsn)
    announce_restart(dsn)
    release_notifications(settings, dsn)


def _workflow(settings: Settings, archive: Archive) -> Workflow:
    return open_workflow(
        settings, archive.pool, archive.blobs, archive.directory, missing=archive.commitments.missing,
        progress=progress, say=archive.journal.append_all,
    )  # fmt: skip


def _department(archive: Archive, workflow: Workflow) -> Department:
    return Department(
        workflow.performed_steps, archive.commitments, workflow.notifications, ModalityWorklist(archive.pool), workflow
    )


def _appliers(settings: Settings, archive: Archive) -> Appliers:
    """How facts of rooms beside the archive take effect again."""
    keys = archive.directory.keys
    return {
        **identity_appliers(archive.pool),
        FactKind.ORDER: orders_applier(archive.pool, keys),
        FactKind.STEP_PERFORMED: steps_applier(archive.pool, keys, progress),
        **{FactKind(word): apply for word, apply in grant_appliers(archive.pool, keys).items()},
        **{FactKind(word): apply for word, apply in care_appliers(archive.pool, keys).items()},
        **{FactKind(word): apply for word, apply in link_appliers(archive.pool, keys).items()},
    }


def _identity(settings: Settings, archive: Archive) -> Identity:
    return Identity(settings.identity, archive.pool, archive.journal, archive.directory)


def _exchange(settings: Settings, archive: Archive) -> Exchange:
    return Exchange(settings, archive.pool, archive.journal, archive.directory, archive.blobs)


@contextmanager
def _opened(context: RoleContext, *, readers: int, timeout_s: float = 0.0) -> Iterator[Archive]:
    archive = open_archive(context.settings, context.dsn, readers=readers, statement_timeout_s=timeout_s)
    archive.register.start()
    try:
        yield archive
    finally:
        archive.close()


@contextmanager
def _recorded(context: RoleContext) -> Iterator[Recorder]:
    """The audit trail of this process."""
    trail = open_trail(context.settings)
    _tell(started, trail, context)
    try:
        yield trail
    finally:
        _tell(stopped, trail, context)
        trail.close()


def _tell(activity: Callable[[Recorder, Settings, str], None], trail: Recorder, context: RoleContext) -> None:
    try:
        activity(trail, context.settings, f"{context.name}-{context.index}")
    except PacsdError:                                   # it serves all the same: what it cannot record it refuses
        log.error("the start or the end of a process was not recorded")


def _receiver(occupancy: Occupancy, context: RoleContext) -> None:
    place = occupancy.place(context.index)
    settings = context.settings
    handover = context.run_directory / HANDOVER_SOCKET if settings.dimse.query_processes else None
    readers = 2 if handover else 3                       # without query processes one of them listens for events
    with _opened(context, readers=readers, timeout_s=settings.dimse.query_timeout_s) as archive, \
            _callers(context, archive) as callers, _recorded(context) as recorder:
        archive.spool.prepare()
        workflow, metrics = _workflow(settings, archive), context.metrics()
        serve_receiver(
            context, archive, callers, settings,
            handover=handover, query=dimse_query, place=place, metrics=metrics,
            department=_department(archive, workflow), recorder=recorder,
            events=None if handover else _reporter(context, archive, workflow, metrics),
        )  # fmt: skip


def _queries(occupancy: Occupancy, context: RoleContext) -> None:
    settings = context.settings
    place = occupancy.place(settings.dimse.receivers + context.index)
    handover = context.run_directory / HANDOVER_SOCKET
    readers = 9                                          # one of them listens for events
    with _opened(context, readers=readers, timeout_s=settings.dimse.query_timeout_s) as archive, \
            _callers(context, archive) as callers, _recorded(context) as recorder:
        workflow, metrics = _workflow(settings, archive), context.metrics()
        serve_queries(
            context, archive, callers, settings,
            handover=handover, query=dimse_query, place=place, metrics=metrics, short=Processors().short,
            department=_department(archive, workflow), events=_reporter(context, archive, workflow, metrics),
            recorder=recorder,
        )  # fmt: skip


def _reporter(context: RoleContext, archive: Archive, workflow: Workflow, metrics: Metrics) -> Reporter:
    """Tells configured AEs what they are subscribed to."""
    settings, directory = context.settings, archive.directory
    connect = connecting(settings, directory, DimseMeters(metrics))
    return Reporter(workflow.channels, targets(directory), connect, stop=context.stopping)


def _web(neighbours: Neighbours, context: RoleContext) -> None:
    settings = context.settings
    desk = neighbours.desk(context.index) if settings.web.processes > 1 else None
    readers = 9                                          # one of them listens for open event channels
    with _opened(context, readers=readers, timeout_s=settings.web.query_timeout_s) as archive, \
            _recorded(context) as recorder, closing(open_fhir(settings, archive, recorder)) as fhir:
        resolution = _resolution(archive)
        patients = _launch_patients(settings, archive, fhir, resolution)
        provider = _provider(settings, archive, patients, OAuthRecording(recorder, source(settings)))
        addresses = Addresses(public_url=settings.web.public_url, trusted_proxies=settings.web.trusted_proxies)
        tokens = _verifier(settings, provider, patients)
        bearer = _bearer(settings, tokens, addresses)
        rows, records = LinkRows(archive.pool, archive.journal.append_all), LinkRecords(recorder, source(settings))
        sessions = Sessions(rows, lasts_s=settings.links.session_s)
        admission = Admission(WithLinks(bearer, sessions), resolution, key=bearer.key)
        research = open_research(settings, archive, partial(project, settings.data_dir / KEYS_FOLDER))
        services = Services(
            archive=archive,
            workflow=_workflow(settings, archive),
            directory=archive.directory,
            addresses=addresses,
            allowed_origins=settings.web.allowed_origins,
            viewer_dir=settings.viewer_dir,
            ready=partial(_readiness, context, archive),
            metrics=context.render_metrics,
            count=Meter(context.metrics()),
            picture_threads=picture_threads(settings.web.processes),
            limits=WebLimits(
                max_upload_bytes=settings.web.max_upload_bytes, max_results=settings.web.max_results
            ),
            admission=admission,
            recording=WebRecording(recorder, source(settings), addresses.client, research),
            research=research,
            links=Visits(rows, sessions, recording=records),
        )
        listening, gates = gates_of(settings)
        context.ready()
        limits = ServerLimits(grace_s=settings.supervise.grace_s)
        oauth = _oauth(settings, provider, addresses)
        beside: dict[str, ASGIApp] = {**oauth, "/fhir": _fhir(fhir, services, admission)}
        app = throttled(create_app(services, beside), services.addresses, settings.limits, guarded=GUARDED)
        app = asked_by_name(app, settings)
        run_web(app, listening, gates=gates, stop=context.stopping, limits=limits, desk=desk)


def _resolution(archive: Archive) -> Resolution:
    """What principals see, as the index has it now."""
    return Resolution(archive.directory, IndexOpenings(archive.pool))


@contextmanager
def _callers(context: RoleContext, archive: Archive) -> Iterator[Callers]:
    """Who opens DICOM associations.

    Who asks is asked for again while a query holds a connection of the archive's: by others, or queries that hold all
    of those would wait for each other.
    """
    settings = context.settings
    required = settings.security.authentication == "required"
    with closing(pool(
        context.dsn, min_size=0, max_size=2, statement_timeout_s=settings.dimse.query_timeout_s
    )) as connections:  # fmt: skip
        asking = replace(archive, pool=connections)
        resolution = _resolution(asking)
        tokens = None
        if settings.security.oauth.enabled or settings.security.oauth.issuers:
            patients = _launch_patients(settings, asking, open_fhir(settings, asking), resolution)
            tokens = _verifier(settings, _provider(settings, asking, patients), patients)
        yield Callers(archive.directory, resolution, required=required, tokens=tokens)


def _launch_patients(
    settings: Settings, archive: Archive, fhir: Fhir, resolution: Resolution
) -> LaunchPatients:
    """Patients as apps are launched with them."""
    return LaunchPatients(
        fhir.server, Systems({one.authority: one.universal_id for one in settings.identity_domains}),
        of_principal=lambda one: resolution.access(one).permitted(Operation.READ_RESOURCES).scope,
        of_organisation=archive.directory.scope,
        authorities=[one.assigning_authority for one in settings.organisations],
    )  # fmt: skip


def _provider(
    settings: Settings, archive: Archive, patients: LaunchPatients, recording: OAuthRecording | None = None
) -> Provider | None:
    """Our own authorization server, where the settings want it."""
    oauth = settings.security.oauth
    if not oauth.enabled:
        return None
    secret = read_secret(oauth.secret_file, settings.data_dir)
    return open_provider(settings, archive.pool, secret, patients=patients, fetch=fetch, recording=recording)


def _oauth(settings: Settings, provider: Provider | None, addresses: Addresses) -> dict[str, OAuthApp]:
    """Its end points, by where they are mounted."""
    if provider is None:
        return {}
    peers, threads = _peers(settings), Threads(reads=4)      # its own: nobody else waits for hashes
    app = OAuthApp(open_desk(provider), run=threads.run, address=addresses.client, certificate=peers.certificate)
    return dict.fromkeys(MOUNTED, app)


def _verifier(settings: Settings, provider: Provider | None, patients: LaunchPatients) -> Verifier | None:
    """Whose tokens count; None where nobody's do."""
    issuers = settings.security.oauth.issuers
    if not issuers and provider is None:
        return None
    return Verifier(
        issuers, {one.code: one.assigning_authority for one in settings.organisations}, fetch=fetch,
        own=OwnTokens(provider) if provider is not None else None, find_patient=patients.key_of,
        secrets={one.issuer: secret_text(one.client_secret_file) for one in issuers if one.client_secret_file},
    )  # fmt: skip


def _peers(settings: Settings) -> Peers:
    """Whose certificate is behind web requests: a connection's own inside TLS, of a trusted proxy what it tells."""
    return Peers(settings.web.trusted_proxies, direct=lambda request: shown_certificate(request.scope))


def _bearer(settings: Settings, tokens: Verifier | None, addresses: Addresses) -> Bearer:
    """Who a web request comes from."""
    required, peers = settings.security.authentication == "required", _peers(settings)
    return Bearer(
        tokens, otherwise=NOBODY if required else web_reader(settings.web.organisation),
        address=lambda scope: addresses.client(HTTPConnection(scope)),
        certificate=lambda scope: peers.certificate(HTTPConnection(scope)),
    )  # fmt: skip


def _fhir(fhir: Fhir, services: Services, admission: Admission) -> FhirApp:
    threads, askers = services.threads, Askers()

    async def asker(request: HTTPConnection) -> Asker:
        scope = request.scope
        if scope["type"] == "websocket":     # is asked again and again: for a token that was taken back meanwhile
            scope = {name: value for name, value in scope.items() if name != ACCESS}
        access = await admission.access(scope)
        return askers.of(access, services.addresses.client(request))

    sockets = EventSockets(fhir.server, fhir.subscriptions.scope_of, threads.run, tuple(services.allowed_origins))
    return FhirApp(fhir.server, Edge(asker, services.addresses.origin, read=threads.run, write=threads.commit,
                                      opening=fhir.opening, sockets=sockets, client=services.addresses.client))


def _hl7(context: RoleContext) -> None:
    settings = context.settings
    with _opened(context, readers=HL7_CONNECTIONS) as archive, _recorded(context) as recorder:
        exchange = _exchange(settings, archive)
        holder, tls = f"{platform.node()} {settings.data_dir.absolute()} {context.index}", settings.security.tls
        deliveries = [
            Delivery(
                one.name,
                RecordedQueue(
                    DeliveryQueue(exchange.outbox.queue(one.name, holder=holder)), recorder, source(settings),
                    (one.name, one.host),
                ),
                Client(one.host, one.port, answer_timeout_s=one.answer_timeout_s, dial=dial_of(one, tls)),
                stop=context.stopping,
            )
            for one in settings.hl7_destinations
        ]
        around = partial(_recorded_inbox, recorder, source(settings))
        serve_hl7(
            context, exchange.reception(around), deliveries, settings, counting=Hl7Meters(context.metrics()),
            handshakes=partial(Handshakes, TlsContexts(tls)),
        )  # fmt: skip


def _recorded_inbox(recorder: Recorder, name: str, inbox: Inbox) -> Inbox:
    return RecordedInbox(inbox, recorder, name)


def _worker(context: RoleContext) -> None:
    os.nice(WORKER_NICE)
    with _opened(context, readers=8 + NOTIFIERS) as archive, _notifying(context, archive), \
            _recorded(context) as recorder:
        reporting = open_reports(context.settings, archive)
        also_apply = {**_appliers(context.settings, archive), **reporting.repaired_by}
        settle(context.settings, archive, also_apply=also_apply)
        fhir = open_fhir(context.settings, archive)
        fhir.restoration.settle()
        name = f"{platform.node()} {context.settings.data_dir.absolute()} {context.index}"
        others = (
            *_workflow(context.settings, archive).chores, *_exchange(context.settings, archive).chores(),
            *reporting.chores, *_projections(context, archive, fhir).chores(), *fhir.chores,
            *audit_chores(context.settings, archive.blobs, archive.pool, short=Processors().short),
        )  # fmt: skip
        send_note = NoteSender(context.settings)
        own = chores(context.settings, archive, worker=name, also_apply=also_apply, send_note=send_note)
        forgetting = Chore("forget what is over of sign-ins", 3600.0, partial(oauth_grants.forget, archive.pool))
        worker = Worker((*own, *(Chore(*one) for one in others), forgetting), stop=context.stopping)
        context.ready()
        repositories = atna_chores(context.settings, archive.pool)
        post = partial(post_form, http_client(), Door(context.settings.links.networks))
        notices = link_chores(context.settings, archive.pool, recorder, post)
        with closing(fhir), _telling(fhir.subscriptions), _beside(fhir.workbench.chores()), _beside(repositories), \
                _beside(notices):
            worker.run()


@contextmanager
def _beside(chores: Iterable[tuple[str, float, Callable[[], bool]]]) -> Iterator[None]:
    """Chores that wait for other machines, in a thread of their own, until the role ends."""
    ended = Event()
    worker = Worker([Chore(*one) for one in chores], stop=ended)
    thread = Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)                     # what it is in the middle of is done again, if it must be


@contextmanager
def _telling(subscriptions: Subscriptions) -> Iterator[None]:
    """Subscribers of FHIR are told what changed, until the role ends."""
    ended = Event()
    thread = Thread(target=subscriptions.run, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1.0)                     # what it is in the middle of is told again, if it must be


def _projections(context: RoleContext, archive: Archive, fhir: Fhir) -> Projections:
    """What of the archive is to be seen through FHIR."""
    late = context.metrics().histogram(
        "pacsd_fhir_projection_lag_seconds", "Time from the last event of a batch to its projection into FHIR."
    )
    holder = f"{platform.node()} {context.settings.data_dir.absolute()} {context.index}"
    sweeping = Pace(partial(writes, archive.pool), longest_s=UNHURRIED_S)
    return open_projections(
        context.settings, archive, fhir.server, holder=holder, lag=late.observe, pace=giving_way(archive.pool),
        sweeping=sweeping,
    )  # fmt: skip


@contextmanager
def _notifying(context: RoleContext, archive: Archive) -> Iterator[None]:
    """AEs are told what waits for them, until the role ends."""
    department = _department(archive, _workflow(context.settings, archive))
    tell_availability = partial(availability.tell, archive, department)
    kinds = {
        COMMITMENT: Kind(Proposal(STORAGE_COMMITMENT, as_scp=True), partial(commitment.tell, department)),
        AVAILABILITY: Kind(Proposal(INSTANCE_AVAILABILITY_NOTIFICATION), tell_availability),
    }
    ended = Event()
    threads = []
    for number in range(NOTIFIERS):
        notifier = Notifier(
            department.notifications, kinds, archive.directory, holder=f"worker {context.index} {number}",
            connect_timeout_s=context.settings.dimse.connect_timeout_s, meters=DimseMeters(context.metrics()),
            dial=Dialling(context.settings.security.tls),
        )  # fmt: skip
        threads.append(Thread(target=notifier.run, args=(ended,), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:               # what one of them is in the middle of is told again, if it must be
            thread.join(1.0)


def _readiness(context: RoleContext, archive: Archive) -> dict[str, bool]:
    """Every role process serves, and the index answers."""
    try:
        wait_for_database(archive.pool, timeout_s=2.0)
        index = True
    except Exception:  # whatever it is: the index does not answer
        index = False
    return {"roles": context.everyone_ready(), "index": index}
