"""The studio's server: what it takes, what it refuses, and that a page sees every change once."""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from urllib.parse import urljoin

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from fake_run import Devoted, Landscapes, crowd_parts, fake_run
from fakes import FakePerson
from PIL import Image
from serve_studio import desk_of
from web_client import TOKEN, client_of

from steer.loop.run import Run
from steer.pages.live import LiveRun
from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app
from steer.pages.studio import studio_pages
from steer.record.folder import Record
from steer.record.picks import Pick, Picks
from steer.settings import Settings

HOSTILE = "</script><script>window.hacked=1</script> rocks"


def key():
    return secrets.token_hex(12)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return fake_run(tmp_path_factory.mktemp("finished"), HOSTILE, renderer=Landscapes(32))


@pytest.fixture
def out(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "runs" / finished.name)
    return tmp_path / "runs"


@pytest.fixture
def client(out, tmp_path):
    desk = desk_of(out, tmp_path / "profiles")
    pages = [studio_pages(desk), gallery_pages(desk.folders, Book(desk.profiles, "me"), desk.restart)]
    client = client_of(create_app(pages, TOKEN, "/studio/"))
    client.desk = desk
    return client


@pytest.fixture
def at_work(out, finished):
    """A run that has just ended its first round, and is held by somebody."""
    folder = out / "at-work"
    shutil.copytree(finished, folder)
    (folder / "result.json").unlink()
    lines = (folder / "events.jsonl").read_text().splitlines(keepends=True)
    end = next(i for i, line in enumerate(lines) if '"event": "iteration"' in line)
    (folder / "events.jsonl").write_text("".join(lines[: end + 1]))
    return folder


def wish(**more):
    return {
        "kind": "participant",
        "who": "17",
        "key": key(),
        "prompt": "a boat",
        "rounds": 2,
        "pictures": 4,
        **more,
    }


def test_a_first_visit_opens_on_a_finished_example_that_says_it_is_simulated(client):
    html = client.get("/studio/").text
    assert "/static/example/best.webp" in html and "simulated person" in html.lower()
    for file in ("base.webp", "best.webp"):
        assert client.get(f"/static/example/{file}").headers["content-type"] == "image/webp"


def test_what_a_run_is_called_cannot_break_out_of_the_page(client, finished):
    for place in ("/studio/", f"/studio/runs/{finished.name}/"):
        assert "<script>window.hacked" not in client.get(place).text


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"who": "999"}, "nobody known is called '999'"),
        ({"who": ""}, "say who"),
        ({"prompt": "  "}, "the prompt is empty"),
        ({"prompt": "x" * 2500}, "2,500 characters"),
        ({"kind": "group"}, "say which group"),
        ({"kind": "profile", "who": "anna"}, "no profile 'anna'"),
        ({"rounds": 99}, "cost money"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused_in_one_line_and_begins_nothing(client, out, asked, why):
    answer = client.post("/studio/begin", json=wish(**asked))
    assert answer.status_code == 400 and why in answer.json()["error"]
    assert not (out / ".studio").exists()


def test_an_option_is_no_name_for_a_profile_to_rate_for(client):
    answer = client.post("/studio/open", json={"what": "rate", "name": "--reward=elsewhere"})
    assert answer.status_code == 400 and "is no name for a profile" in answer.json()["error"]


def test_the_same_wish_sent_twice_begins_one_run(client, out):
    same = wish()
    names = {client.post("/studio/begin", json=same).json()["name"] for _ in range(3)}
    assert len(names) == 1 and len(list((out / ".studio").glob("*.err"))) == 1
    name = names.pop()
    first = client.get(f"/studio/runs/{name}/state").json()
    assert first["status"] in ("starting", "running", "waiting", "complete")
    client.desk.children._runs[name].wait(120)
    assert client.get(f"/studio/runs/{name}/state").json()["status"] == "complete"


def test_a_run_that_fails_before_it_has_a_folder_says_why(client):
    name = client.post("/studio/begin", json=wish(prompt="broken")).json()["name"]
    client.desk.children._runs[name].wait(120)
    found = client.get(f"/studio/runs/{name}/state").json()
    assert (found["status"], found["error"]) == ("error", "nobody is called that")


def test_whatever_was_seen_before_a_page_ends_with_the_same_pictures(out, finished, tmp_path):
    """Reconnected at any moment, the cards that were put together are those of a fresh page."""
    lines = (finished / "events.jsonl").read_text().splitlines(keepends=True)
    folder = tmp_path / "growing"
    shutil.copytree(finished, folder)
    (folder / "result.json").unlink()
    (folder / "events.jsonl").write_text(lines[0])
    run, pages = LiveRun(folder), {n: ("", {}) for n in (1, 2, 3, 7)}

    def ask(cursor, cards):
        found = run.state(cursor, alive=True)
        cards = {} if found["whole"] else dict(cards)
        return found["cursor"], cards | {card["id"]: card for card in found["cards"]}

    for end, line in enumerate(lines[1:], start=1):
        with (folder / "events.jsonl").open("a") as log:
            log.write(line)
        if end in (12, 15, 20):
            Picks(folder).give(Pick(key=key(), pick="heart" if end != 15 else "bury", picture="r01c01"))
        for every, (cursor, cards) in pages.items():  # some look seldom, and some lose every second answer
            if end % every == 0 or end == len(lines) - 1:
                cursor, new = ask(cursor, cards)
                pages[every] = cursor, new
    fresh = ask("", {})
    assert all(page == fresh for page in pages.values())
    assert LiveRun(folder).state(fresh[0], alive=False)["cards"] == [], (
        "after a restart the cursor still holds"
    )
    assert LiveRun(folder).state("99999.7", alive=False)["whole"], "a cursor of another file starts anew"


def test_a_choice_is_on_disk_when_it_is_acknowledged_and_counts_once(client, at_work):
    body = {"key": key(), "pick": "heart", "picture": "r01c01"}
    for _ in range(2):
        answer = client.post("/studio/runs/at-work/picks", json=body)
        assert answer.status_code == 200
    assert [pick.picture for pick in Picks(at_work).read()] == ["r01c01"]
    card = next(card for card in answer.json()["cards"] if card["id"] == "r01c01")
    assert (card["pick"], card["taken"]) == ("heart", False)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"pick": "heart", "picture": "r09c99"}, 400),
        ({"pick": "heart", "picture": "../../x"}, 400),
        ({"pick": "adore", "picture": "r01c01"}, 400),
        ({"pick": "strike", "iteration": 1, "prompt": "long rendered"}, 409),
        ({"pick": "go", "iteration": 1}, 409),
        ({"pick": "pause"}, 409),  # nobody works on it
    ],
)
def test_a_choice_that_makes_no_sense_or_comes_too_late_is_refused_and_not_kept(
    client, at_work, given, status
):
    answer = client.post("/studio/runs/at-work/picks", json={"key": key(), **given})
    assert answer.status_code == status and "\n" not in answer.json()["error"]
    assert not (at_work / "picks.jsonl").exists()


