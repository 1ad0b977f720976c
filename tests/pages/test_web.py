"""The server behind every page: who may ask it, what it says, and what it never serves."""

import hmac
import importlib.util
import json
import socket
import stat

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from fastapi import APIRouter, Body
from fastapi.testclient import TestClient
from web_client import OWN, TOKEN, client_of

from steer.errors import PageError, RecordError, UsageError
from steer.pages.server import MAX_BODY, create_app, listen, render

router = APIRouter()
DONE = []


@router.get("/page")
def page():
    return render("error.html.j2", message='<img src=x onerror="hack()">')


@router.post("/do")
def do(what: str = Body(embed=True)):
    DONE.append(what)
    return {"did": what}


@router.get("/fail/{kind}")
def fail(kind: str):
    cause = OSError("No space left on device") if kind == "disk" else None
    kinds = {"usage": UsageError, "record": RecordError, "disk": RecordError, "other": KeyError}
    raise kinds[kind]("no <b>such</b> thing") from cause


@pytest.fixture
def app():
    DONE.clear()
    return create_app([router], TOKEN, home="/page")


@pytest.fixture
def client(app):
    return client_of(app)


def stranger(app, **headers):
    return TestClient(app, base_url="http://127.0.0.1:8000", headers=headers, follow_redirects=False)


# --- who may ask


def test_the_printed_address_sets_a_strict_cookie_that_scripts_cannot_read_and_leads_on_without_token(app):
    client = stranger(app)
    answer = client.get(f"/page?token={TOKEN}&run=a%26b")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert 'content="0; url=/page?run=a%26b"' in answer.text and TOKEN not in answer.text
    assert client.get("/page").status_code == 200


def test_the_address_cannot_lead_to_another_site(app):
    answer = stranger(app).get(f"http://127.0.0.1:8000//evil.example/?token={TOKEN}")
    assert 'content="0; url=/evil.example/"' in answer.text


@pytest.mark.parametrize("query", ["", "?token=wrong", f"?token={TOKEN}&token=wrong", "?token=", "?token=ü"])
def test_without_the_token_nothing_is_served(app, query):
    for path in ("/page", "/static/page.js", "/style.css", "/alive", "/", "/nothing"):
        assert stranger(app).get(path + query).status_code == 403


def test_a_wrong_cookie_is_refused(app, client):
    name = next(iter(client.cookies.keys()))
    assert stranger(app, cookie=f"{name}=wrong").get("/page").status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "0.0.0.0"]
)
def test_a_name_rebound_to_this_machine_is_refused(client, host):
    assert client.get("/page", headers={"host": host}).status_code == 403
    assert client.get(f"/page?token={TOKEN}", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:9", "null", "http://localhost:8000", ""]
)
def test_a_request_from_another_page_changes_nothing(client, origin):
    headers = {"origin": origin, "content-type": "application/json"}
    answer = client.post("/do", content='{"what": "x"}', headers=headers)
    assert answer.status_code == 403 and DONE == []


def test_a_request_without_origin_may_read_and_not_write(client):
    bare = TestClient(client.app, base_url="http://127.0.0.1:8000", cookies=dict(client.cookies))
    assert bare.get("/page").status_code == 200
    assert bare.post("/do", json={"what": "x"}).status_code == 403 and DONE == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_or_port_may_not_even_read(client, site):
    assert client.get("/page", headers={"sec-fetch-site": site}).status_code == 403
    assert client.get(f"/page?token={TOKEN}", headers={"sec-fetch-site": site}).status_code == 200


def test_what_is_sent_must_say_that_it_is_json(client):
    answer = client.post("/do", content='{"what": "x"}', headers={**OWN, "content-type": "text/plain"})
    assert answer.status_code == 422 and DONE == []
    assert client.post("/do", json={"what": "x"}).json() == {"did": "x"}


# --- after a new start


KEY = "5e" * 32


def proof_of(text, key=KEY):
    return hmac.new(bytes.fromhex(key), text.encode(), "sha256").hexdigest()


def reconnect(client, **values):
    return client.post("/reconnect", params=values, headers=OWN)


def test_the_cookie_is_of_the_port_and_one_of_an_earlier_start_is_not_accepted():
    old = client_of(create_app([router], TOKEN, key=KEY))
    assert list(old.cookies) == ["steer-8000"]
    new = TestClient(create_app([router], "n" * 32, key=KEY), base_url="http://127.0.0.1:8000", headers=OWN)
    new.cookies.update(old.cookies)
    assert new.get("/page").status_code == 403


def test_an_open_page_comes_back_after_both_sides_have_proved_that_they_know_the_key():
    assert client_of(create_app([router], TOKEN, key=KEY)).get("/key").json() == {"key": KEY}
    client = stranger(create_app([router], "n" * 32, key=KEY))
    nonce = "0a" * 16
    server = reconnect(client, nonce=nonce).json()
    assert server["proof"] == proof_of(f"server {nonce} {server['nonce']}")
    assert client.get("/page").status_code == 403  # not yet
    answer = reconnect(client, nonce=server["nonce"], proof=proof_of(f"page {server['nonce']}"))
    assert answer.status_code == 200 and "samesite=strict" in answer.headers["set-cookie"].lower()
    assert client.get("/page").status_code == 200


