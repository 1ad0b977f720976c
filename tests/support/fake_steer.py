"""`steer run` and `steer runs resume` with made-up parts; pictures take a moment, so that one can watch."""

import sys
import time
from pathlib import Path

from fake_run import Crowd, Landscapes, crowd_parts
from fakes import FakePerson

from steer.loop.run import Run
from steer.record.picks import Pick, Picks
from steer.settings import Settings


class Slow(Landscapes):
    """A picture every tenth of a second, as long as nobody waits for the end."""

    def render(self, prompts, seeds):
        for image in super().render(prompts, seeds):
            time.sleep(0.1)
            yield image


def parts():
    return crowd_parts(renderer=Slow(64), scorer=Crowd())


def option(name: str) -> str:
    place = next(i for i, word in enumerate(sys.argv) if word.partition("=")[0] == f"--{name}")
    return sys.argv[place].partition("=")[2] or sys.argv[place + 1]


def compare(left: Path, right: Path, out: Path) -> Path:
    """What the page of a comparison is made of: links to both runs, and its values beside it."""
    if left == right:
        sys.exit("error: both are the same run")
    folder = out / "20260101-000000-one-versus-other"
    folder.mkdir()
    files = "gallery.html", "images/r00c00.png"
    links = [f"../{run.name}/{file}" for run in (left, right) for file in files] + ["versus.json"]
    rows = "".join(f'<a href="{link}">{link}</a>' for link in links)
    page = f"<!doctype html><title>two runs</title><style>a {{ color: teal }}</style>{rows}"
    (folder / "versus.html").write_text(page)
    (folder / "versus.json").write_text(f'{{"left": "{left.name}"}}')
    return folder / "versus.html"


if __name__ == "__main__":
    if sys.argv[1:3] == ["runs", "compare"]:
        print(compare(Path(sys.argv[3]), Path(sys.argv[4]), Path(option("out"))))
        sys.exit()
    if sys.argv[1] == "runs":
        run = Run.resume(sys.argv[3], FakePerson("17"), parts())
    elif "broken" in option("prompt"):
        sys.exit("error: nobody is called that")
    else:
        rounds, pictures = int(option("iterations")), int(option("proposals"))
        settings = Settings(iterations=rounds, proposals=pictures, patience=0, search="paper", confirm=2)
        out = Path(option("out"))
        run = Run.start(option("prompt"), FakePerson("17"), parts(), settings, out, name=option("name"))
        if "--ask" in sys.argv:
            Picks(run.folder).give(Pick(key="asked-by-page", pick="review", on=True))
    for _ in run:
        pass
