"""What a check of this suite is, and what is known of the server under test and of those who ask it."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from conformance import judging
from conformance.fhir import expect
from conformance.fhir.server import FORM, JSON, Answer, Server
from conformance.judging import Failed, Level, NotSupported, NotTested
from conformance.security.tls_port import Port

PLAIN_JSON = "application/json"

Run = Callable[["Site"], None]
Check = judging.Check["Site"]
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is registered at the authorization server, with its secret."""

    id: str
    secret: str
    scope: str

    @property
    def basic(self) -> str:
        """Its Authorization field (RFC 6749 2.3.1)."""
        told = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        return f"Basic {base64.b64encode(told.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class App:
    """A public client that asks people, with a redirect URI that is registered for it."""

    id: str
    redirect_uri: str


@dataclass
class Site:
    """The server under test. `first`, `second` and `auditor` ask with tokens of their own, `nobody` with none.

    `second` is of another organisation than `first`, and nothing was opened to it.
    """

    first: Server
    nobody: Server
    second: Server | None = None
    auditor: Server | None = None
    client: Client | None = None
    app: App | None = None
    issuer_url: str = ""
    dicom_web: str = ""                          # base URI, without trailing slash
    ports: Sequence[Port] = ()                   # that speak TLS: of the URL first, others ask for certificates
    tag: str = ""
    patience_s: float = 10.0                     # until what was revoked, or done, is felt
    stored: dict[str, Any] = field(default_factory=dict)         # by prepared.py

    @cached_property
    def smart(self) -> Document:
        """What /.well-known/smart-configuration says. Raises NotSupported where there is none."""
        answer = self.nobody.get("/.well-known/smart-configuration", PLAIN_JSON)
        if answer.status == 404:
            raise NotSupported("there is no .well-known/smart-configuration")
        return document(expect.status(answer, 200))

    @cached_property
    def metadata(self) -> Document:
        """What the authorization server says of itself (RFC 8414 3). Raises NotSupported where there is none."""
        issuer = self.issuer
        parts = urlsplit(issuer)
        path = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        answer = self.nobody.get(path, PLAIN_JSON)
        if answer.status == 404:
            raise NotSupported(f"{path}: 404")
        return document(expect.status(answer, 200))

    @property
    def issuer(self) -> str:
        """Of the authorization server: as the suite was told, or as SMART's configuration says."""
        found = self.issuer_url or str(self.smart.get("issuer", ""))
        if not found:
            raise NotTested("no --issuer is given, and smart-configuration names none")
        return found

    def end_point(self, name: str) -> str:
        """A URL of the metadata, or of SMART's configuration. Raises NotSupported where neither names it."""
        for one in ("metadata", "smart"):
            try:
                found = getattr(self, one).get(name)
            except (Failed, NotSupported, NotTested):
                continue
            if isinstance(found, str) and found:
                return found
        raise NotSupported(f"no {name} is named")

    def needs_client(self) -> Client:
        """Raises NotTested without one."""
        if self.client is None:
            raise NotTested("no --client is given")
        return self.client

    def needs_app(self) -> App:
        """Raises NotTested without one."""
        if self.app is None:
            raise NotTested("no --app is given")
        return self.app

    def other(self) -> Server:
        """Who is of another organisation. Raises NotTested without one."""
        if self.second is None:
            raise NotTested("no --second-token is given")
        return self.second

    def auditing(self) -> Server:
        """Who may read audit events. Raises NotTested without one."""
        if self.auditor is None:
            raise NotTested("no --audit-token is given")
        return self.auditor

    def of(self, key: str) -> Any:
        """What was prepared under this name. Raises NotTested where the server took it not."""
        if key not in self.stored:
            raise NotTested(f"{key} could not be stored")
        return self.stored[key]

    def post_form(self, url: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """A form, as OAuth's end points want them."""
        return self.post_text(url, urlencode(fields), **headers)

    def post_text(self, url: str, text: str, *, accept: str = PLAIN_JSON, **headers: str) -> Answer:
        """A form as it is written."""
        return self.nobody.send("POST", url, text.encode(), accept=accept, content_type=FORM, headers=headers)

    def token_of(self, scope: str) -> Document:
        """What the token end point gives the client for a scope (RFC 6749 4.4). Raises Failed, NotTested."""
        client = self.needs_client()
        told = {"grant_type": "client_credentials", "scope": scope}
        return document(expect.status(
            self.post_form(self.end_point("token_endpoint"), told, authorization=client.basic), 200))  # fmt: skip

    def with_token(self, token: str) -> "Bearer":
        """Somebody with this token."""
        return Bearer(self.nobody, token)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Asks with a token; what the token is may be anything."""

    server: Server
    token: str

    def get(self, path: str, accept: str | None = JSON) -> Answer:
        """GET with the token in the Authorization field (RFC 6750 2.1)."""
        return self.server.get(path, accept, authorization=f"Bearer {self.token}")

    def post(self, path: str, body: Any, content_type: str = JSON) -> Answer:
        """POST with it."""
        return self.server.post(path, body, content_type, authorization=f"Bearer {self.token}")


def document(answer: Answer) -> Document:
    """A JSON object. Raises Failed for what is none."""
    expect.that(answer.media_type == PLAIN_JSON, PLAIN_JSON, answer.headers.get("content-type"))
    return told(answer)


def told(answer: Answer) -> Document:
    """The JSON object of an answer, whatever it says that it is. Raises Failed for what is none."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failed(f"{answer.request}: expected a JSON object, got {answer.body[:80]!r}")
    return found


def oauth_error(answer: Answer, status: Sequence[int], *codes: str) -> Document:
    """The error of an OAuth end point (RFC 6749 5.2): one of these statuses and codes."""
    found = document(expect.status(answer, *status))
    expect.that(found.get("error") in codes, f"error {' or '.join(codes)}", found.get("error"))
    expect.that("access_token" not in found, "no token", "one")
    return found


class Page:
    """The checks of one subject, in the order they are declared."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.checks = judging.Checks[Site](name)

    def must(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what every server must do that offers the transaction."""
        return self.checks.add(name, self.title, clause, title, Level.REQUIRED)

    def should(self, name: str, clause: str, title: str) -> Callable[[Run], Run]:
        """Declare the decorated function as a check of what a server should do, or need not offer."""
        return self.checks.add(name, self.title, clause, title, Level.OPTIONAL)
