"""How a page of 500 pictures behaves in a real browser, and how soon a new picture is on it.

    python benchmarks/studio.py            # some minutes; needs playwright and Chromium

A run of made-up pictures (512 pixels) goes on in a process of its own, as any run does, while its page is
open. Figures: seconds from a picture's file to the picture on the page, for the first one and the first ten
of three runs; seconds until a page of all pictures shows the first of them; milliseconds between frames while
all of it is scrolled past at 6,000 pixels a second, the first time (pictures are made small, sent and decoded
meanwhile), again, and at a phone's width; beside it the same of grey boxes, which is what the machine itself
can do; and the memory of the page's own process, and of all the browser's processes beyond an empty page.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import numpy as np
import psutil
from common import RESULTS, machine, write_json
from PIL import Image

from steer.loop.run import Run
from steer.pages.children import Children
from steer.pages.served_gallery import Book, gallery_pages
from steer.pages.server import create_app, listen
from steer.pages.studio import Desk, studio_pages
from steer.parts import Parts
from steer.profiles import Profiles
from steer.record.folder import runs_by_name
from steer.settings import Settings

SIZE = 512
FIRST = 10  # as many as a window shows at once
RUNS = 3
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
PHONE = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True,
}  # fmt: skip
# When each picture was there to be seen, in Unix milliseconds; kept from before the page's own script.
SEEN = """window.seen = {}; document.addEventListener("load", (event) => {
  const card = event.target.closest?.(".card");
  if (card) requestAnimationFrame(() => { window.seen[card.dataset.id] ??= Date.now(); });
}, true);"""
FRAMES = """async () => {
  scrollTo({ top: 0, behavior: "instant" });
  await new Promise((r) => setTimeout(r, 500));
  const gaps = []; let last = performance.now(), go = true;
  const tick = (now) => { gaps.push(now - last); last = now; if (go) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  for (let y = 0; y < document.documentElement.scrollHeight; y += 240) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((r) => setTimeout(r, 40));
  }
  go = false;
  return gaps;
}"""
BOXES = """<style>ul { display: grid; grid-template-columns: repeat(5, 1fr); gap: 18px; list-style: none }
li { height: 380px; background: #ccc }</style><ul>%s</ul>"""
CARDS = "document.querySelectorAll('.card').length"
SHOWN = "Object.keys(window.seen).length"


class Painter:
    """Soft made-up landscapes: as hard to decode as any, quick to make. Begins when `go` is there."""

    name = "made-up pictures"

    def __init__(self, go: Path) -> None:
        self.go = go

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> Iterator[Image.Image]:
        y, x = np.mgrid[0 : 1 : SIZE * 1j, 0 : 1 : SIZE * 1j][..., None]
        for prompt in prompts:
            while not self.go.exists():
                time.sleep(0.02)
            rng = np.random.default_rng(sum(prompt.encode()))
            top, ground, sun = rng.uniform(20, 235, (3, 3))
            hill = 0.6 + 0.1 * np.sin(6 * x + rng.uniform(0, 6))
            shade = top + (sun - top) * y + 12 * np.sin(40 * x * y)
            yield Image.fromarray(
                np.clip(np.where(y > hill, ground * (1.3 - y), shade), 0, 255).astype(np.uint8)
            )


def paint(out: Path, name: str, count: int) -> None:
    """A run of one round of `count` pictures; the process that it goes on in."""
    rng = np.random.default_rng(0)

    def propose(prompt: str, memory: Any, n: int, seed: int) -> list[str]:
        return [f"{prompt}, number {(seed + i) % 100_000} of many looks" for i in range(n)]

    def score(images: Sequence[Image.Image], prompt: str, person: Any) -> list[float]:
        return [float(value) for value in rng.uniform(1, 5, len(images))]

    seats = Parts(
        proposer=SimpleNamespace(name="made-up rewrites", propose=propose),
        renderer=Painter(out / f"{name}.go"),
        scorer=SimpleNamespace(name="made-up scores", score=score),
    )
    person = SimpleNamespace(kind="known", id="1", world="made-up", label="made-up:1", hash="0")
    settings = Settings(iterations=1, proposals=count, confirm=0, search="paper", gate_sd=None)
    for _ in Run.start("a landscape", person, seats, settings, out, name=name):
        pass


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
    runs = out / "runs"
    runs.mkdir()
    with served(out, runs) as (way_in, runs_page), browser() as open_page:
        page = let_in(open_page(DESKTOP), way_in)
        late = [follow(page, runs, f"short-{i}", FIRST, runs_page) for i in range(RUNS)]
        page.goto("about:blank")
        empty = sum(sizes())
        follow(page, runs, "long", count, runs_page)
        start = time.monotonic()
        page.reload()
        until(page, lambda: page.evaluate(SHOWN))
        opened = time.monotonic() - start
        until(page, lambda: page.evaluate(CARDS) > count)
        first, again = frames(page), frames(page)
        found: dict[str, Any] = {
            "pictures": page.evaluate(CARDS),
            "pictures_shown": page.evaluate(SHOWN),
            "memory_mb": {"page": round(max(sizes("renderer"))), "browser": round(sum(sizes()) - empty)},
            "load_average": os.getloadavg()[0],
        }
        phone = let_in(open_page(PHONE), way_in)
        phone.goto(page.url)
        until(phone, lambda: phone.evaluate(CARDS) > count)
        boxes = open_page(DESKTOP)
        boxes.set_content(BOXES % ("<li></li>" * count))
        return {
            **found,
            "first_picture_s": spread([one[0] for one in late]),
            "first_ten_pictures_s": spread([value for one in late for value in one]),
            "first_of_all_s": round(opened, 2),
            "frame_ms": {"first": first, "again": again, "phone": frames(phone), "boxes": frames(boxes)},
        }


def let_in(page: Any, way_in: str) -> Any:
    """The page at the studio's first one; its address leads there by itself, after a moment."""
    page.goto(way_in)
    until(page, lambda: page.locator("#plan").count())
    return page


def follow(page: Any, runs: Path, name: str, count: int, runs_page: str) -> list[float]:
    """A new run, watched from before its first picture to its end.

    Seconds from the file of each picture that came into sight to the picture on the page.
    """
    run = multiprocessing.get_context("spawn").Process(target=paint, args=(runs, name, count), daemon=True)
    run.start()
    until(page, (runs / name / "config.json").exists)
    page.goto(f"{runs_page}{name}/")
    until(page, lambda: status(page) == "At work")
    (runs / f"{name}.go").touch()
    until(page, lambda: status(page) == "Done")
    run.join()
    assert run.exitcode == 0
    page.wait_for_timeout(3000)
    shown = {id: shown / 1000 for id, shown in page.evaluate("window.seen").items()}
    assert "r00c00" in shown
    return [shown[id] - (runs / name / "images" / f"{id}.png").stat().st_mtime for id in sorted(shown)]


def status(page: Any) -> str:
    return str(page.evaluate("document.querySelector('#status')?.textContent ?? document.body.innerText"))


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 2), "worst": round(max(values), 2), "of": len(values)}


