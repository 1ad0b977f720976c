"""Sweeps: what is shared, what the driver costs, how large a sheet may be, and a cluster on paper.

    python benchmarks/sweep.py sharing overhead memory two sheet simulate     # or some of them

`overhead`, `memory` and `two` need Ray. Runs are made of the test suite's fakes, but for `sharing`, which is
the sandbox. `simulate` computes: no figure of it was measured, but for the times of one run's steps.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))
os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")])  # for workers

from common import RESULTS, machine, write_json

from steer.settings import Settings
from steer.sweep.plan import extend_plan, read_plan, somebody
from steer.sweep.prompts import Line
from steer.whom import Who


class Timed:
    """Takes so many seconds a picture: asleep, as for a GPU, or at work on one core."""

    name = "timed renderer"

    def __init__(self, seconds: float, busy: bool) -> None:
        from fakes import FakeRenderer

        self.seconds, self.busy, self.renderer = seconds, busy, FakeRenderer()

    def render(self, prompts: Any, seeds: Any) -> Any:
        for image in self.renderer.render(prompts, seeds):
            end = time.process_time() + self.seconds
            while self.busy and time.process_time() < end:
                sum(range(2000))
            if not self.busy:
                time.sleep(self.seconds)
            yield image


def fakes(seconds: float = 0.0, busy: bool = False) -> Any:
    from sweep_parts import sweep_parts

    return sweep_parts(renderer=Timed(seconds, busy))


def on_ray(people: int, prompts: int, settings: Settings, workers: int, load: Any) -> dict[str, Any]:
    """A sweep of fakes: wall seconds of its runs, their own seconds, and what the driver used."""
    from steer.sweep.cluster import Cluster, Size, Spreading, Worker

    with tempfile.TemporaryDirectory() as folder, Cluster("local") as cluster:
        place = Path(folder) / "s"
        cluster.check_folder(place)
        cluster.start(workers, Size(0.0, 2 / workers), Worker, str(place), load, None)
        asked = [Who("known", user=f"p{number}") for number in range(1, people + 1)]
        lines = [Line(f"a deer, number {number}", settings) for number in range(prompts)]
        cluster.plan(settings, asked, lines)
        cluster.ray.get([worker.where.remote() for worker in cluster.workers])
        plan = read_plan(place)
        before, begun = time.process_time(), time.monotonic()
        done = list(Spreading(plan, plan.cells, cluster, lambda _: ["run"] * 20).run())
        wall = time.monotonic() - begun
        assert len(done) == people * prompts and {one.status for one in done} == {"complete"}
        return {
            "runs": len(done),
            "workers": workers,
            "wall": round(wall, 2),
            "in_runs": round(sum(one.seconds for one in done), 2),
            "driver_cpu": round(time.process_time() - before, 3),
            "driver_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }


def overhead() -> dict[str, Any]:
    """Time between runs, of a driver with two workers that sleep."""
    settings = Settings(iterations=1, proposals=10, confirm=2, patience=0)
    found = on_ray(8, 5, settings, 2, partial(fakes, 0.15))
    between = (found["wall"] * found["workers"] - found["in_runs"]) / found["runs"]
    return {**found, "seconds_between_runs": round(between, 3), "share_of_a_minute": round(between / 60, 4)}


def memory() -> dict[str, Any]:
    """The driver with 1,000 queued runs."""
    return on_ray(20, 50, Settings(iterations=1, proposals=1, confirm=0, patience=0, gate_sd=None), 2, fakes)


def two() -> dict[str, Any]:
    """Two workers against one, a renderer of one thread."""
    settings = Settings(iterations=1, proposals=10, confirm=2, patience=0)
    load = partial(fakes, 0.2, True)
    found = {str(workers): on_ray(2, 8, settings, workers, load) for workers in (1, 2)}
    return {**found, "times": round(found["1"]["wall"] / found["2"]["wall"], 2), "load": os.getloadavg()[0]}


def sharing() -> dict[str, Any]:
    """Six people and two prompts in the sandbox: which pictures of all runs were made, and which found."""
    from steer.loop.run import close
    from steer.machine.loading import load
    from steer.sweep.work import work

    settings = Settings(iterations=1, proposals=4, confirm=4)
    parts = load("sandbox")
    with tempfile.TemporaryDirectory() as folder:
        people = [somebody(Who("known", user=str(number)), parts.scorer) for number in range(1, 7)]
        lines = [Line(prompt, settings) for prompt in ("floating mossy rocks", "a quiet harbour")]
        plan = extend_plan(Path(folder) / "s", parts, settings, people, lines)
        done = list(work(plan, plan.cells, parts, lambda _: []))
        wanted: Counter[str] = Counter()
        distinct: dict[str, set[Any]] = {}
        for cell in plan.cells:
            for event in plan.record(cell).events:
                if event.event == "rendered":
                    kind = "rewrites" if event.role == "candidate" and event.iteration else event.role
                    kind = "base" if event.role == "candidate" and not event.iteration else kind
                    if kind == "confirm":
                        kind = f"confirm, {'base' if event.prompt == cell.line.prompt else 'winner'}"
                    wanted[kind] += 1
                    distinct.setdefault(kind, set()).add((event.prompt, event.seed))
    close(parts)
    common = ("base", "gate", "confirm, base")
    asked = sum(wanted[kind] for kind in common)
    return {
        "people": len(people),
        "prompts": len(lines),
        "made": sum(one.made for one in done),
        "found": sum(one.found for one in done),
        "by_role": {kind: {"in_runs": wanted[kind], "distinct": len(distinct[kind])} for kind in wanted},
        "shared_of_base_gate_and_base_confirmation": round(
            1 - sum(len(distinct[kind]) for kind in common) / asked, 4
        ),
    }


def sheet(people: int = 14, prompts: int = 13) -> dict[str, Any]:
    """A sheet of 20,000 candidates: written, and opened in headless Chromium; and one of 19,900 runs."""
    from sweep_parts import lines, sweep_parts
    from sweep_parts import people as known

    from steer.pages.sweep import Shown, render, write_sheet
    from steer.sweep.plan import Cell
    from steer.sweep.table import write_csv
    from steer.sweep.work import work

    settings = Settings(iterations=5, proposals=22, confirm=4, patience=0)
    with tempfile.TemporaryDirectory() as folder:
        names = [f"p{number}" for number in range(1, people + 1)]
        texts = [f"a deer, number {number}" for number in range(prompts)]
        plan = extend_plan(Path(folder) / "s", sweep_parts(), settings, known(names), lines(texts, settings))
        for _ in work(plan, plan.cells, sweep_parts(), lambda _: []):
            pass
        begun = time.process_time()
        page = write_sheet(plan)
        written = time.process_time() - begun
        table = write_csv(plan)
        found = {
            "runs": len(plan),
            "candidates": table.read_text().count("\n") - 1,
            "write_cpu_seconds": round(written, 2),
            "page_kb": round(page.stat().st_size / 1024),
            **opened(page),
        }
        one = Cell(plan.people[0], plan.lines[0], 0, 0)
        shown = Shown(
            one.name, "complete", "x", f"thumbs/{one.name}.webp", "", "a deer", 2.5, 3.1, 0.6, "better", True
        )
        wide = extend_plan(
            plan.folder, sweep_parts(), settings, [], lines([f"more {i}" for i in range(87)], settings)
        )
        many = type(wide)(wide.folder, wide.head, wide.people * 15, wide.lines)
        large = plan.folder / "large.html"
        large.write_text(render(many, [[shown] * len(many.lines) for _ in many.people]))
        found["large"] = {"runs": len(many), "page_mb": round(large.stat().st_size / 1e6, 1), **opened(large)}
    return found


def opened(page: Path) -> dict[str, float]:
    """Seconds until the page is loaded and drawn, and until it is sorted both ways; the median of three."""
    from playwright.sync_api import sync_playwright

    loads, sorts = [], []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for _ in range(3):
            tab = browser.new_page()
            begun = time.monotonic()
            tab.goto(page.resolve().as_uri(), wait_until="load")
            tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            loads.append(time.monotonic() - begun)
            begun = time.monotonic()
            for sort in ("rows", "columns"):
                tab.click(f'[data-sort="{sort}"][data-by="gain"]')
            tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            sorts.append(time.monotonic() - begun)
            tab.close()
        browser.close()
    return {
        "open_seconds": round(statistics.median(loads), 2),
        "sort_seconds": round(statistics.median(sorts), 2),
    }


def simulate(people: int = 199, prompts: int = 100, gpus: int = 64) -> dict[str, Any]:
    """The placing of `Spreading` on paper; seconds a step and rounds a run as measured in the sandbox."""
    speed = json.loads((RESULTS / "speed.json").read_text())
    steering = json.loads((RESULTS / "steering.json").read_text())
    rounds = [run["iterations"] for run in steering["runs"]]
    seconds = speed.get("seconds") or speed["run"]["seconds"]
    each = {
        "propose": seconds["propose"] / 100,
        "render": seconds["render"] / 113,
        "score": seconds["score"] / 113,
    }
    rng = random.Random(0)
    runs = {(i, j): rng.choice(rounds) for j in range(prompts) for i in range(people)}

    def length(iterations: int, first: bool) -> float:
        rewrites = 20 * iterations
        pictures = rewrites + 4 + (9 if first else 0)  # the winner's confirmation; base, gate and base's once
        return rewrites * each["propose"] + pictures * each["render"] + (rewrites + 13) * each["score"]

    def makespan(shared: bool, fleet: int) -> dict[str, float]:
        queues = {j: [(i, j) for i in range(people)] for j in range(prompts)}
        own: dict[int, int] = {}
        seen: set[int] = set()
        free = [(0.0, worker) for worker in range(fleet)]
        heapq.heapify(free)
        busy = end = 0.0
        while any(queues.values()):
            now, worker = heapq.heappop(free)
            if not queues.get(own.get(worker, -1)):
                left = {j: queue for j, queue in queues.items() if queue}
                alone = [j for j in left if j not in own.values()]
                own[worker] = alone[0] if alone else max(left, key=lambda j: len(left[j]))
            run = queues[own[worker]].pop(0)
            took = length(runs[run], not shared or own[worker] not in seen)
            seen.add(own[worker])
            busy, end = busy + took, max(end, now + took)
            heapq.heappush(free, (now + took, worker))
        return {"hours": round(end / 3600, 3), "idle": round(1 - busy / (end * fleet), 4)}

    total = sum(20 * iterations + 13 for iterations in runs.values())
    saved = 9 * (people - 1) * prompts
    events = 8 + 60 + sum(runs.values()) / len(runs) * 62  # lines of a run's log
    return {
        "people": people,
        "prompts": prompts,
        "gpus": gpus,
        "seconds_each": {name: round(value, 4) for name, value in each.items()},
        "rounds_mean": round(statistics.fmean(rounds), 2),
        "runs": len(runs),
        "pictures": total,
        "shared": saved,
        "shared_percent": round(100 * saved / total, 1),
        "with_sharing": makespan(True, gpus),
        "without": makespan(False, gpus),
        "one_gpu": makespan(True, 1),
        "files": total + 5 * len(runs),
        "files_in_a_run": round(total / len(runs)) + 5,
        "folders_in_runs": len(runs),
        "log_mb": round(events * 330 * len(runs) / 1e6),
        "pictures_gb": round(total * 0.45 / 1000),
    }


PARTS = {f.__name__: f for f in (sharing, overhead, memory, two, sheet, simulate)}


def main() -> None:
    path = RESULTS / "sweep.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in sys.argv[1:] or list(PARTS):
        found[name] = PARTS[name]()
        print(name, json.dumps(found[name], indent=1), flush=True)
        write_json(path, {"machine": machine(), **{k: v for k, v in found.items() if k != "machine"}})


if __name__ == "__main__":
    main()
