"""Who may ask: Host, Origin, Sec-Fetch-Site, token; and the headers of every answer."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sparsesr.errors import UsageError
from sparsesr.serve.settings import Settings
from support.sites import Site, encoded, site_with

TOKEN = "a long secret"  # noqa: S105


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "[evil]"])
def test_foreign_names_are_refused(site, host):
    """A name that points to this machine (DNS rebinding) is still foreign."""
    for path in ("/", "/v1/models", "/metrics"):
        answer = site.client.get(path, headers={"Host": host})
        assert answer.status_code == 421 and answer.json()["error"]["code"] == "refused"


def test_own_names_and_addresses_are_accepted(site):
    for host in ("localhost", f"localhost:{site.port}", "127.0.0.1", f"[::1]:{site.port}", "192.168.1.9"):
        assert site.client.get("/v1/models", headers={"Host": host}).status_code == 200
    with site_with(names=("Pictures.local",), token=TOKEN) as other:
        headers = {"Host": "pictures.local:80", "Authorization": f"Bearer {TOKEN}"}
        assert other.client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "http://localhost", "null", "http://["]
)
def test_pages_of_other_sites_are_refused(site, origin):
    answer = site.post("/v1/upscale?model=tiny", encoded(), headers={"Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    options = site.client.options("/v1/upscale", headers={"Origin": origin})
    assert options.status_code == 403


def test_the_own_page_is_accepted(site):
    headers = {"Origin": f"http://127.0.0.1:{site.port}", "Sec-Fetch-Site": "same-origin"}
    assert site.post("/v1/upscale?model=tiny", encoded(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:443", "https://localhost", 200),
        ("localhost", "https://localhost:443", 200),
        ("[::1]:80", "http://[::1]", 200),
        ("localhost:443", "http://localhost", 403),
        ("localhost:443", "https://localhost:8443", 403),
        ("localhost:443", "443:https", 403),
    ],
)
def test_a_proxy_may_add_the_default_port(site, host, origin, status):
    answer = site.client.get("/v1/models", headers={"Host": host, "Origin": origin})
    assert answer.status_code == status


@pytest.mark.parametrize("relation", ["cross-site", "same-site"])
def test_browsers_say_where_a_request_comes_from(site, relation):
    """Other ports of this machine are the same site, but not the same origin."""
    headers = {"Sec-Fetch-Site": relation}
    assert site.client.get("/v1/models", headers=headers).status_code == 403
    assert site.client.get("/metrics", headers=headers).status_code == 403
    assert site.client.get("/", headers=headers).status_code == 200  # a link to the page


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/page/main.js", "/v1/models", "/nowhere", "/page/..%2Fapp.py"]
)
def test_every_answer_has_the_headers(site, path):
    headers = site.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "server" not in headers or "uvicorn" in headers["server"]


def test_the_page_only_serves_its_own_files(site):
    for path in ("/page/..%2Fapp.py", "/page/%2Fetc%2Fpasswd", "/page/nothing.js", "/page/__init__.py"):
        assert site.client.get(path).status_code == 404


def test_the_page_loads_nothing_from_elsewhere(site):
    """No address outside, no script or style in the document itself."""
    for page in ("/", "/docs"):
        text = site.client.get(page).text
        assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", text)
        assert "<style" not in text and " style=" not in text and " onclick" not in text
        assert not re.findall(r"<script(?![^>]* src=)", text)
        for path in re.findall(r"(?:src|href)=\"(/page/[^\"]+)", text):
            assert site.client.get(path).status_code == 200


@pytest.fixture(scope="module")
def locked() -> Iterator[Site]:
    with site_with(token=TOKEN) as running:
        yield running


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Bearer", f"Basic {TOKEN}", "Bearer a long secre", "Bearer é"]
)
def test_without_the_token_nothing_is_answered(locked, given):
    headers = {} if given is None else {"Authorization": given.encode()}
    for path in ("/v1/models", "/metrics", "/v1/jobs/x", "/v1/events?job=x"):
        answer = locked.client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert locked.post("/v1/upscale", encoded(), headers=headers).status_code == 401
    assert locked.client.get("/healthz").status_code == 200
    assert locked.client.get("/").status_code == 200


def test_the_token_opens_the_api(locked):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert locked.client.get("/v1/models", headers=headers).status_code == 200
    assert locked.post("/v1/upscale?model=tiny", encoded(), headers=headers).status_code == 200


def test_the_page_exchanges_the_token_for_a_cookie(locked):
    assert locked.client.post("/v1/session", headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = locked.client.post("/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 204 and TOKEN not in cookie
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    pair = cookie.split(";")[0]
    assert locked.client.get("/v1/models", headers={"Cookie": pair}).status_code == 200
    assert locked.client.get("/v1/models", headers={"Cookie": pair + "x"}).status_code == 401
    for other in ('view={"zoom": 2}', "a b=c", 'x="open'):  # of another program on this machine
        assert locked.client.get("/v1/models", headers={"Cookie": f"{other}; {pair}"}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.4", "::", "example.org"])  # noqa: S104
def test_strangers_need_a_token(host):
    with pytest.raises(UsageError, match="can be reached from other machines"):
        Settings(host=host)
    assert Settings(host=host, token=TOKEN).token == TOKEN
    assert Settings(host=host, is_open=True).is_open
    with pytest.raises(UsageError, match=f"{host} can be reached from other machines"):
        Settings(names=("localhost", host))


def test_a_token_is_not_short():
    with pytest.raises(UsageError, match="8 characters"):
        Settings(token="short")  # noqa: S106


@pytest.mark.parametrize("token", ["schlüssel-geheim", "long secret ", "long\tsecret", "long\udcffsecret"])
def test_a_token_can_be_sent_by_every_client(token):
    with pytest.raises(UsageError, match="must be ASCII, without spaces at its ends"):
        Settings(token=token)
