"""The studio as a process of its own, to be killed; it prints its address. Its runs are `fake_steer.py`."""

import sys
from functools import partial
from pathlib import Path

from steer.pages.children import Children
from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app, listen, serve
from steer.pages.studio import Desk, studio_pages
from steer.profiles import Profiles
from steer.record.folder import runs_by_name

FAKE = Path(__file__).parent / "fake_steer.py"


def desk_of(out: Path, profiles: Path) -> Desk:
    """People who are known by number; 99 rounds would cost money."""

    def plan(rounds: int, pictures: int) -> dict:
        images = 1 + rounds * pictures
        found = {"images": images, "seconds": 60.0, "may_stop_early": True, "machine": "2 CPU cores"}
        return {**found, "paid": images if rounds == 99 else 0}

    people = [{"id": str(i), "demographics": {"gender": "female", "age": 30}} for i in range(1, 21)]
    return Desk(
        out=out, children=Children(out, [sys.executable, str(FAKE)]), folders=partial(runs_by_name, out),
        profiles=Profiles(profiles), profile="me", people=people, simulated=True, options=[], plan=plan,
        rounds=2, pictures=4, restart="steer studio",
    )  # fmt: skip


if __name__ == "__main__":
    desk = desk_of(Path(sys.argv[1]), Path(sys.argv[2]))
    address = listen(Path(sys.argv[2]) / ".studio.json")
    pages = [studio_pages(desk), gallery_pages(desk.folders, Book(desk.profiles, "me"), desk.restart)]
    print(address.url("/studio/"), flush=True)
    serve(create_app(pages, address.token, "/studio/", address.key), address)
