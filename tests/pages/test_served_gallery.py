"""A gallery that is served: ratings flow into a profile, and nothing else of the disk is seen."""

import base64
import io
import json
import re

import pytest

pytest.importorskip("fastapi", reason="the pages need the extra web: pip install -e '.[web]'")

from fake_run import Landscapes, fake_run
from PIL import Image
from web_client import TOKEN, client_of

from steer.errors import RecordError
from steer.pages.gallery import open_page, write_gallery
from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app
from steer.profiles import Profiles
from steer.record.folder import Record, list_runs

HOSTILE = "</script><script>window.hacked=1</script> rocks"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    fake_run(out, renderer=Landscapes(32))
    fake_run(out, HOSTILE, renderer=Landscapes(32))
    return out


def folders_of(out):
    return {record.folder.name: record.folder for record in list_runs(out)}


@pytest.fixture
def client(runs, tmp_path):
    profiles = Profiles(tmp_path / "profiles")
    pages = gallery_pages(lambda: folders_of(runs), Book(profiles, "me"), "steer runs gallery --serve")
    client = client_of(create_app([pages], TOKEN, "/runs/"))
    client.profiles = profiles
    return client


def name_of(runs, part="floating"):
    return next(name for name in folders_of(runs) if part in name)


def test_a_rating_flows_into_the_profile_with_the_runs_own_prompt_and_source(client, runs):
    name = name_of(runs)
    assert "me" not in client.profiles  # looking makes no profile
    answer = client.post(f"/runs/{name}/ratings", json={"id": "r01c00", "value": 4})
    assert answer.status_code == 200
    [kept] = client.profiles.open("me").ratings
    assert (kept.rating, kept.prompt, kept.source) == (4.0, "floating mossy rocks", f"run:{name}")
    picture = runs / name / "images" / "r01c00.png"
    assert client.profiles.open("me").path(kept).read_bytes() == picture.read_bytes()
    assert client.get(f"/runs/{name}/ratings").json() == {"r01c00": 4.0}


def test_a_rating_changes_the_state_that_the_next_run_would_use(client, runs):
    name = name_of(runs)
    client.post(f"/runs/{name}/ratings", json={"id": "r01c00", "value": 4})
    before = client.profiles.open("me").hash
    client.post(f"/runs/{name}/ratings", json={"id": "r01c01", "value": 1})
    assert client.profiles.open("me").hash != before


def test_the_same_rating_twice_is_taken_once_and_another_replaces_it(client, runs):
    name = name_of(runs)
    for value in (4, 4, 2, 2):
        assert client.post(f"/runs/{name}/ratings", json={"id": "r01c00", "value": value}).status_code == 200
    profile = client.profiles.open("me")
    assert [r.rating for r in profile.ratings] == [2.0]
    lines = (profile.folder / "ratings.jsonl").read_text().splitlines()
    assert len(lines) == 2


def test_what_was_rated_before_is_shown(client, runs):
    name = name_of(runs)
    client.post(f"/runs/{name}/ratings", json={"id": "r00c00", "value": 5})
    assert client.get(f"/runs/{name}/ratings").json() == {"r00c00": 5.0}
    text = client.get(f"/runs/{name}/").text
    served = json.loads(re.search(r'id="served">(.*?)</script>', text, re.S)[1])
    assert "ratings" not in served  # the page may be shown long after it was made
    assert served["command"] == "steer run --user me --prompt 'floating mossy rocks'"


@pytest.mark.parametrize(
    "body",
    [{"id": "r99c00", "value": 3}, {"id": "../r01c00", "value": 3}, {"id": "r01c00", "value": 6},
     {"id": "r01c00", "value": "3"}, {"id": "r01c00"}],
)  # fmt: skip
def test_what_is_no_rating_of_this_run_is_refused(client, runs, body):
    answer = client.post(f"/runs/{name_of(runs)}/ratings", json=body)
    assert answer.status_code in (404, 422) and "me" not in client.profiles


def test_originals_and_logs_of_the_record_are_served(client, runs):
    name = name_of(runs)
    assert client.get(f"/runs/{name}/images/r00c00.png").headers["content-type"] == "image/png"
    for log in ("config.json", "events.jsonl", "result.json"):
        assert client.get(f"/runs/{name}/{log}").status_code == 200