def test_nothing_that_crossed_lets_anybody_in_a_second_time():
    app = create_app([router], TOKEN, key=KEY)
    nonce = reconnect(stranger(app), nonce="0a" * 16).json()["nonce"]
    proof = proof_of(f"page {nonce}")
    assert reconnect(stranger(app), nonce=nonce, proof=proof).status_code == 200
    for again in (app, create_app([router], TOKEN, key=KEY)):
        assert reconnect(stranger(again), nonce=nonce, proof=proof).status_code == 403


@pytest.mark.parametrize("proof", ["", "ü", proof_of("page " + "0a" * 16), "server"])
def test_who_does_not_know_the_key_is_not_let_in(proof):
    client = stranger(create_app([router], TOKEN, key=KEY))
    server = reconnect(client, nonce="0a" * 16).json()
    # The server's own proof, sent back to it, proves nothing.
    answer = reconnect(client, nonce=server["nonce"], proof=server["proof"] if proof == "server" else proof)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert reconnect(client, nonce="no nonce").status_code == 403
    assert client.get("/key").status_code == 403


def test_another_page_cannot_reconnect():
    client = stranger(create_app([router], TOKEN, key=KEY))
    headers = {"origin": "http://127.0.0.1:9", "sec-fetch-site": "same-site"}
    assert client.post("/reconnect", params={"nonce": "0a" * 16}, headers=headers).status_code == 403
    assert client.post("/reconnect", params={"nonce": "0a" * 16}).status_code == 403


# --- what it says


def test_every_answer_forbids_foreign_content_frames_and_caches(app, client):
    for answer in (
        client.get("/page"),
        client.get("/static/page.js"),
        client.get("/no"),
        stranger(app).get("/"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_values_in_pages_are_escaped(client):
    text = client.get("/page").text
    assert "<img src=x" not in text and "&lt;img src=x" in text


def test_errors_are_one_line_as_json_to_scripts_and_as_a_page_to_people(client):
    answer = client.get("/fail/usage")
    assert answer.status_code == 400 and answer.json() == {"error": "no <b>such</b> thing"}
    answer = client.get("/fail/record", headers={"accept": "text/html"})
    assert answer.status_code == 400 and "no &lt;b&gt;such&lt;/b&gt; thing" in answer.text
    assert client.get("/fail/disk").status_code == 507  # a page may ask again
    assert client.get("/nothing").status_code == 404


def test_an_unexpected_error_is_told_too(app):
    client = client_of(app, raise_server_exceptions=False)
    assert "unexpected KeyError" in client.get("/fail/other").json()["error"]


def test_the_start_leads_to_the_page(client):
    assert client.get("/", follow_redirects=False).headers["location"] == "/page"


# --- what it never takes or serves


def test_a_body_over_the_limit_is_refused_whether_it_says_its_length_or_not(client):
    assert client.post("/do", json={"what": "x" * MAX_BODY}).status_code == 413

    def pieces():
        for _ in range(80):
            yield b" " * 1024

    headers = {**OWN, "content-type": "application/json"}
    assert client.post("/do", content=pieces(), headers=headers).status_code == 413
    assert DONE == []


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/static//etc/passwd",
     "/static/%00", "/static/....//server.py", "/static/..\\server.py", "/static/", "/static"],
)  # fmt: skip
def test_no_file_outside_the_served_folder_is_found(client, path):
    client.headers["accept"] = "application/json"
    assert client.get(path).status_code in (400, 404)


# --- its address


def test_it_listens_on_this_machine_only_and_on_a_free_port():
    address = listen()
    try:
        assert address.socket.getsockname()[0] == "127.0.0.1"
        assert address.url("/rate") == f"http://127.0.0.1:{address.port}/rate?token={address.token}"
        assert len(address.token) >= 32
    finally:
        address.socket.close()


def test_a_server_comes_back_where_its_pages_look_for_it_with_a_new_token(tmp_path):
    keep = tmp_path / "new" / "address.json"
    first = listen(keep)
    first.socket.close()
    assert stat.S_IMODE(keep.stat().st_mode) == 0o600
    again = listen(keep)
    try:
        assert (again.port, again.key) == (first.port, first.key) and again.token != first.token
        assert again.token not in keep.read_text() and first.token not in keep.read_text()
        beside = listen(keep)  # the port is taken: another one, and another key
        beside.socket.close()
        assert beside.port != again.port and beside.key != again.key
    finally:
        again.socket.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"port": "x", "key": 1}',
        f'{{"port": 99999999, "key": "{"0" * 64}"}}',
        '{"port": 1, "key": ""}',
    ],
)
def test_a_damaged_memory_of_the_address_is_replaced(tmp_path, text):
    keep = tmp_path / "address.json"
    keep.write_text(text, encoding="utf-8")
    address = listen(keep)
    address.socket.close()
    assert json.loads(keep.read_text(encoding="utf-8"))["port"] == address.port


def test_the_folder_that_remembers_the_address_is_private(tmp_path):
    keep = tmp_path / "data" / "profiles" / ".gallery.json"
    listen(keep).socket.close()
    assert stat.S_IMODE(keep.parent.stat().st_mode) == 0o700


def test_a_port_that_was_asked_for_and_is_taken_is_an_error_that_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PageError, match="leave --port away"):
            listen(port=taken.getsockname()[1])


def test_without_the_extra_the_error_names_the_command(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    with pytest.raises(PageError, match=r"pip install 'steer\[web\]'"):
        create_app([], TOKEN)
