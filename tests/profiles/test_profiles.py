"""Profiles on disk: what was acknowledged is kept, private, and every state of it can be had again."""

import errno
import json
import multiprocessing
import os
import stat
import threading
import time
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from steer.errors import LogGone, ProfileError, UnknownProfile
from steer.profiles import Demographics, Profile, Profiles
from steer.profiles.names import checked_name
from steer.profiles.pictures import read_picture
from steer.profiles.ratings_on_disk import NewRating
from steer.profiles.transfer import read_ratings, write_ratings


def picture(number: int, path: Path | None = None, ending: str = ".png") -> Path:
    """A small picture that no other number has."""
    path = path or Path(f"picture-{number}{ending}")
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def profiles(tmp_path):
    return Profiles(tmp_path / "profiles")


@pytest.fixture
def me(profiles):
    return profiles.create("me")


# --- names


@pytest.mark.parametrize("name", ["me", "Zoë", "李雷", "Anna-Marie O'Neil", "p17", "v1.0 b", "नमस्ते"])
def test_a_name_may_be_of_any_script(profiles, name):
    profile = profiles.create(name)
    assert name in profiles and profiles.list() == [profile.name] and profiles.open(name).name == profile.name


@pytest.mark.parametrize(
    "name",
    ["", "  ", "17", "١٧", "1-2", "..", ".", "a/b", "../me", "a\\b", "C:x", "me@home", "<b>me", "-x", ".me",
     "me.", "a\nb", "a\0b", "me\u202e", "\U0001faa8rock", "x" * 41, "a*b", "~me", '"me"', "a&b", "$(me)"],
)  # fmt: skip
def test_a_name_is_no_number_path_label_or_markup(profiles, name):
    with pytest.raises(UnknownProfile) as caught:
        profiles.create(name)
    assert "\n" not in str(caught.value)
    assert profiles.list() == [] and name not in profiles


@given(st.text(max_size=50))
def test_a_name_that_is_allowed_is_one_plain_part_of_a_path(name):
    try:
        good = checked_name(name)
    except UnknownProfile:
        return
    assert Path(good).name == good and not good.startswith((".", "-")) and not set(good) & set('<>&"@:/\\\0')
    assert not good.isdecimal() and checked_name(good) == good


def test_two_ways_to_write_a_letter_are_one_name(profiles):
    profiles.create("Zoe\u0308")
    assert "Zo\u00eb" in profiles
    with pytest.raises(ProfileError, match="already"):
        profiles.create("Zo\u00eb")


def test_a_name_that_nobody_has_says_which_there_are(profiles, me):
    with pytest.raises(UnknownProfile, match="there are me"):
        profiles.open("you")


# --- ratings


def test_a_rating_is_on_disk_with_its_picture_when_it_is_acknowledged(me, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(str(Path(f"/proc/self/fd/{file}").readlink())) or real(file)
    )
    id = me.rate(picture(1), 4.25, prompt="mossy rocks", source="sandbox")
    assert [Path(name).parent.name for name in synced if ".tmp" in name] == ["images"]
    assert synced[-1].endswith("ratings.jsonl"), "the log is written last"
    [kept] = Profile(me.folder).ratings
    assert (kept.id, kept.rating, kept.prompt, kept.source) == (id, 4.25, "mossy rocks", "sandbox")
    assert me.path(kept).read_bytes() == Path("picture-1.png").read_bytes()


