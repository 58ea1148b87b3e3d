import pytest
from starlette.requests import Request

from pacsd.web.addresses import Addresses
from pacsd.web.problem import HttpError


def request(*, client="10.0.0.5", scheme="http", **headers):
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "scheme": scheme,
            "headers": raw,
            "client": (client, 5000),
            "server": ("127.0.0.1", 8080),
            "query_string": b"",
        }
    )


def test_the_client_behind_proxies_is_the_last_that_is_none_of_them():
    trusting = Addresses(trusted_proxies=("10.0.0.0/24", "fd00::/8"))
    for told, client in (
        ("198.51.100.1", "198.51.100.1"), ("203.0.113.9, 198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("[2001:db8::1], fd00::2", "2001:db8::1"), ("nobody", "10.0.0.5"), ("198.51.100.1, nobody", "10.0.0.5"),
        ("", "10.0.0.5"), (", ".join(["10.0.0.8"] * 500), "10.0.0.8"),
    ):  # fmt: skip
        assert trusting.client(request(x_forwarded_for=told)) == client, told
    assert trusting.client(request(client="198.51.100.2", x_forwarded_for="192.0.2.1")) == "198.51.100.2"
    assert Addresses().client(request(x_forwarded_for="192.0.2.1")) == "10.0.0.5"


FORWARDED = {"host": "inside:8080", "x_forwarded_proto": "https", "x_forwarded_host": "pacs.example"}


def test_the_host_the_client_used():
    assert Addresses().dicom_web(request(host="pacs:8080")) == "http://pacs:8080/dicom-web"
    assert Addresses().dicom_web(request(host="[::1]:8080", scheme="https")) == "https://[::1]:8080/dicom-web"
    assert Addresses().dicom_web(request()) == "http://127.0.0.1:8080/dicom-web"


@pytest.mark.parametrize("url", ["https://pacs.example", "https://pacs.example/", "https://pacs.example/dicom-web/"])
def test_the_public_url_goes_before_the_request(url):
    assert Addresses(public_url=url).dicom_web(request(host="inside")) == "https://pacs.example/dicom-web"


def test_forwarded_headers_count_only_from_trusted_proxies():
    assert Addresses().dicom_web(request(**FORWARDED)) == "http://inside:8080/dicom-web"
    trusting = Addresses(trusted_proxies=("10.0.0.0/24",))
    assert trusting.dicom_web(request(**FORWARDED)) == "https://pacs.example/dicom-web"
    assert trusting.dicom_web(request(client="10.0.1.5", **FORWARDED)) == "http://inside:8080/dicom-web"
    assert trusting.dicom_web(request(client="not an address", **FORWARDED)) == "http://inside:8080/dicom-web"


@pytest.mark.parametrize("host", ['a"b', "a/b", "a b", "a\\b", "user@host", "h:123456", "张"])
def test_a_host_that_is_none_is_refused(host):
    with pytest.raises(HttpError):
        Addresses().dicom_web(request(host=host.encode().decode("latin-1")))


def test_a_client_that_leaves_out_the_port_of_our_own_address_gets_it_back():
    assert Addresses().dicom_web(request(host="127.0.0.1")) == "http://127.0.0.1:8080/dicom-web"
    assert Addresses().dicom_web(request(host="localhost")) == "http://localhost:8080/dicom-web"
    assert Addresses().dicom_web(request(host="pacs.example")) == "http://pacs.example/dicom-web"