def frames(page: Any) -> dict[str, float]:
    """Milliseconds between frames while the whole page is scrolled past, and of the main thread's work.

    Where other programs keep the cores busy the former are longer; the latter are processor time.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        found = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in found if one["name"] == "TaskDuration")

    before = worked()
    gaps = np.array(page.evaluate(FRAMES))
    median, p95, worst = (round(float(value), 1) for value in np.quantile(gaps, (0.5, 0.95, 1.0)))
    return {
        "median": median,
        "p95": p95,
        "worst": worst,
        "share_above_50": round(float((gaps > 50).mean()), 4),
        "frames": len(gaps),
        "work": round(1000 * (worked() - before) / len(gaps), 1),
    }


def sizes(kind: str = "") -> list[float]:
    """MB of each of the browser's processes; what several share is divided among them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            words = process.cmdline()
            if words and "chrom" in words[0] and (not kind or f"--type={kind}" in words):
                found.append(process.memory_full_info().pss / 1e6)
    return found


def until(page: Any, condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 900
    while not condition():
        assert time.monotonic() < end, f"it never came: {page.url} {status(page)[:300]}"
        page.wait_for_timeout(50)


@contextmanager
def served(out: Path, runs: Path) -> Iterator[tuple[str, str]]:
    """A studio in a thread: the address that lets a browser in, and where its runs are."""
    import uvicorn

    profiles, folders = Profiles(out / "profiles"), partial(runs_by_name, runs)
    desk = Desk(
        out=runs, children=Children(runs), folders=folders, profiles=profiles, profile="me",
        people=[], simulated=True, options=[], plan=lambda rounds, pictures: {"images": 1, "seconds": 1.0,
        "may_stop_early": False, "machine": "this machine", "paid": 0}, rounds=5, pictures=20,
        restart="steer studio",
    )  # fmt: skip
    address = listen()
    pages = [studio_pages(desk), gallery_pages(folders, Book(profiles, "me"), desk.restart)]
    app = create_app(pages, address.token, "/studio/")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [address.socket]})
    thread.start()
    try:
        way_in = address.url("/studio/")
        yield way_in, urljoin(way_in, "/studio/runs/")
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def browser() -> Iterator[Callable[[Mapping[str, Any]], Any]]:
    """Opens pages of Chromium, each as on a machine of its own."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=path, args=["--no-sandbox"])

        def open_page(screen: Mapping[str, Any]) -> Any:
            page = chromium.new_context(**screen).new_page()
            page.set_default_timeout(180_000)
            page.add_init_script(SEEN)
            return page

        yield open_page
        chromium.close()


if __name__ == "__main__":
    main()