def test_only_the_owner_can_read_a_profile(profiles):
    before = os.umask(0)
    try:
        me = profiles.create("me", Demographics(34, "female", "Peru"))
        me.rate(picture(1), 3, source="test")
    finally:
        os.umask(before)
    for path in [profiles.folder, *profiles.folder.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_profile_that_was_open_to_others_is_closed_when_it_is_next_written(profiles):
    me = profiles.create("me")
    for folder in (profiles.folder, me.folder):
        folder.chmod(0o755)
    Profile(me.folder).rate(picture(1), 3, source="test")
    for folder in (profiles.folder, me.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_a_folder_that_holds_more_than_profiles_keeps_its_mode(profiles):
    me = profiles.create("me")
    (profiles.folder / "notes.txt").touch()
    profiles.folder.chmod(0o755)
    me.rate(picture(1), 3, source="test")
    assert stat.S_IMODE(profiles.folder.stat().st_mode) == 0o755


def test_undo_takes_the_last_rating_back_and_leaves_it_in_the_log(me):
    for number in (1, 2):
        me.rate(picture(number), number, source="test")
    assert me.undo().rating == 2 and [r.rating for r in me.ratings] == [1]
    assert me.undo().rating == 1 and me.undo() is None and me.ratings == ()
    log = (me.folder / "ratings.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == ["rating", "rating", "undo", "undo"]


def test_another_rating_of_a_picture_replaces_the_one_before_until_it_is_undone(me):
    me.rate(picture(1), 2, source="test")
    me.rate(picture(1), 5, source="test")
    assert [r.rating for r in me.ratings] == [5]
    me.undo()
    assert [r.rating for r in me.ratings] == [2]


@pytest.mark.parametrize("value", [0, 5.01, -1, float("nan"), float("inf"), "4", None])
def test_what_is_no_rating_is_not_taken(me, value):
    with pytest.raises(ProfileError, match="from 1"):
        me.rate(picture(1), value, source="test")
    assert me.ratings == ()


def test_what_is_no_picture_is_not_taken(me, tmp_path):
    png = picture(1).read_bytes()
    for data in (b"", b"hello", b"<svg/>", png[:60], b"%PDF-1.4"):
        with pytest.raises(ProfileError, match="no whole"):
            me.rate(data, 3, source="test")
    with pytest.raises(ProfileError, match="cannot read"):
        me.rate(tmp_path / "missing.png", 3, source="test")
    assert me.ratings == () and not list((me.folder / "images").iterdir())


def test_a_picture_that_is_too_large_is_refused(me, monkeypatch):
    monkeypatch.setattr("reward.pictures.MOST_PIXELS", 63)
    with pytest.raises(ProfileError, match="8x8 pixels"):
        me.rate(picture(1), 3, source="test")
    monkeypatch.setattr("reward.pictures.MOST_BYTES", 10)
    for given_as in (Path("picture-1.png"), Path("picture-1.png").read_bytes()):
        with pytest.raises(ProfileError, match="larger than"):
            me.rate(given_as, 3, source="test")


def test_a_picture_is_read_upright_and_on_white():
    tall = Image.new("RGB", (4, 8), "red")
    exif = tall.getexif()
    exif[0x0112] = 6  # turned by a quarter
    tall.save("turned.jpg", exif=exif)
    assert read_picture(Path("turned.jpg")).image.size == (8, 4)
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save("clear.png")
    assert read_picture(Path("clear.png")).image.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    "line",
    [
        {"held_out": [1, 2]},
        {"picture": "../../../etc/passwd"},
        {"rating": float("nan")},
        {"event": "demographics", "demographics": {"gender": ["female"]}},
    ],
)
def test_a_line_of_odd_values_does_not_count(me, line):
    me.rate(picture(1), 3, source="test")
    whole = json.loads((me.folder / "ratings.jsonl").read_text())
    with (me.folder / "ratings.jsonl").open("a") as log:
        log.write(json.dumps(whole | {"id": "2"} | line) + "\n")
    again = Profile(me.folder)
    assert len(again.ratings) == 1 and again.unreadable == 1 and not again.demographics


@pytest.mark.parametrize("text", ["[" * 10**5, "[]", '{"schema_version": 1}', '{"name": "../../x"}'])
def test_a_damaged_profile_is_one_line_and_leaves_the_others_alone(me, profiles, text):
    profiles.create("you")
    (me.folder / "profile.json").write_text(text)
    with pytest.raises(ProfileError, match="cannot read") as error:
        profiles.open(me.folder.name)
    assert "\n" not in str(error.value)
    assert profiles.open("you").ratings == ()


def test_a_prompt_is_one_line_of_any_text(me):
    me.rate(picture(1), 3, prompt="<script>\n 'x' \ud800 🪨", source="test")
    [kept] = Profile(me.folder).ratings
    assert kept.prompt == "<script> 'x' \ud800 🪨"
    assert (me.folder / "ratings.jsonl").read_bytes().count(b"\n") == 1


# --- faults


def _no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost(me, monkeypatch, call):
    me.rate(picture(1), 4, source="test")
    before = (me.folder / "ratings.jsonl").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _no_space)
        with pytest.raises(ProfileError, match="No space left on device; nothing was taken"):
            me.rate(picture(2), 2, source="test")
    assert (me.folder / "ratings.jsonl").read_bytes() == before
    assert [r.rating for r in me.ratings] == [4] and not list((me.folder / "images").glob(".*"))
    me.rate(picture(2), 2, source="test")
    assert [r.rating for r in Profile(me.folder).ratings] == [4, 2]


def test_a_disk_that_gets_full_in_the_middle_of_a_line_leaves_no_half_line(me, monkeypatch):
    me.rate(picture(1), 4, source="test")
    me.rate(picture(2), 4, source="test")
    me.undo()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "write",
            lambda file, data: real(file, data[: len(data) // 2]) if data[:1] == b"{" else real(file, data),
        )
        with pytest.raises(ProfileError, match="nothing was taken"):
            me.rate(picture(2), 5, source="test")
    assert len((me.folder / "ratings.jsonl").read_bytes().splitlines()) == 3
    assert len(Profile(me.folder).ratings) == 1


def test_a_line_torn_by_a_kill_does_not_count_and_the_next_rating_cuts_it_off(me):
    me.rate(picture(1), 4, source="test")
    with (me.folder / "ratings.jsonl").open("ab") as log:
        log.write(b'{"event": "rating", "id": "2", "pic')
    again = Profile(me.folder)
    assert [r.rating for r in again.ratings] == [4]
    again.rate(picture(2), 2, source="test")
    assert [r.rating for r in Profile(me.folder).ratings] == [4, 2]


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense", b'{"event": "flew"}', b"[]", b'{"event": "undo", "id": "9"}', b"", b"\0" * 512,
        b'{"event": "rating", "id": "7", "picture": "../../x.png", "rating": 3}',
        b'{"event": "rating", "id": 7, "picture": "a.png", "rating": 3}',
        b'{"event": "rating", "id": "7", "picture": "a.png", "rating": "3"}',
        b'{"event": "rating", "id": "7", "picture": "a.png", "rating": 3, "t": ' + b"9" * 400 + b"}",
        b'{"event": "demographics", "demographics": {"age": "old"}}',
        b'{"event": "demographics", "demographics": {"height": 3}}',
    ],
)  # fmt: skip
def test_a_damaged_line_is_counted_and_takes_no_other_rating_along(me, line):
    me.rate(picture(1), 4, source="test")
    with (me.folder / "ratings.jsonl").open("ab") as log:
        log.write(line + b"\n")
    again = Profile(me.folder)
    again.rate(picture(2), 2, source="test")
    for profile in (again, Profile(me.folder)):
        assert [r.rating for r in profile.ratings] == [4, 2] and profile.unreadable == 1


