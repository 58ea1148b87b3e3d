"""An authorization server with people and clients of its own, asked without a network."""

import base64
import hashlib
import re
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio.to_thread
from argon2 import Parameters
from argon2.low_level import Type
from starlette.requests import Request

from config.settings import OAuthSettings, OrganisationSettings, SecuritySettings, Settings
from pacsd.access.launch_patient import LaunchPatient
from pacsd.access.principal import PatientKey, Principal
from pacsd.index.connect import Pool
from pacsd.index.organisations import register
from pacsd.oauth.administration import Administration
from pacsd.oauth.app import OAuthApp
from pacsd.oauth.desk import Desk, open_desk
from pacsd.oauth.keys import SigningKeys
from pacsd.oauth.passwords import Passwords
from pacsd.oauth.provider import Provider, open_provider
from tests.access.minting import Mint

with warnings.catch_warnings():          # it says that a successor of httpx is to come
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ORIGIN = "http://127.0.0.1:8080"
CALLBACK = "https://app.example/callback"
PASSWORD = "correct horse battery"
QUICK = Parameters(type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=64, parallelism=1)
SCOPES = ("openid", "profile", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access",
          "online_access", "patient/*.rs", "user/*.cruds")  # fmt: skip
LI = LaunchPatient("p-li", PatientKey("EAST-HIS", "000123"), "李 雷", "1980-01-02")
HAN = LaunchPatient("p-han", PatientKey("EAST-HIS", "000124"), "韩 梅梅")


@dataclass
class Shelf:
    """The patients of the tests."""

    found: Sequence[LaunchPatient] = (LI, HAN)

    def by_id(self, principal: Principal, patient: str) -> LaunchPatient | None:
        return next((one for one in self.found if one.id == patient and principal.organisation == "east"), None)

    def of_key(self, organisation: str, key: PatientKey) -> LaunchPatient | None:
        return next((one for one in self.found if one.key == key and organisation == "east"), None)

    def search(self, principal: Principal, text: str) -> Sequence[LaunchPatient]:
        return [one for one in self.found if one.name.startswith(text) and principal.organisation == "east"]


@dataclass
class House:
    """The server, its people and clients. `now` stands still until a test moves it."""

    provider: Provider
    desk: Desk
    app: OAuthApp
    administration: Administration
    mint: Mint
    now: list[float]
    secrets: dict[str, str] = field(default_factory=dict)
    certificate: list[bytes | None] = field(default_factory=lambda: [None])

    @property
    def pool(self) -> Pool:
        return self.provider.pool

    def browser(self, **headers: str) -> "Person":
        """A browser that nobody has used yet."""
        return Person(self, TestClient(self.app, base_url=ORIGIN, follow_redirects=False, headers=headers))

    def post(self, name: str, data: dict[str, Any], **options: Any) -> Any:
        """A program's request."""
        client = TestClient(self.app, base_url=ORIGIN, follow_redirects=False)
        return client.post(f"/oauth/{name}", data=data, **options)

    def basic(self, client: str) -> tuple[str, str]:
        """As a client proves who it is."""
        return client, self.secrets[client]


@dataclass
class Person:
    """Somebody at a browser."""

    house: House
    http: TestClient

    def sign_in(self, username: str = "wang", password: str = PASSWORD, query: str = "") -> Any:
        """The log-in form, filled in."""
        shown = self.http.get("/oauth/login", params={"continue": query} if query else {})
        return self.submit(shown, {"username": username, "password": password})

    def submit(self, shown: Any, data: dict[str, Any], *, form: int = 0, **options: Any) -> Any:
        """Send a form of a page, with what is hidden in it."""
        action, inner = forms(shown.text)[form]
        return self.http.post(action, data={**hidden(inner), **data}, **options)

    def allowed(self, client: str = "viewer", **changes: str) -> dict[str, str]:
        """What the client is told after the person allowed everything."""
        query, _ = request(client, **changes)
        shown = self.http.get(f"/oauth/authorize?{query}")
        assert shown.status_code == 200, shown.headers.get("location")
        boxes = re.findall(r'name="granted" value="([^"]*)"', shown.text)
        return told(self.submit(shown, {"decision": "allow", "granted": [unescape(one) for one in boxes]}))

    def tokens(self, client: str = "viewer", **changes: str) -> dict[str, Any]:
        """What the token end point gives for a permission."""
        _, verifier = request(client)
        code = self.allowed(client, **changes)["code"]
        answer = self.exchange(code, verifier, client)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def exchange(self, code: str, verifier: str, client: str = "viewer", **changes: str) -> Any:
        """A code at the token end point."""
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier,
                "client_id": client, **changes}  # fmt: skip
        auth = self.house.basic(client) if client in self.house.secrets else None
        return self.house.post("token", data, auth=auth)