def test_words_that_say_what_is_never_wanted_are_refused_on_the_page(client, at_work):
    config = json.loads((at_work / "config.json").read_text())
    config["recipe"]["corrections"] = [{"verb": "never", "phrase": "neon", "t": 1.0}]
    (at_work / "config.json").write_text(json.dumps(config))
    place = "/studio/runs/at-work/picks"
    answer = client.post(place, json={"key": key(), "pick": "add", "to": "rocks in a neon glow"})
    assert answer.status_code == 400 and 'says "neon"' in answer.json()["error"]
    assert not (at_work / "picks.jsonl").exists()
    assert client.post(place, json={"key": key(), "pick": "add", "to": "rocks in chalk"}).status_code == 200


def test_a_finished_run_takes_hearts_and_nothing_else(client, finished, out):
    place = f"/studio/runs/{finished.name}/picks"
    assert client.post(place, json={"key": key(), "pick": "stop"}).status_code == 409
    answer = client.post(place, json={"key": key(), "pick": "heart", "picture": "r01c01"})
    assert answer.status_code == 200 and answer.json()["status"] == "complete"
    log = (out / finished.name / "events.jsonl").read_text()
    assert log == (finished / "events.jsonl").read_text(), "the record of what happened stays as it was"


def test_a_heart_in_a_run_for_a_profile_is_a_rating_of_it_even_if_the_server_was_killed_before(
    client, at_work
):
    config = json.loads((at_work / "config.json").read_text())
    config["person"] |= {"kind": "new", "id": "me", "world": "profile", "label": "profile:me@0123456789ab"}
    (at_work / "config.json").write_text(json.dumps(config))
    profile = client.desk.profiles.create("me")
    Picks(at_work).give(Pick(key=key(), pick="bury", picture="r01c00"))  # and killed before it was a rating
    client.post("/studio/runs/at-work/picks", json={"key": key(), "pick": "heart", "picture": "r01c01"})
    client.get("/studio/runs/at-work/state")
    profile.refresh()
    assert sorted(rating.rating for rating in profile.ratings) == [1.0, 5.0]


def test_nothing_else_of_the_disk_is_seen(client, finished, out):
    assert client.get(f"/studio/runs/{finished.name}/thumbs/r01c00").status_code == 200
    for id in ("config", "r01c00.png", "..%2Fconfig.json", "r00c00-gate1"):
        assert client.get(f"/studio/runs/{finished.name}/thumbs/{id}").status_code == 404
    for name in ("..", ".studio", "no-such-run"):
        assert client.get(f"/studio/runs/{name}/state").status_code == 404