def test_after_a_damaged_rating_no_id_is_given_twice(me):
    for number in (1, 2, 3):
        me.rate(picture(number), number, source="test")
    log = me.folder / "ratings.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([b"x" + lines[0], *lines[1:]]))
    again = Profile(me.folder)
    again.rate(picture(4), 4, source="test")
    assert [r.rating for r in Profile(me.folder).ratings] == [2, 3, 4]


def test_a_log_that_is_replaced_while_the_profile_is_open_is_told(me):
    me.rate(picture(1), 4, source="test")
    log = me.folder / "ratings.jsonl"
    log.with_name("backup").write_bytes(log.read_bytes())
    log.with_name("backup").replace(log)
    for attempt in (me.refresh, lambda: me.rate(picture(2), 2, source="test")):
        with pytest.raises(LogGone, match="put another file there"):
            attempt()
    assert len(Profile(me.folder).ratings) == 1


def test_two_who_make_a_profile_at_once_both_have_it(profiles):
    barrier, made = threading.Barrier(8), []

    def make(number: int) -> None:
        barrier.wait()
        profile = profiles.open_or_create("me")
        profile.rate(picture(number), 3, source="test")
        made.append(profile)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and len(profiles.open("me").ratings) == 8


def test_a_folder_of_another_version_is_refused(me, profiles):
    about = json.loads((me.folder / "profile.json").read_text())
    (me.folder / "profile.json").write_text(json.dumps({**about, "schema_version": 9}))
    with pytest.raises(ProfileError, match="another version"):
        profiles.open("me")


