"""Kill workers, nodes, drivers and heads of a sweep on Ray at random: `python kill_ray.py --kills 50`.

A head and two nodes with made-up GPUs run on this machine. After each kill everything that was said to be
complete is complete, no event is in a log twice and no picture is torn; in the end every sweep is as one that
nobody disturbed. Needs Ray.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from fakes import FakeRenderer
from sweep_parts import SMALL, lines, make_plan, sweep_parts

from steer import Record
from steer.record.folder import list_runs
from steer.record.png import load_whole
from steer.sweep.plan import read_plan
from steer.sweep.work import missing, work
from steer.whom import Who

HERE = Path(__file__).parent
PEOPLE, PROMPTS = ("p1", "p2", "p3"), ("a deer", "a boat", "a house")
LATER = ("run", "seconds", "notes")


class Counted(FakeRenderer):
    """Slow enough to be killed at work; says which process it is, and counts what it renders."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place
        (place / "pids").mkdir(exist_ok=True)
        (place / "pids" / str(os.getpid())).touch()

    def render(self, prompts: Any, seeds: Any) -> Any:
        for image, prompt, seed in zip(super().render(prompts, seeds), prompts, seeds, strict=True):
            time.sleep(0.03)
            with (self.place / "rendered.txt").open("a") as file:
                file.write(f"{seed} {prompt}\n")
            yield image


def counted(place: Path) -> Any:
    return sweep_parts(renderer=Counted(place))


def drive(address: str, folder: str) -> None:
    """The driver, in a process of its own: says each run that is done."""
    from steer.sweep.cluster import Cluster, Size, Spreading, Worker

    place = Path(folder)
    with Cluster(address) as cluster:
        cluster.check_folder(place / "s")
        cluster.start(2, Size(1.0), Worker, str(place / "s"), partial(counted, place), None)
        cluster.plan(SMALL, [Who("known", user=name) for name in PEOPLE], lines(PROMPTS))
        plan = read_plan(place / "s")
        print(json.dumps("begun"), flush=True)
        while cells := list(missing(plan, plan.cells)):
            for done in Spreading(plan, cells, cluster, lambda _: ()).run():
                print(json.dumps([done.row, done.column, done.status]), flush=True)
                assert done.status != "error", done.error


def outcome(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.result.items() if key not in LATER}


def check(place: Path, told: set[tuple[int, int]]) -> None:
    if not (place / "s" / "plan.jsonl").exists():
        assert not told, "a plan is lost"
        return
    plan = read_plan(place / "s")
    for record in list_runs(plan.runs):
        assert record.unreadable == 0, "a line is damaged"
        names = Counter((event.event, *event.key) for event in record.events if event.key is not None)
        assert max(names.values(), default=1) == 1, "an event is there twice"
        pictures = [path for path in record.folder.glob("images/*.png") if not path.name.startswith(".")]
        assert all(map(load_whole, pictures)), "half a picture"
    complete = {(cell.row, cell.column) for cell in plan.cells if plan.record(cell).complete}
    assert told <= complete, f"lost: {told - complete}"


def started() -> tuple[Any, list[Any]]:
    """A head without GPUs, and two nodes with one each."""
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    return machines, [machines.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill workers, nodes, drivers and heads of a sweep on Ray.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    paths = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"}
    rng, kills, sweeps, again = random.Random(given.seed), Counter[str](), 0, 0
    base = Path(tempfile.mkdtemp(prefix="kill-ray-"))
    unbroken = make_plan(base / "unbroken", PEOPLE, PROMPTS)
    list(work(unbroken, unbroken.cells, sweep_parts(), lambda _: ()))
    expected = {cell.name: outcome(unbroken.record(cell)) for cell in unbroken.cells}
    machines, nodes = started()
    driver: Any = None
    try:
        while kills.total() < given.kills:
            place, told = base / str(sweeps), set[tuple[int, int]]()
            place.mkdir()
            while True:
                if driver is None:
                    words = [sys.executable, __file__, "drive", machines.address, str(place)]
                    driver = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, bufsize=1)
                until = time.monotonic() + rng.uniform(0.2, 6.0)
                while driver.poll() is None and time.monotonic() < until:
                    if select.select([driver.stdout], [], [], 0.1)[0] and (line := driver.stdout.readline()):
                        try:
                            said = json.loads(line)
                        except ValueError:
                            continue  # Ray's own words
                        told |= {(said[0], said[1])} if said[2:] == ["complete"] else set()
                        until = max(until, time.monotonic() + 0.1) if said == "begun" else until
                if driver.poll() is not None:
                    assert driver.returncode == 0, f"the driver failed: {driver.returncode}"
                    driver = None
                    break
                target = rng.choice(("worker", "node", "driver", "head")) if told or kills else "worker"
                pids = [int(path.name) for path in (place / "pids").glob("*")]
                alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
                if target == "worker" and not alive:
                    continue
                if target == "worker":
                    os.kill(rng.choice(alive), 9)
                elif target == "node":
                    machines.remove_node(nodes.pop(rng.randrange(2)), allow_graceful=False)
                    nodes.append(machines.add_node(num_cpus=1, num_gpus=1))
                else:
                    if target == "head":
                        machines.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
                        time.sleep(rng.uniform(0, 2))  # its nodes do not know it yet, and work on
                        machines.shutdown()
                    driver.kill()
                    driver.wait()
                    driver = None
                    if target == "head":
                        machines, nodes = started()
                kills[target] += 1
                check(place, told)
            check(place, told)
            plan = read_plan(place / "s")
            assert {cell.name: outcome(plan.record(cell)) for cell in plan.cells} == expected, "another end"
            rendered = (place / "rendered.txt").read_text().splitlines()
            again += len(rendered) - len(set(rendered))
            sweeps += 1
            print(f"{dict(kills)}: {sweeps} sweeps complete, {again} pictures made again", flush=True)
    finally:
        if driver is not None:
            driver.kill()
        machines.shutdown()
        shutil.rmtree(base, ignore_errors=True)
    print(f"{kills.total()} kills, {sweeps} sweeps of {len(expected)} runs, 0 lost, 0 twice", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["drive"]:
        drive(*sys.argv[2:])
    else:
        main()
