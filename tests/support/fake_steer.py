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


if __name__ == "__main__":
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