def test_the_record_is_read_as_it_grows_without_counting_a_damaged_line_twice(finished, tmp_path):
    folder = tmp_path / "growing"
    shutil.copytree(finished, folder)
    lines = (folder / "events.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "events.jsonl").write_bytes(b"".join(lines[:5]) + b"damaged\n")
    record = Record.read(folder)
    assert (len(record.events), record.unreadable) == (5, 1)
    for line in (b"damaged too\n", *lines[5:]):
        with (folder / "events.jsonl").open("ab") as log:
            log.write(line)
        record.refresh()
    assert (len(record.events), record.unreadable) == (len(lines), 2)
    assert record.events == Record.read(folder).events


def test_who_is_chosen_is_said_in_plain_words_and_rounds_are_rounds(client, at_work):
    assert client.get("/studio/runs/at-work/state").json()["profile"] is None
    config = json.loads((at_work / "config.json").read_text())
    config["person"] |= {"kind": "new", "id": "me", "world": "profile", "label": "profile:me@0123456789ab"}
    (at_work / "config.json").write_text(json.dumps(config))
    found = LiveRun(at_work).state("", alive=True)
    assert (found["profile"], found["person"]) == ("me", "your profile me")
    assert "iteration" not in found["phase"]


def test_a_small_picture_is_smaller(client, out):
    folder = fake_run(out, renderer=Landscapes(400))
    place = f"/studio/runs/{folder.name}/thumbs/r00c00"
    sizes = [Image.open(io.BytesIO(client.get(place + more).content)).width for more in ("", "?small=1")]
    assert sizes == [320, 224]


def test_two_runs_are_compared_on_a_page_that_leads_to_both(client, out, finished):
    other = out / "other"
    shutil.copytree(finished, other)
    body = {"what": "compare", "runs": [finished.name, "other"]}
    url = client.post("/studio/open", json=body).json()["url"]
    assert client.post("/studio/open", json=body).json()["url"] == url, "it is made once"
    page = client.get(url)
    assert page.status_code == 200 and "style-src 'unsafe-inline'" in page.headers["content-security-policy"]
    assert finished.name in page.text and "<script" not in page.text
    assert client.get(url.replace(".html", ".json")).json()["left"] == finished.name
    links = re.findall(r'href="([^"]+)"', page.text)
    assert links and all(client.get(urljoin(url, link)).status_code == 200 for link in links)


def test_what_cannot_be_compared_is_said_in_one_line(client, finished):
    for runs, why in (([finished.name], "two finished runs"), (["..", "no"], "choose")):
        answer = client.post("/studio/open", json={"what": "compare", "runs": runs})
        assert answer.status_code == 400 and why in answer.json()["error"]
    body = {"what": "compare", "runs": [finished.name, finished.name]}
    answer = client.post("/studio/open", json=body)
    assert answer.status_code == 400 and answer.json()["error"] == "both are the same run"


def test_no_other_file_is_taken_for_a_comparison(client, out, tmp_path):
    (tmp_path / "versus.html").write_text("secret")
    (out / "linked").symlink_to(tmp_path)
    (out / "link").mkdir()
    (out / "link" / "versus.html").symlink_to(tmp_path / "versus.html")
    for name in ("..", "%2E%2E", "linked", "link", "none"):
        assert client.get(f"/runs/{name}/versus.html").status_code == 404


def test_where_a_heart_made_ones_own_words_win_the_page_says_so(tmp_path):
    parts = crowd_parts(renderer=Landscapes(32), scorer=Devoted())
    settings = Settings(iterations=1, proposals=3, patience=0, confirm=0, search="paper")
    run = Run.start("rocks", FakePerson("17"), parts, settings, tmp_path)
    Picks(run.folder).give(Pick(key=key(), pick="heart", picture="r00c00"))
    list(run)
    [said] = LiveRun(run.folder).state("", alive=False)["verdict"]
    assert said.startswith("You hearted the picture of your own words")


def test_a_studio_that_is_told_to_end_leaves_no_way_in_behind(tmp_path):
    studio = subprocess.Popen(
        [sys.executable, "-m", "steer", "studio", "--no-open", "--out", str(tmp_path / "runs")],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with studio:
        assert studio.stdout.readline().startswith("http://127.0.0.1:")
        deadline = time.monotonic() + 60
        while not (doors := list(tmp_path.glob("steer-*/open.html"))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        studio.terminate()
        _, said = studio.communicate(timeout=60)
    assert studio.returncode == 0
    assert "stopped; runs that are at work go on" in said
    assert not doors[0].exists()
