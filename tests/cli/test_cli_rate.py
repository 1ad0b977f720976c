"""`steer rate` and `steer runs gallery --serve` on the command line."""

import stat
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from fake_run import fake_run
from panel import Panel
from rate_app import make_pictures
from test_architecture import TRUTH, reachable

from steer.cli.app import run_command
from steer.profiles import Profiles


@pytest.fixture
def steer(capsys, monkeypatch):
    """Run one command line whose pages end as soon as they are served, as by Ctrl-C."""

    def serve(app, address):
        address.socket.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("steer.cli.rate.load_scorer", lambda reward: Panel())
    monkeypatch.setattr("steer.pages.server.serve", serve)

    def run(*words):
        code = run_command(list(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_rate_prints_the_address_and_ends_well_with_the_command_that_goes_on(steer, tmp_path):
    folder = make_pictures(tmp_path / "my pictures", 3)
    code, out, err = steer("rate", "anna", "--images", str(folder), "--no-open")
    assert code == 0, err
    assert out.startswith("http://127.0.0.1:") and "?token=" in out and len(out.splitlines()) == 1
    assert f"go on with: steer rate anna --images '{folder}'" in err
    assert "simulated people" in err and "0 ratings so far" in err
    assert Profiles().list() == ["anna"]


def test_started_again_it_has_the_same_port_and_another_token(steer, tmp_path):
    folder = make_pictures(tmp_path / "pictures", 3)
    words = ("rate", "--images", str(folder), "--no-open")
    (port, token), (port_then, token_then) = (steer(*words)[1].split("?token=") for _ in range(2))
    assert port == port_then and token != token_then


def test_the_browser_is_handed_a_private_file_and_never_the_token(steer, tmp_path, monkeypatch):
    folder = make_pictures(tmp_path / "pictures", 3)
    handed = []

    def launch(address):
        file = Path(unquote(urlparse(address).path))
        handed.append((address, file, file.stat().st_mode, file.parent.stat().st_mode, file.read_text()))

    monkeypatch.setattr("typer.launch", launch)
    code, out, err = steer("rate", "--images", str(folder))
    assert code == 0, err
    [(address, file, mode, above, text)] = handed
    token = out.strip().partition("?token=")[2]
    assert address.startswith("file:") and token not in address and out.strip() in text
    assert stat.S_IMODE(mode) == 0o600 and stat.S_IMODE(above) == 0o700
    assert not file.exists()  # once the pages are no longer served


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("rate", "17"), 2, "no letter"),
        (("rate", "../me"), 2, "is no name for a profile"),
        (("rate", "--images", "nowhere"), 1, "there is no folder nowhere"),
        (("rate", "--port", "70000"), 2, "65535"),
        (("runs", "gallery"), 2, "name a run"),
        (("runs", "gallery", "--serve", "--user", "17"), 2, "no letter"),
    ],
)
def test_mistakes_get_one_line_and_make_no_profile(steer, words, code, part):
    found, out, err = steer(*words, *(["--no-open"] if words[0] == "rate" else []))
    assert (found, out) == (code, "") and part in err.splitlines()[-1]
    assert Profiles().list() == []


def test_a_served_gallery_prints_the_address_of_the_run(steer, isolated):
    folder = fake_run(isolated / "runs")
    code, out, err = steer("runs", "gallery", "last", "--serve")
    assert code == 0, err
    assert f"/runs/{folder.name}/?token=" in out and "profile me" in err
    code, out, err = steer("runs", "gallery", "--serve", "--user", "anna")
    assert "/runs/?token=" in out and "again: steer runs gallery --serve --user anna" in err


def test_pages_and_profiles_cannot_reach_the_truth_about_the_simulated_people():
    for module in ("steer.pages.rate", "steer.pages.served_gallery", "steer.profiles.session"):
        assert not [name for name in reachable(module) if name.startswith(TRUTH)], module