VERIFIER = "v" * 50


def request(client: str = "viewer", **changes: str) -> tuple[str, str]:
    """The query of an authorization request, and its verifier; an empty change takes a parameter away."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    parameters = {
        "response_type": "code", "client_id": client, "redirect_uri": CALLBACK, "scope": "openid user/*.rs",
        "state": "abc", "code_challenge": challenge, "code_challenge_method": "S256", **changes,
    }  # fmt: skip
    return urlencode({name: value for name, value in parameters.items() if value}), VERIFIER


def told(answer: Any) -> dict[str, str]:
    """The parameters with which a client is called back."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(CALLBACK), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def forms(html: str) -> list[tuple[str, str]]:
    """Actions and contents of the forms of a page."""
    found = re.findall(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', html, re.DOTALL)
    return [(unescape(action), inner) for action, inner in found]


def hidden(inner: str) -> dict[str, str]:
    """The hidden fields of a form."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', inner)
    return {name: unescape(value) for name, value in found}


def settings(**changes: Any) -> Settings:
    """Two hospitals."""
    organisations = (OrganisationSettings("east", "东院", "EAST-HIS"), OrganisationSettings("west", "West", "WEST-HIS"))
    oauth = OAuthSettings(enabled=True, issuer=ORIGIN, **changes)
    return Settings(organisations=organisations, security=SecuritySettings(oauth=oauth))


def open_house(pool: Pool, now: list[float], mint: Mint, **changes: Any) -> House:
    """A server on a database; with a doctor, a patient, and clients."""
    configured = settings(**changes)
    register(pool, [(one.code, one.name, one.assigning_authority) for one in configured.organisations])
    provider = open_provider(configured, pool, b"s" * 32, patients=Shelf(), fetch=mint.fetch, clock=lambda: now[0])
    keys = SigningKeys(pool, provider.sealer, every=provider.keys._every, now=provider.clock, bits=2048)
    provider = replace(provider, keys=keys, passwords=Passwords(QUICK))
    desk, certificate = open_desk(provider), [None]

    async def run(call: Callable[..., Any], *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(lambda: call(*arguments))

    def address(asked: Request) -> str:
        return asked.headers.get("x-test-address", "10.0.0.1")

    runner: Callable[..., Awaitable[Any]] = run
    app = OAuthApp(desk, run=runner, address=address, certificate=lambda _request: certificate[0])
    administration = Administration(pool)
    administration._passwords = provider.passwords
    house = House(provider, desk, app, administration, mint, now, certificate=certificate)  # type: ignore[arg-type]
    _populate(house)
    return house


def _populate(house: House) -> None:
    add_user, add_client = house.administration.add_user, house.administration.add_client
    add_user("wang", PASSWORD, organisation="east", name="王医生", roles=["radiologist"], fhir_user="Practitioner/7")
    add_user("li", PASSWORD, organisation="east", name="李雷", roles=["patient"], patient=("EAST-HIS", "000123"))
    add_client("viewer", organisation="east", name="Viewer <b>", redirect_uris=[CALLBACK], scopes=SCOPES)
    for name, options in {
        "portal": {"redirect_uris": [CALLBACK], "trusted": True},
        "his": {"launches": True}, "gateway": {"introspects": True},
    }.items():  # fmt: skip
        house.secrets[name] = add_client(
            name, organisation="east", method="client_secret_basic", scopes=(*SCOPES, "system/*.rs"), **options
        )  # type: ignore[arg-type]
