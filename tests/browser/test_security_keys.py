"""Security keys in a browser with an authenticator of its own (CDP WebAuthn), in both languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.browser.chromium import desk, phone, picture
from tests.server import Server, remove_folder, scratch_folder

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that is known by a host name, with three people."""
    folder = scratch_folder("pacsd-keys-")
    server = Server(folder / "data")
    server.configure(f'[security.oauth]\nenabled = true\nissuer = "http://localhost:{server.http_port}"\n')
    try:
        server.start()
        (folder / "password").write_text(PASSWORD)
        for name in ("wang", "chen", "zhao"):
            done = server.command("users", "add", name, "--role", "radiologist", "--password-file",
                                  str(folder / "password"))  # fmt: skip
            assert done.returncode == 0, done.stdout
        yield server
    finally:
        server.kill()
        remove_folder(folder)


def key_of(page: Page, *, verifies: bool = True) -> tuple[CDPSession, str]:
    """An authenticator in the browser, of which everything is told."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options: dict[str, Any] = {
        "protocol": "ctap2", "transport": "usb", "hasResidentKey": False, "hasUserVerification": verifies,
        "isUserVerified": verifies, "automaticPresenceSimulation": True,
    }  # fmt: skip
    return session, session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    page, wrong = context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return page, wrong


def sign_in(page: Page, server: Server, name: str, labels: tuple[str, str, str]) -> None:
    page.goto(f"http://localhost:{server.http_port}/oauth/login")
    page.get_by_label(labels[0]).fill(name)
    page.get_by_label(labels[1]).fill(PASSWORD)
    page.get_by_role("button", name=labels[2], exact=True).click()


def name_key(page: Page, labels: tuple[str, str, str], name: str) -> None:
    """Fill in the form that adds a key, from the account page on."""
    page.get_by_role("link", name=labels[0]).click()
    page.get_by_label(labels[1]).fill(name)
    page.get_by_label(labels[2]).fill(PASSWORD)


def test_a_key_is_added_used_and_its_copy_found_out(browser: Browser, guarded: Server) -> None:
    english = ("User name", "Password", "Sign in")
    adding = ("Add a security key or this device", "Name, to know it again", "Your password")
    with desk(browser) as context:
        page, wrong = watched(context)
        session, key = key_of(page)
        sign_in(page, guarded, "wang", english)
        name_key(page, adding, "Blue key")
        picture(page, "oauth-key-add")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_text("Blue key · not used yet")).to_be_visible()
        (made,) = session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]
        assert made["rpId"] == "localhost"
        name_key(page, adding, "Again")          # the same one
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("alert")).to_have_text("This key is registered already.")
        page.goto(f"http://localhost:{guarded.http_port}/oauth/account")
        page.get_by_role("button", name="Sign out").click()
        sign_in(page, guarded, "wang", english)
        picture(page, "oauth-key-use")
        page.get_by_role("button", name="Use a security key").click()
        expect(page.get_by_text(re.compile("Blue key · last used 20"))).to_be_visible()
        picture(page, "oauth-key-account")
        page.get_by_role("button", name="Sign out").click()
        (now,) = session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]
        assert now["signCount"] > made["signCount"]
        session.send("WebAuthn.clearCredentials", {"authenticatorId": key})
        session.send("WebAuthn.addCredential", {"authenticatorId": key, "credential": {**now, "signCount": 0}})
        sign_in(page, guarded, "wang", english)
        page.get_by_role("button", name="Use a security key").click()
        expect(page.get_by_role("alert")).to_contain_text(["The security key was not accepted.", "None of your"])
        assert not [one for one in wrong if "403" not in one], wrong


def test_a_phone_verifies_its_user_and_says_so_in_chinese(browser: Browser, guarded: Server) -> None:
    chinese = ("用户名", "密码", "登录")
    with phone(browser) as context:
        page, wrong = watched(context)
        session, key = key_of(page)
        sign_in(page, guarded, "chen", chinese)
        name_key(page, ("添加安全密钥或本机验证", "名称", "您的密码"), "手机")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        picture(page, "oauth-key-add-phone")
        page.get_by_role("button", name="确认").click()
        expect(page.get_by_text("手机 · 尚未使用")).to_be_visible()
        page.get_by_role("button", name="退出登录").click()
        sign_in(page, guarded, "chen", chinese)
        session.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": key, "enabled": False})
        session.send("WebAuthn.removeCredential", {"authenticatorId": key, "credentialId": session.send(
            "WebAuthn.getCredentials", {"authenticatorId": key})["credentials"][0]["credentialId"]})  # fmt: skip
        session.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": key, "enabled": True})
        page.get_by_role("button", name="使用安全密钥").click()           # the key at hand is not the one
        expect(page.get_by_role("alert")).to_have_text("未能完成，请重试。")
        picture(page, "oauth-key-failed-phone")
        assert not wrong, wrong


def test_without_scripts_the_page_says_what_is_missing(browser: Browser, guarded: Server) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    try:
        page = context.new_page()
        sign_in(page, guarded, "zhao", ("User name", "Password", "Sign in"))
        page.goto(f"http://localhost:{guarded.http_port}/oauth/key")
        shown = page.locator("main").inner_text()        # what is drawn; locators of text pass noscript over
        assert "Security keys need JavaScript." in shown
    finally:
        context.close()
