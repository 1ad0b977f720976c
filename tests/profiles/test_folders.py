"""A folder of pictures that one likes is enough to begin; what cannot be read is named and left out."""

from __future__ import annotations

import pytest
from metadata_pictures import XMP, exif
from panel import Panel
from PIL import Image
from rate_app import make_pictures

from steer.errors import ProfileError, UsageError
from steer.profiles import Profiles
from steer.profiles.folders import DISLIKED, LIKED, take_folders
from steer.profiles.learnt import learn
from steer.profiles.snapshot import ONLY_LIKES, known_ratings
from steer.profiles.taste import profile_taste
from steer.profiles.transfer import Table, read_ratings, write_ratings

PANEL = Panel()


@pytest.fixture
def me(tmp_path):
    return Profiles(tmp_path / "profiles").create("me")


@pytest.fixture
def folders(tmp_path):
    likes, dislikes = tmp_path / "likes", tmp_path / "dislikes"
    for path in sorted(make_pictures(tmp_path / "all", 20).iterdir()):
        into = likes if int(path.stem) % 2 else dislikes
        into.mkdir(exist_ok=True)
        path.rename(into / path.name)
    return likes, dislikes


def test_likes_and_dislikes_become_ratings_and_stars_go_first(me, folders):
    likes, dislikes = folders
    (likes / "001.xmp").write_text(XMP.format('xmp:Rating="3"', ""))
    taken = take_folders(me, [likes], [dislikes])
    assert (taken.ratings, taken.liked, taken.disliked, taken.stars) == (20, 9, 10, 1)
    assert sorted({rating.rating for rating in me.ratings}) == [DISLIKED, 3.0, LIKED]
    assert any(rating.held_out for rating in me.ratings)


def test_begun_again_nothing_is_taken_twice(me, folders):
    take_folders(me, [folders[0]])
    before = me.hash
    taken = take_folders(me, [folders[0]])
    assert (taken.ratings, taken.again) == (0, 10) and me.hash == before


def test_what_cannot_be_read_is_named_and_left_out(me, folders, tmp_path):
    likes, _ = folders
    (likes / "broken.png").write_bytes(b"no picture")
    (likes / "photo.HEIC").write_bytes(b"x")
    (likes / "notes.txt").write_text("no picture at all")
    (likes / "copy.png").write_bytes((likes / "001.png").read_bytes())
    (likes / ".hidden.png").write_bytes(b"x")
    taken = take_folders(me, [likes])
    named = {path.rpartition("/")[2]: why for path, why in taken.skipped}
    assert set(named) == {"broken.png", "photo.HEIC", "copy.png"} and taken.ratings == 10
    assert "same picture" in named["copy.png"]
    with pytest.raises(ProfileError, match="there is no folder"):
        take_folders(me, [tmp_path / "nowhere"])


def test_of_a_folder_of_photographs_those_with_stars_are_taken(me, tmp_path):
    for number in range(1, 5):
        image = Image.new("RGB", (8, 8), (40 * number, 0, 0))
        image.save(tmp_path / f"{number}.jpg", **({"exif": exif(number)} if number < 4 else {}))
    taken = take_folders(me, rated=[tmp_path])
    assert [rating.rating for rating in me.ratings] == [1.0, 2.0, 3.0]
    assert len(taken.skipped) == 1 and "no stars" in taken.skipped[0][1]


def test_likes_alone_make_a_taste_that_says_how_little_it_stands_on(me, folders):
    take_folders(me, [folders[0]])
    known = known_ratings(PANEL, me.state, me.ratings)
    person = me.person(PANEL)
    assert person.note == ONLY_LIKES and person.ratings == 10
    learnt = learn(me.state, known, PANEL)
    assert learnt.note == ONLY_LIKES and learnt.expected is None and learnt.own is None and learnt.similar
    assert profile_taste(me.state, PANEL).taste.likings
    take_folders(me, dislikes=[folders[1]])
    assert me.person(PANEL).note != ONLY_LIKES


def test_a_table_of_other_names_and_another_scale_is_read(me, folders, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("Relative_Path;Score\nlikes/001.png;10\nlikes/003.png;2,5\n")
    table = Table.of("image=relative_path, rating=score", "0-10")
    assert [one.rating for one in read_ratings(path, table)] == [5.0, 2.0]
    with pytest.raises(ProfileError, match=r"no rating from 0 \(bad\) to 8 \(excellent\)"):
        read_ratings(path, Table.of("image=relative_path,rating=score", "0-8"))
    with pytest.raises(ProfileError, match="no column image"):
        read_ratings(path)
    assert Table.of(scale="10-1").rating("1") == 5.0, "where little is good"
    for wrong in ({"columns": "picture=path"}, {"columns": "image"}, {"scale": "5"}, {"scale": "3-3"}):
        with pytest.raises(UsageError, match="as in"):
            Table.of(**wrong)


def test_stars_go_out_beside_the_pictures_and_come_in_again(me, folders, tmp_path):
    take_folders(me, [folders[0]], [folders[1]])
    write_ratings(me.state, tmp_path / "out", xmp=True)
    again = Profiles(tmp_path / "profiles").create("again")
    taken = take_folders(again, rated=[tmp_path / "out" / "images"])
    assert taken.stars == 20
    assert {r.picture: r.rating for r in again.ratings} == {r.picture: round(r.rating) for r in me.ratings}