def _rate_many(folder: Path, first: int, count: int) -> None:
    profile = Profile(folder)
    for number in range(first, first + count):
        profile.rate(picture(number, folder.parent / f"{number}.png"), 3, source="test")


def test_processes_that_rate_at_the_same_time_lose_nothing(me):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_rate_many, args=(me.folder, 100 * i, 15)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    me.refresh()
    assert len(me.ratings) == 60
    assert sorted(int(r.id) for r in me.ratings) == list(range(1, 61)), "every rating has an id of its own"


def test_ten_thousand_ratings_load_within_a_second(me):
    line = {
        "event": "rating",
        "picture": "x.png",
        "rating": 3.5,
        "prompt": "a deer",
        "source": "sandbox",
        "t": 1.0,
    }
    with (me.folder / "ratings.jsonl").open("w") as log:
        for i in range(10_000):
            log.write(
                json.dumps({**line, "id": str(i + 1), "picture": f"{i:064x}.png", "held_out": False}) + "\n"
            )
    started = time.process_time()
    profile = Profile(me.folder)
    assert len(profile.ratings) == 10_000 and profile.hash
    assert time.process_time() - started < 1


# --- states


def test_a_state_has_a_hash_that_returns_with_the_state(me):
    hashes = [me.hash]
    for number in range(3):
        me.rate(picture(number), 2 + number, source="test")
        hashes.append(me.hash)
    assert len(set(hashes)) == 4 and all(len(hash) == 12 for hash in hashes)
    me.undo()
    assert me.hash == hashes[2] == Profile(me.folder).hash


def test_every_state_can_be_had_again_whatever_was_rated_since(me):
    states = [me.state]
    for number in range(4):
        me.rate(picture(number), 1 + number, source="test")
        states.append(me.state)
    me.undo()
    me.tell(Demographics(age=50))
    assert [Profile(me.folder).at(state.hash) for state in states] == states
    with pytest.raises(ProfileError, match="never was in the state"):
        me.at("0" * 12)


def test_two_profiles_of_the_same_ratings_have_hashes_of_their_own(profiles):
    """So nobody can find out from a run what someone told of themselves by trying all possibilities."""
    one, two = profiles.create("one", Demographics(30)), profiles.create("two", Demographics(30))
    assert one.hash != two.hash


@pytest.mark.parametrize(
    "told", [{"age": 0}, {"age": 400}, {"gender": ""}, {"nationality": "x" * 61}, {"gender": "a\nb"}]
)
def test_demographics_are_checked(told):
    with pytest.raises(ProfileError):
        Demographics(**told)


# --- in and out


def csv_of(text: str, encoding: str = "utf-8") -> Path:
    path = Path("ratings.csv")
    path.write_bytes(text.encode(encoding))
    return path


