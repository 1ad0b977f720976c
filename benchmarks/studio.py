"""How a page of 500 pictures behaves in a real browser, and how soon a new picture is on it.

    python benchmarks/studio.py            # needs playwright and Chromium

Figures: memory of the page's process with all pictures scrolled past, the slowest frames while scrolling, and
seconds from a picture's `rendered` line on disk to the picture on the page. Pictures are made up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from common import RESULTS, machine, write_json
from PIL import Image

from steer.loop.run import Run
from steer.pages.children import Children
from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app, listen
from steer.pages.studio import Desk, studio_pages
from steer.parts import Parts
from steer.profiles import Profiles
from steer.record.events import Rendered
from steer.record.folder import runs_by_name
from steer.settings import Settings

SIZE = 512
FRAMES = """async () => {
  const gaps = []; let last = performance.now(), go = true;
  const tick = (now) => { gaps.push(now - last); last = now; if (go) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  const end = document.documentElement.scrollHeight;
  for (let y = 0; y < end; y += 240) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((r) => setTimeout(r, 40));
  }
  go = false;
  return gaps.sort((a, b) => a - b);
}"""


class Painter:
    """Soft made-up landscapes: as hard to decode as any, quick to make."""

    name = "made-up pictures"

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        y, x = np.mgrid[0 : 1 : SIZE * 1j, 0 : 1 : SIZE * 1j][..., None]
        for prompt in prompts:
            rng = np.random.default_rng(sum(prompt.encode()))
            top, ground, sun = rng.uniform(20, 235, (3, 3))
            hill = 0.6 + 0.1 * np.sin(6 * x + rng.uniform(0, 6))
            shade = top + (sun - top) * y + 12 * np.sin(40 * x * y)
            yield Image.fromarray(
                np.clip(np.where(y > hill, ground * (1.3 - y), shade), 0, 255).astype(np.uint8)
            )


def parts(score: Any) -> Parts:
    def propose(prompt: str, memory: Any, n: int, seed: int) -> list[str]:
        return [f"{prompt}, number {(seed + i) % 100_000} of many looks" for i in range(n)]

    proposer = SimpleNamespace(name="made-up rewrites", propose=propose)
    scorer = SimpleNamespace(name="made-up scores", score=score)
    return Parts(proposer=proposer, renderer=Painter(), scorer=scorer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--results", type=Path, default=RESULTS / "studio.json")
    asked = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="steer-studio-"))
    try:
        found = measure(out, asked.pictures)
    finally:
        shutil.rmtree(out)
    write_json(asked.results, {"machine": machine(), **found})
    print(json.dumps(found, indent=1))


def measure(out: Path, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    person = SimpleNamespace(kind="known", id="1", world="made-up", label="made-up:1", hash="0")
    settings = Settings(iterations=1, proposals=count, confirm=0, search="paper", gate_sd=None)
    seats = parts(lambda images, prompt, person: [float(v) for v in rng.uniform(1, 5, len(images))])
    run = Run.start("a landscape", person, seats, settings, out)
    late: list[float] = []
    with served(out) as base, browser() as page:
        page.goto(base)
        page.goto(f"{base.split('/studio')[0]}/studio/runs/{run.folder.name}/")
        for event in run:
            if isinstance(event, Rendered) and len(late) < 20:
                late.append(seconds_to_show(page, event.id, time.monotonic()))
        end = time.monotonic() + 300
        while page.evaluate("document.querySelectorAll('.card').length") <= count:
            assert time.monotonic() < end, "the pictures never came"
            page.wait_for_timeout(200)
        gaps = page.evaluate(FRAMES)
        page.wait_for_timeout(2000)
        used = memory_of(page)
    return {
        "pictures": count + 1,
        "memory_mb": used,
        "frame_ms": {"median": gaps[len(gaps) // 2], "p95": gaps[int(0.95 * len(gaps))], "worst": gaps[-1]},
        "seconds_to_the_page": {"median": float(np.median(late)), "worst": max(late)},
    }


def seconds_to_show(page: Any, id: str, start: float) -> float:
    """Until the picture is loaded on the page."""
    ready = f"((i) => Boolean(i?.complete && i.naturalWidth))(document.querySelector('#card-{id} img'))"
    seen = f"document.querySelector('#card-{id}')?.scrollIntoView()"
    while not page.evaluate(ready):
        page.evaluate(seen)  # pictures out of sight are not loaded before they are wanted
        assert time.monotonic() < start + 120, f"{id} never came"
        page.wait_for_timeout(20)
    return round(time.monotonic() - start, 3)


def memory_of(page: Any) -> dict[str, float]:
    """MB: what the scripts hold, and the private memory of the largest of the browser's page processes."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    sizes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                rows = (folder / "smaps_rollup").read_text().splitlines()
                sizes.append(sum(int(row.split()[1]) for row in rows if row.startswith("Private_")) / 1024)
        except OSError:
            continue
    return {"scripts": round(metrics["JSHeapUsedSize"] / 1e6, 1), "process": round(max(sizes), 1)}


class served:
    """A studio in this process."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __enter__(self) -> str:
        import uvicorn

        profiles, folders = Profiles(self.out / "profiles"), partial(runs_by_name, self.out)
        desk = Desk(
            out=self.out, children=Children(self.out), folders=folders, profiles=profiles, profile="me",
            people=[], simulated=True, options=[], plan=lambda rounds, pictures: {}, rounds=5, pictures=20,
            restart="steer studio",
        )  # fmt: skip
        address = listen()
        app = create_app(
            [studio_pages(desk), gallery_pages(folders, Book(profiles, "me"), desk.restart)],
            address.token,
            "/studio/",
        )
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [address.socket]})
        self.thread.start()
        return address.url("/studio/")

    def __exit__(self, *exc: object) -> None:
        self.server.should_exit = True
        self.thread.join()


class browser:
    """A page of Chromium."""

    def __enter__(self) -> Any:
        from playwright.sync_api import sync_playwright

        self.play = sync_playwright().start()
        path = shutil.which("chromium") or shutil.which("google-chrome")
        self.browser = self.play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = self.browser.new_page(viewport={"width": 1280, "height": 860})
        page.set_default_timeout(180_000)
        return page

    def __exit__(self, *exc: object) -> None:
        self.browser.close()
        self.play.stop()


if __name__ == "__main__":
    main()
