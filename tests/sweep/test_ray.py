"""Sweeps on a real Ray: a head and two more nodes on this machine, with made-up GPUs, and fakes that die."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")

import test_one_pass
from fakes import FakeProposer, FakeRenderer
from PIL import Image
from ray.cluster_utils import Cluster as Machines
from sweep_parts import SMALL, lines, sweep_parts, words
from test_sweep import LATER, events

from steer import Record
from steer.errors import SteerError
from steer.library import Run
from steer.record.folder import describe, list_runs
from steer.record.png import encode_png, load_whole
from steer.sweep import archive
from steer.sweep.cluster import Cluster, Size, Spreading, Worker, _look
from steer.sweep.plan import read_plan
from steer.sweep.spread import Painter, SpreadRenderer
from steer.sweep.work import missing
from steer.whom import Who

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
ASKED = [Who("known", user=f"p{number}") for number in range(1, 4)]
SUPPORT = Path(__file__).parents[1] / "support"
PATH = os.pathsep.join([str(SUPPORT), str(SUPPORT.parents[1]), str(Path(__file__).parent)])


class Deadly(FakeRenderer):
    """Dies with its whole process: once (while `marker` is not there yet), or at every cursed prompt."""

    def __init__(self, marker: Path | None = None, seconds: float = 0.0) -> None:
        super().__init__()
        self.marker, self.seconds = marker, seconds

    def render(self, prompts, seeds):
        for place, image in enumerate(super().render(prompts, seeds)):
            time.sleep(self.seconds)
            if "cursed" in prompts[place]:
                os._exit(1)
            if self.marker is not None and place == 2:
                try:
                    self.marker.touch(exist_ok=False)
                except FileExistsError:
                    pass
                else:
                    os._exit(1)
            yield image


class Slow(FakeRenderer):
    """Slow in the one process that comes first."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        try:
            marker.touch(exist_ok=False)
            self.seconds = 0.3
        except FileExistsError:
            self.seconds = 0.0

    def render(self, prompts, seeds):
        for image in super().render(prompts, seeds):
            time.sleep(self.seconds)
            yield image


def deadly(marker=None, seconds=0.0):
    return sweep_parts(renderer=Deadly(marker, seconds))


def slow(marker):
    return sweep_parts(renderer=Slow(marker))


def metered():
    return test_one_pass.Meter(), test_one_pass.PEOPLE


