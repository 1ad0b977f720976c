"""Connections to a real server: of this user, few at a time, and in silence."""

import http.client
import os
import resource
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from steer.pages import connections
from steer.pages.connections import MOST, is_own, owners_of

ME = os.getuid()
SCRIPT = """
import sys
from steer.pages import connections
from steer.pages.server import create_app, listen, serve
connections.PATIENCE = float(sys.argv[1])
address = listen()
print(address.port, address.token, flush=True)
serve(create_app([], address.token), address)
"""


class Server:
    """Pages in a process of their own; what it says is kept."""

    def __init__(self, folder, patience):
        self.said = folder / "said"
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SCRIPT, str(patience)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        port, self.token = self.process.stdout.readline().split()
        self.port = int(port)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def lets_in(self):
        return self.get(f"/?token={self.token}").status == 200


@pytest.fixture
def serving(tmp_path):
    with ExitStack() as ends:

        def start(patience=3600.0):
            server = Server(tmp_path, patience)
            ends.callback(server.process.stdout.close)
            ends.callback(server.process.wait)
            ends.callback(server.process.kill)
            return server

        yield start


def half_open(port, sent=b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(sent)
    return connection


def open_files_allowed(wanted):
    """So many connections as this process may hold, at least three times what a page takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + 300 if hard == resource.RLIM_INFINITY else min(hard, wanted + 300)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return max(3 * MOST, most - 300)


def is_over(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def test_of_many_half_open_connections_the_oldest_make_room_and_the_page_is_reachable_in_silence(serving):
    many = open_files_allowed(1200)
    server = serving()
    memory = psutil.Process(server.process.pid).memory_info
    before = memory().rss
    with ExitStack() as held:
        ours = []
        for _ in range(many):
            ours.append(held.enter_context(half_open(server.port)))
        assert server.lets_in()
        assert all(is_over(one) for one in ours[: many - MOST])
        open_files = Path(f"/proc/{server.process.pid}/fd")
        if open_files.is_dir():
            assert len(list(open_files.iterdir())) < MOST + 50
        for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000):
            held.enter_context(half_open(server.port, garbage))
        assert server.lets_in()
        assert memory().rss - before < 50 << 20
    assert server.said.read_bytes() == b""


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HT"],
    ids=["none", "some", "second"],
)
def test_who_sends_no_whole_request_is_cut_off_after_a_while(serving, sent):
    server = serving(patience=0.5)
    with half_open(server.port, sent) as connection:
        while not is_over(connection):  # what was asked whole is answered; recv itself has a limit
            pass
    assert server.lets_in() and server.said.read_bytes() == b""


@pytest.fixture
def as_somebody_else():
    """Words that run a program as another user of this machine."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to be a second user")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


ASK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as connection:
    try:
        connection.sendall(f"GET /?token={sys.argv[2]} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
        print(len(connection.recv(1000)))
    except ConnectionError:
        print(0)
"""


def test_another_user_of_this_machine_gets_no_byte_even_with_the_token(serving, as_somebody_else):
    server = serving()
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("needs a Python that every user may run")
    words = [python, "-c", ASK, str(server.port), server.token]
    assert int(subprocess.check_output(words)) > 0
    assert subprocess.check_output([*as_somebody_else, *words]).strip() == b"0"
    assert server.lets_in() and server.said.read_bytes() == b""


def test_another_user_cannot_read_the_token_of_a_browser_that_is_opened(as_somebody_else, tmp_path):
    from steer.cli.open_pages import handed_over

    with handed_over("http://127.0.0.1:1/?token=secret") as door:
        assert "token=secret" in door.read_text()
        assert subprocess.run([*as_somebody_else, "cat", str(door)], capture_output=True).returncode != 0


def row(local, remote, state, uid):
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:>5} 0 1 1 0 100 0 0 10 0"
    )


@pytest.mark.parametrize(
    ("state", "uid", "own"),
    [("01", ME, True), ("01", 0, True), ("01", ME + 1, False), ("05", 0, False), (None, 0, False)],
)  # fmt: skip
def test_the_systems_table_says_whose_a_connection_is(tmp_path, state, uid, own):
    table = tmp_path / "tcp"
    client, server = "0100007F:C350", "0100007F:1F40"
    rows = ["  sl  local_address ...", row(server, client, "01", os.getuid())]
    if state is not None:
        rows.append(row(client, server, state, uid))
    table.write_text("\n".join(rows) + "\n")
    assert is_own(("127.0.0.1", 50000), ("127.0.0.1", 8000), owners_of(table)) is own


def test_where_the_system_does_not_tell_nobody_is_turned_away(tmp_path):
    assert is_own(("127.0.0.1", 50000), ("127.0.0.1", 8000), owners_of(tmp_path / "none"))
    (tmp_path / "tcp").write_text("  sl  local_address ...\n")
    assert is_own(("127.0.0.1", 50000), ("127.0.0.1", 8000), owners_of(tmp_path / "tcp"))


def test_this_machine_tells_where_it_is_linux():
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has the table")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as ours, listener.accept()[0]:
            text = connections._TABLE.read_text()
            name = connections._hexadecimal(*ours.getsockname())
            assert name in text and is_own(ours.getsockname(), address, owners_of())
