"""Log-in, second factor and consent in a browser, for another's client (Authlib), against the whole server."""

import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, Page, expect

from pacsd.oauth import totp
from tests.browser.chromium import desk, phone, picture
from tests.oauth.test_sign_in import secret_of
from tests.server import Server, remove_folder, scratch_folder

authlib = pytest.importorskip("authlib.integrations.httpx_client", reason="needs the Python package authlib")
CALLBACK = "https://app.example/callback"
PASSWORD = "correct horse battery"
SETTINGS = '[security]\nauthentication = "required"\n[security.oauth]\nenabled = true\n'


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that lets nobody in without a token, with a doctor and two clients."""
    folder = scratch_folder("pacsd-sign-in-")
    server = Server(folder / "data", config=SETTINGS)
    try:
        server.start()
        (folder / "password").write_text(PASSWORD)
        done = server.command("users", "add", "wang", "--name", "王医生", "--role", "radiologist",
                              "--password-file", str(folder / "password"))  # fmt: skip
        assert done.returncode == 0, done.stdout
        done = server.command("clients", "add", "viewer", "--name", "Viewer", "--redirect-uri", CALLBACK,
                              "--scope", "openid profile offline_access user/*.cruds")  # fmt: skip
        assert done.returncode == 0, done.stdout
        yield server
    finally:
        server.kill()
        remove_folder(folder)


def origin(server: Server) -> str:
    return f"http://127.0.0.1:{server.http_port}"


@pytest.fixture
def client(guarded: Server) -> Iterator[httpx.Client]:
    """Authlib's client, closed after the test."""
    made = client_of(guarded)
    yield made
    made.close()


def client_of(server: Server) -> httpx.Client:
    """Authlib's client, set up by the server's own metadata."""
    metadata = httpx.get(f"{origin(server)}/fhir/.well-known/smart-configuration").raise_for_status().json()
    assert metadata["issuer"] == origin(server) and "client-public" in metadata["capabilities"]
    client: httpx.Client = authlib.OAuth2Client(
        "viewer", redirect_uri=CALLBACK, scope="openid profile offline_access user/*.rs", code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"], token_endpoint_auth_method="none",
    )  # fmt: skip
    client.metadata["authorization_endpoint"] = metadata["authorization_endpoint"]  # type: ignore[attr-defined]
    return client


def page_of(context: object) -> tuple[Page, list[str]]:
    """A page whose app answers, and what the browser complained of."""
    page, wrong = context.new_page(), []  # type: ignore[attr-defined]
    page.route(f"{CALLBACK}*", lambda route: route.fulfill(status=200, content_type="text/html", body="<p>app</p>"))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return page, wrong


def test_doctor_signs_in_with_a_second_factor_and_a_foreign_client_reads(
    browser: Browser, guarded: Server, client: httpx.Client
) -> None:
    url, state = client.create_authorization_url(  # type: ignore[attr-defined]
        client.metadata["authorization_endpoint"], code_verifier="v" * 64  # type: ignore[attr-defined]
    )
    with desk(browser) as context:
        page, wrong = page_of(context)
        page.goto(f"{origin(guarded)}/oauth/login?lang=en")
        picture(page, "oauth-login")
        page.get_by_label("User name").fill("wang")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Set up an authenticator app").click()
        secret = secret_of(page.content())
        picture(page, "oauth-second-factor")
        page.get_by_label("One-time code").fill(totp.code(secret, int(time.time() // 30) - 1))
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("An authenticator app is set up.")).to_be_visible()
        picture(page, "oauth-account")
        page.get_by_role("button", name="Sign out").click()
        page.goto(url)
        expect(page.get_by_text("Viewer")).to_be_visible()
        page.get_by_label("User name").fill("wang")
        page.get_by_label("Password").fill("not this one")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_label("One-time code").fill(totp.code(secret, int(time.time() // 30)))
        picture(page, "oauth-second-step")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Permission")).to_be_visible()
        picture(page, "oauth-consent")
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(re.compile(re.escape(CALLBACK)))
        assert not wrong, wrong
        back = page.url
    assert parse_qs(urlsplit(back).query)["iss"] == [origin(guarded)]
    tokens = client.fetch_token(authorization_response=back, state=state, code_verifier="v" * 64)  # type: ignore[attr-defined]
    assert tokens["scope"] == "openid profile offline_access user/*.rs"
    base = f"{origin(guarded)}/dicom-web/studies"
    assert httpx.get(base).status_code == 401
    assert httpx.get(base, headers={"authorization": "Bearer " + tokens["access_token"][:-2]}).status_code == 401
    assert client.get(base).status_code in (200, 204)
    assert client.get(f"{origin(guarded)}/fhir/Patient").status_code == 200
    renewed = client.refresh_token(client.metadata["token_endpoint"])  # type: ignore[attr-defined]
    assert renewed["access_token"] != tokens["access_token"]


def test_pages_fit_a_phone_and_speak_chinese(browser: Browser, guarded: Server) -> None:
    with phone(browser) as context:
        page, wrong = page_of(context)
        page.goto(f"{origin(guarded)}/oauth/login")
        expect(page.get_by_role("heading", name="登录")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        picture(page, "oauth-login-phone")
        assert not wrong, wrong