@pytest.fixture
def machines(monkeypatch):
    """A head without GPUs and two nodes with one each."""
    monkeypatch.setenv("PYTHONPATH", PATH)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    found = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 0})
    found.nodes = [found.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
    found.wait_for_nodes()
    yield found
    found.shutdown()


def begin(cluster, folder, load=sweep_parts, prompts=("a deer", "a boat", "a house")):
    cluster.check_folder(folder)
    cluster.start(2, Size(1.0), Worker, str(folder), load, None)
    cluster.plan(SMALL, ASKED, lines(prompts))
    plan = read_plan(folder)
    return plan, Spreading(plan, missing(plan, plan.cells), cluster, words)


def rendered_once(plan):
    for record in list_runs(plan.runs):
        names = [event.id for event in record.events if event.event == "rendered"]
        assert len(names) == len(set(names)) and record.unreadable == 0


def test_runs_on_workers_are_those_that_are_made_one_by_one_but_for_name_and_time(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        assert cluster.places(Size(1.0)) == 2 and cluster.places(Size(0.5)) == 4
        assert cluster.size(None, cpu_only=False) == Size(1.0) and cluster.size(None, cpu_only=True).gpus == 0
        plan, spreading = begin(cluster, tmp_path / "s")
        done = list(spreading.run())
    assert sorted((one.row, one.column) for one in done) == [(i, j) for i in range(3) for j in range(3)]
    for cell in plan.cells:
        alone = Run.start(cell.line.prompt, cell.somebody.who, sweep_parts(), SMALL, tmp_path / "alone")
        list(alone)
        one, other = Record(alone.folder), plan.record(cell)
        assert {k: v for k, v in one.result.items() if k not in LATER} == {
            k: v for k, v in other.result.items() if k not in LATER
        }
        assert events(one) == events(other)
        for path in (one.folder / "images").iterdir():
            kept = load_whole(other.folder / "images" / path.name)
            assert kept[0].tobytes() == load_whole(path)[0].tobytes()


def test_a_worker_that_dies_is_started_again_and_goes_on_with_its_run(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        plan, spreading = begin(cluster, tmp_path / "s", partial(deadly, tmp_path / "died"))
        assert {one.status for one in spreading.run()} == {"complete"}
    assert (tmp_path / "died").exists()
    assert all(record.complete for record in list_runs(plan.runs)) and len(list_runs(plan.runs)) == 9
    rendered_once(plan)


def test_a_run_that_always_kills_its_worker_costs_itself(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        plan, _ = begin(cluster, tmp_path / "s", deadly, ("a deer", "a cursed idol"))
        cells = [cell for cell in plan.cells if cell.column == 0 or cell.row == 0]
        done = list(Spreading(plan, cells, cluster, words).run())
    assert sorted(one.status for one in done) == ["complete"] * 3 + ["error"]
    assert all("cursed" in plan.lines[one.column].prompt for one in done if one.status == "error")


def test_a_node_that_is_lost_loses_nothing(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        plan, spreading = begin(cluster, tmp_path / "s", partial(deadly, None, 0.05))
        found = []
        for done in spreading.run():
            found.append(done)
            if len(found) == 2:
                machines.remove_node(machines.nodes[0], allow_graceful=False)
    assert {one.status for one in found} == {"complete"} and len(found) == 9
    rendered_once(plan)


def test_a_slow_node_does_not_hold_up_what_waits_for_it(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        plan, spreading = begin(cluster, tmp_path / "s", partial(slow, tmp_path / "first"))
        done = list(spreading.run())
    assert {one.status for one in done} == {"complete"} and len(done) == 9
    rendered_once(plan)


def test_a_driver_that_is_killed_leaves_a_sweep_that_goes_on(machines, tmp_path):
    code = (
        "import sys; from pathlib import Path; from functools import partial; import test_ray\n"
        "from steer.sweep.cluster import Cluster\n"
        "with Cluster(sys.argv[1]) as cluster:\n"
        "    load = partial(test_ray.deadly, None, 0.05)\n"
        "    plan, spreading = test_ray.begin(cluster, Path(sys.argv[2]), load)\n"
        "    for done in spreading.run():\n"
        "        print(done.status, flush=True)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, machines.address, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout.readline() == "complete\n"
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    with Cluster(machines.address) as cluster:
        plan, _ = begin(cluster, tmp_path / "s", partial(deadly, None, 0.0))
        left = len(list(missing(plan, plan.cells)))
        assert left < 9
        # The workers of the dead driver may be at their runs for a moment.
        while any(plan.state(cell) != "complete" for cell in plan.cells):
            list(Spreading(plan, missing(plan, plan.cells), cluster, words).run())
    rendered_once(plan)


def test_a_head_that_is_killed_ends_the_driver_in_words_and_a_new_one_goes_on(machines, tmp_path):
    code = (
        "import sys; from pathlib import Path; from functools import partial; import test_ray\n"
        "from steer.errors import SteerError; from steer.sweep import cluster as module\n"
        "module._HEAD = 4.0\n"
        "try:\n"
        "    with module.Cluster(sys.argv[1]) as cluster:\n"
        "        load = partial(test_ray.deadly, None, 0.5)\n"
        "        plan, spreading = test_ray.begin(cluster, Path(sys.argv[2]), load)\n"
        "        for done in spreading.run(lambda cell: print('began', flush=True)):\n"
        "            print(done.status, flush=True)\n"
        "except SteerError as error:\n"
        "    print(error)\n"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", code, machines.address, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    )
    assert driver.stdout.readline() == "began\n"
    machines.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    said = driver.communicate(timeout=100)[0]
    assert "does not answer any more; what was done is kept" in said and driver.returncode == 1
    machines.shutdown()
    others = Machines(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 2})
    try:
        with Cluster(others.address) as cluster:
            plan, _ = begin(cluster, tmp_path / "s", partial(deadly, None, 0.0))
            while any(plan.state(cell) != "complete" for cell in plan.cells):
                list(Spreading(plan, missing(plan, plan.cells), cluster, words).run())
    finally:
        others.shutdown()
    rendered_once(plan)


def test_a_cluster_that_nobody_asked_about_its_head_for_long_is_left_as_any_other(machines, monkeypatch):
    monkeypatch.setattr("steer.sweep.cluster._HEAD", 0.0)
    with Cluster(machines.address) as cluster:
        ray = cluster.ray
        time.sleep(0.1)
        cluster.check_head()
    assert not ray.is_initialized()


def test_stopping_finishes_what_is_at_work_and_begins_nothing(machines, tmp_path):
    with Cluster(machines.address) as cluster:
        plan, spreading = begin(cluster, tmp_path / "s", partial(deadly, None, 0.05))
        found = []
        for done in spreading.run():
            found.append(done)
            spreading.stopping = True
    assert 1 <= len(found) <= 4
    assert {plan.state(cell) for cell in plan.cells} == {"complete", "waiting"}


def test_one_run_on_several_workers_is_picture_for_picture_the_same(machines, tmp_path):
    (tmp_path / "s").mkdir()
    with Cluster(machines.address) as cluster:
        cluster.start(2, Size(1.0), Painter, FakeRenderer)
        renderer = SpreadRenderer(cluster, describe(sweep_parts())["renderer"], tmp_path / "s")
        run = Run.start(
            "a deer", Who("known", user="p1"), sweep_parts(renderer=renderer), SMALL, tmp_path / "runs"
        )
        list(run)
    alone = Run.start("a deer", Who("known", user="p1"), sweep_parts(), SMALL, tmp_path / "runs")
    list(alone)
    for path in (alone.folder / "images").iterdir():
        one, other = load_whole(path), load_whole(run.folder / "images" / path.name)
        assert one[0].tobytes() == other[0].tobytes()
    assert run.result.best == alone.result.best
    assert list((tmp_path / "s").iterdir()) == []


def test_an_archive_is_rated_by_the_workers_of_ray_data(machines, tmp_path):
    pytest.importorskip("pandas", reason="Ray Data is not installed: pip install 'ray[data]'")
    for number in range(30):
        path = tmp_path / "archive" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode_png(Image.new("RGB", (4, 4), (number, 0, 0)), {}))
    labels = tuple(person.label for person in test_one_pass.PEOPLE)
    task = archive.Task(tmp_path / "archive", tmp_path / "scores", labels, "a deer")
    archive.begin(task, test_one_pass.Meter())
    names = next(archive.parts_of(task))
    with Cluster(machines.address) as cluster:
        counts = archive.on_ray(cluster, Size(1.0), 2, task, [names[:13], names[13:]], metered)
        assert sorted(counts) == [13, 17]
    assert list(archive.parts_of(task)) == []
    assert archive.best(task, 1)["sandbox:1"][0][1] == "29.png"


def test_models_that_cannot_be_loaded_are_said_before_anything_starts(machines, tmp_path):
    with Cluster(machines.address) as cluster, pytest.raises(SteerError, match="no worker could be started"):
        begin(cluster, tmp_path / "s", partial(sweep_parts, proposer=FakeProposer(), nonsense=3))
    assert not (tmp_path / "s" / "runs").exists()


def test_a_folder_that_a_node_does_not_share_is_refused(tmp_path):
    assert "does not see" in _look(str(tmp_path / "elsewhere" / "token"))
    token = tmp_path / "token"
    token.write_text("token")
    assert "locks" in _look(str(token))
    token.write_text("another")
    assert "sees another" in _look(str(token))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_an_address_where_nobody_answers_is_one_line(address):
    with pytest.raises(SteerError, match=f"no Ray cluster answers at {address}"):
        Cluster(address)