def test_nothing_outside_the_record_is_served(client, runs, tmp_path):
    name = name_of(runs)
    folder = runs / name
    (folder / "notes.txt").write_text("secret")
    (runs / "secret.png").write_bytes(b"secret")
    link = folder / "images" / "link.png"
    link.symlink_to(runs / "secret.png")
    own = f"/runs/{name}"
    paths = [
        f"{own}/notes.txt", f"{own}/images/../notes.txt", f"{own}/images/..%2f..%2fsecret.png",
        f"{own}/images/link.png", f"{own}/images/%2e%2e", f"{own}/images/", f"{own}/images/r00c00.png%00.x",
        "/runs/../secret.png", "/runs/%2e%2e/", "/runs/..%2fsecret.png/", "/runs/nothing/",
    ]  # fmt: skip
    for path in paths:
        answer = client.get(path)
        assert answer.status_code in (307, 404) and "secret" not in answer.text, path
    link.unlink()


@pytest.fixture
def private(tmp_path):
    """A picture that is no part of any run."""
    (tmp_path / "private").mkdir()
    Image.new("RGB", (8, 8), (255, 0, 255)).save(tmp_path / "private" / "r01c00.png")
    return tmp_path / "private"


def test_a_folder_of_pictures_that_is_a_link_is_neither_served_nor_read(tmp_path, private):
    folder = fake_run(tmp_path / "runs", renderer=Landscapes(32))
    (folder / "images").rename(folder / "kept")
    (folder / "images").symlink_to(private)
    profiles = Profiles(tmp_path / "profiles")
    pages = gallery_pages(lambda: {folder.name: folder}, Book(profiles, "me"), "steer runs gallery --serve")
    client = client_of(create_app([pages], TOKEN, "/runs/"))
    for path in (f"/runs/{folder.name}/", f"/runs/{folder.name}/images/r01c00.png"):
        assert "link to another place" in client.get(path).json()["error"]
    answer = client.post(f"/runs/{folder.name}/ratings", json={"id": "r01c00", "value": 3})
    assert answer.status_code == 400 and "me" not in profiles
    assert "damaged" in client.get("/runs/").text
    with pytest.raises(RecordError, match="link to another place"):
        write_gallery(folder)


def test_a_picture_that_is_a_link_is_neither_served_nor_shown_nor_rated(client, tmp_path, private):
    folder = fake_run(tmp_path / "runs", renderer=Landscapes(32))
    picture = folder / "images" / "r01c00.png"
    picture.unlink()
    picture.symlink_to(private / "r01c00.png")
    profiles = Profiles(tmp_path / "profiles")
    pages = gallery_pages(lambda: {folder.name: folder}, Book(profiles, "me"), "steer runs gallery --serve")
    client = client_of(create_app([pages], TOKEN, "/runs/"))
    assert client.get(f"/runs/{folder.name}/images/r01c00.png").status_code == 404
    answer = client.post(f"/runs/{folder.name}/ratings", json={"id": "r01c00", "value": 3})
    assert answer.status_code == 404 and "me" not in profiles
    [card] = [card for card in open_page(Record.read(folder)).cards if card.id == "r01c00"]
    with Image.open(io.BytesIO(base64.b64decode(card.thumb.partition(",")[2]))) as shown:
        assert shown.getpixel((0, 0))[0] < 200  # grey, and not the other picture's magenta


def test_the_served_page_runs_only_its_own_scripts_and_the_static_ones(client, runs):
    answer = client.get(f"/runs/{name_of(runs)}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy and policy.count("sha256-") == 2 and "connect-src 'self'" in policy
    assert "http-equiv" not in answer.text


def test_prompts_are_text_and_never_markup(client, runs):
    name = name_of(runs, "script")
    for path in ("/runs/", f"/runs/{name}/"):
        text = client.get(path).text
        assert "<script>window" not in text and "window.hacked" in text


def test_the_page_that_is_written_to_disk_has_no_rating_control(runs):
    text = write_gallery(runs / name_of(runs)).read_text()
    assert "/static/" not in text and 'id="served"' not in text and "http-equiv" in text


def test_the_list_shows_every_run_the_newest_first(client, runs):
    text = client.get("/runs/").text
    names = [record.folder.name for record in list_runs(runs)]
    assert re.findall(r'href="/runs/([^"/]+)/"', text) == names[::-1]
    assert Record(runs / names[0]).config["prompt"].split()[0] in text