def test_ratings_are_read_from_a_file_of_image_and_rating():
    for number in (1, 2):
        picture(number)
    found = read_ratings(csv_of("image,rating\npicture-1.png,4.5\n\npicture-2.png,1\n"))
    assert [(new.rating, new.prompt) for new in found] == [(4.5, ""), (1.0, "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_are_read_as_spreadsheets_write_them(encoding, separator):
    picture(1, Path("é.png"))
    rows = [["Rating", " Prompt", "image", "note"], ["3", "a café", "é.png", ""], ["", "", "", ""]]
    text = "\r\n".join(separator.join(row) for row in rows)
    [new] = read_ratings(csv_of(text, encoding))
    assert new.rating == 3 and new.prompt == "a café"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("image,rating\n", "holds no ratings"),
        ("picture,rating\npicture-1.png,3\n", "row 1: there is no column image"),
        ("image,rating,rating\npicture-1.png,3,3\n", "row 1: the column rating is there twice"),
        ("image,rating\npicture-1.png,3\npicture-1.png\n", "row 3: 1 cells"),
        ("image,rating\npicture-1.png,6\n", "row 2: '6' is no rating"),
        ("image,rating\n\npicture-1.png,good\n", "row 3: 'good' is no rating"),
        ("image,rating\npicture-1.png,nan\n", "row 2: 'nan' is no rating"),
        ("image,rating\npicture-9.png,3\n", "row 2: there is no picture"),
        ("image,rating\n,3\n", "row 2: there is no picture"),
        ("image,rating\nratings.csv,3\n", "row 2: .* no whole PNG"),
        ('image,rating\n"picture-1.png,3\n', "row 2"),
        ("image,rating\n\0,3\n", "something binary"),
    ],
)
def test_a_fault_of_a_file_is_told_with_its_row(text, said):
    picture(1)
    with pytest.raises(ProfileError, match=said):
        read_ratings(csv_of(text))


def test_a_fifth_of_imported_ratings_is_held_out_and_always_the_same():
    for number in range(40):
        picture(number)
    path = csv_of("image,rating\n" + "".join(f"picture-{i}.png,3\n" for i in range(40)))
    drawn = [new.held_out for new in read_ratings(path)]
    assert 3 <= sum(drawn) <= 14 and drawn == [new.held_out for new in read_ratings(path)]


def test_what_is_exported_can_be_imported_and_tells_nothing_of_the_person(me, profiles):
    me.tell(Demographics(34, "nonbinary", "Peru"))
    for number in range(3):
        held_out = number == 1
        me.rate(
            picture(number),
            1.5 + number,
            prompt='a "deer", at 5; é',
            source="folder:secret",
            held_out=held_out,
        )
    file = write_ratings(me.state, Path("out"))
    exported = b"".join(path.read_bytes() for path in file.parent.rglob("*") if path.is_file())
    for private in (b"Peru", b"nonbinary", b"secret", me._about["salt"].encode()):
        assert private not in exported
    other = profiles.create("other")
    other.rate_all(read_ratings(file))
    told = [(r.picture, r.rating, r.prompt, r.held_out) for r in me.ratings]
    assert [(r.picture, r.rating, r.prompt, r.held_out) for r in other.ratings] == told
    with pytest.raises(ProfileError, match="already"):
        write_ratings(me.state, Path("out"))


def test_an_import_takes_all_or_nothing(me):
    new = [NewRating(picture(1), 3), NewRating(picture(2), 9)]
    with pytest.raises(ProfileError):
        me.rate_all(new)
    assert me.ratings == () and not list((me.folder / "images").iterdir())


def test_a_deleted_profile_is_gone_with_its_pictures(me, profiles):
    me.rate(picture(1), 3, source="test")
    profiles.delete("me")
    assert profiles.list() == [] and not list(profiles.folder.iterdir())
    profiles.create("me")
