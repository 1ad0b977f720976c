"""The file of choices: whatever is written to it, and however often, nothing acknowledged is lost."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer.errors import UsageError
from steer.gates.text import normalize
from steer.record.picks import Pick, Picks, edited

ID = st.from_regex(r"r\d{2,6}c\d{2,6}", fullmatch=True)
TEXT = st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable() and text.strip())
PICK = st.one_of(
    st.builds(dict, pick=st.sampled_from(["heart", "bury", "clear", "more"]), picture=ID),
    st.builds(dict, pick=st.just("strike"), iteration=st.integers(1, 999), prompt=TEXT),
    st.builds(dict, pick=st.just("change"), iteration=st.integers(1, 999), prompt=TEXT, to=TEXT),
    st.builds(dict, pick=st.just("add"), to=TEXT),
    st.builds(dict, pick=st.just("review"), on=st.booleans()),
    st.builds(dict, pick=st.just("go"), iteration=st.integers(1, 999)),
    st.builds(dict, pick=st.sampled_from(["stop", "pause"])),
)
KEYS = st.lists(st.from_regex(r"[a-z0-9]{8,12}", fullmatch=True), min_size=1, max_size=8, unique=True)


@settings(max_examples=40, deadline=None)
@given(keys=KEYS, data=st.data(), torn=st.binary(max_size=30))
def test_what_was_given_is_read_once_in_order_whatever_lies_between(keys, data, torn):
    with TemporaryDirectory() as folder:
        writer, file, wanted = Picks(Path(folder)), Path(folder) / "picks.jsonl", []
        for key in keys:
            pick = Pick(key=key, **data.draw(PICK))
            wanted.append(writer.give(pick))
            assert writer.give(pick) == wanted[-1], "sent twice, it is one choice"
            with file.open("ab") as stream:  # another program, or a power cut
                stream.write(torn.replace(b"{", b"") + b"\n")
        with file.open("ab") as stream:
            stream.write(b'{"key": "torn-')
        assert list(Picks(Path(folder)).read()) == wanted
        last = Picks(Path(folder)).give(Pick(key="the-last-one", pick="stop"))
        assert list(Picks(Path(folder)).read()) == [*wanted, last]


def test_two_tabs_and_a_terminal_at_once_lose_nothing(tmp_path):
    def click(who: int) -> None:
        picks = Picks(tmp_path)
        for n in range(20):
            picks.give(Pick(key=f"person-{who}-{n:02}", pick="heart", picture=f"r01c{n:02}"))

    threads = [threading.Thread(target=click, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [pick.key for pick in Picks(tmp_path).read()]
    assert sorted(keys) == [f"person-{who}-{n:02}" for who in range(3) for n in range(20)]
    for who in range(3):
        own = [key for key in keys if key.startswith(f"person-{who}")]
        assert own == sorted(own)


@pytest.mark.parametrize(
    "wrong",
    [
        {"pick": "adore", "picture": "r01c00"},
        {"pick": "heart"},
        {"pick": "heart", "picture": "../../etc"},
        {"pick": "heart", "picture": "r01c00-confirm1"},
        {"pick": "stop", "picture": "r01c00"},
        {"pick": "add", "to": "  \n "},
        {"pick": "add", "to": "x" * 3000},
        {"pick": "go", "iteration": True},
        {"pick": "review", "on": 1},
        {"pick": "stop", "by": "a stranger"},
    ],
)
def test_what_is_no_choice_is_refused_in_one_line(wrong):
    with pytest.raises(UsageError) as caught:
        Pick(key="12345678", **wrong)
    assert "\n" not in str(caught.value)


def edit(pick, **values):
    return Pick(key="12345678", pick=pick, **values)


@settings(max_examples=60, deadline=None)
@given(prompts=st.lists(TEXT, max_size=6, unique_by=normalize), data=st.data())
def test_edits_never_leave_two_of_one_wording(prompts, data):
    known = st.sampled_from(prompts) if prompts else TEXT
    edits = data.draw(
        st.lists(
            st.one_of(
                st.builds(edit, st.just("strike"), iteration=st.just(1), prompt=known),
                st.builds(edit, st.just("change"), iteration=st.just(1), prompt=known, to=known | TEXT),
                st.builds(edit, st.just("add"), to=known | TEXT),
            ),
            max_size=6,
        )
    )
    found = [normalize(prompt) for prompt in edited(prompts, edits)]
    assert len(found) == len(set(found))
