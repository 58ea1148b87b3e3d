"""Which cookie of a request is that of a share link."""

import pytest

from pacsd.web.link_session import cookie_of


def found(*cookies: str, **headers: str) -> str | None:
    """What is found in a request with these Cookie headers."""
    told = [(b"cookie", one.encode("latin-1")) for one in cookies]
    return cookie_of({"headers": told + [(name.encode(), value.encode()) for name, value in headers.items()]})


BESIDE = ('theme={"dark":true}', "a name=1", "x", "", "=", "k\xe9y=\xfc", "long=" + "9" * 9000)


@pytest.mark.parametrize("beside", BESIDE)
def test_cookies_of_other_services_on_the_host_hide_it_not(beside: str) -> None:
    assert found(f"{beside}; pacsd-link=abc.1.def") == "abc.1.def"
    assert found(f"pacsd-link=abc.1.def; {beside}") == "abc.1.def"
    assert found(beside, "pacsd-link=abc.1.def") == "abc.1.def"


def test_that_of_the_host_alone_goes_first() -> None:
    assert found("__Host-pacsd-link=ours; pacsd-link=theirs") == "ours"
    assert found("pacsd-link=theirs; __Host-pacsd-link=ours") == "ours"


def test_what_only_sounds_like_it_is_none() -> None:
    assert found() is None
    assert found("x-pacsd-link=1; other=pacsd-link") is None
    assert found("pacsd-link=abc", authorization="Bearer x") is None
    assert found("pacsd-link=") == ""                    # proves nothing, and is not nothing
