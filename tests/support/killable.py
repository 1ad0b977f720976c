"""A run in a process of its own, for tests that kill it: `python killable.py start OUT` or `resume FOLDER`.

Prints the folder, then one line per event. Every render is counted in OUT/../renders.txt.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from fakes import PROMPT, FakePerson, FakeRenderer, FakeScorer, fake_parts

from steer.loop.run import Run
from steer.settings import Settings

SETTINGS = Settings(iterations=3, proposals=5, confirm=2, patience=0)


class CountingRenderer(FakeRenderer):
    """Slow enough to be killed at work; counts in a file that outlives the process."""

    def __init__(self, counter: Path) -> None:
        super().__init__()
        self.counter = counter

    def render(self, prompts, seeds):
        for image, prompt, seed in zip(super().render(prompts, seeds), prompts, seeds, strict=True):
            time.sleep(0.01)
            with self.counter.open("a") as file:
                file.write(f"{seed} {prompt}\n")
            yield image


def main() -> None:
    command, place = sys.argv[1], Path(sys.argv[2])
    out = place if command == "start" else place.parent
    parts = fake_parts(renderer=CountingRenderer(out.parent / "renders.txt"), judge=FakeScorer())
    if command == "start":
        run = Run.start(PROMPT, FakePerson(), parts, SETTINGS, out)
    else:
        run = Run.resume(place, FakePerson(), parts)
    print(run.folder, flush=True)
    for event in run:
        print(event.event, getattr(event, "id", None), flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    main()
