"""vLLM as a process of steer's: started, put to sleep, woken, started again when it dies, and always stopped.

The processes, sockets, signals and files are real; the server in them is a stand-in
(tests/support/fake_vllm). vLLM's own server runs in test_vllm_real.py.
"""

import getpass
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from steer.errors import ProposerError
from steer.parts import Scored
from steer.proposer.vllm import VllmProposer, VllmServer

# httpcore leaves the socket of a refused connection to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:.*socket.socket.*:pytest.PytestUnraisableExceptionWarning")

FAKE = Path(__file__).parents[1] / "support" / "fake_vllm"
PROMPT = "floating mossy rocks"


@pytest.fixture
def make(tmp_path):
    """A server that is stopped at the end of the test, its log in `tmp_path`."""
    made = []

    def make(trouble="", **more):
        environment = {"PYTHONPATH": str(FAKE), "FAKE_VLLM": trouble}
        settings = {"python": sys.executable, "log": tmp_path / "vllm.log", "start_timeout": 60.0, **more}
        made.append(VllmServer("org/Big-8B-Instruct", environment=environment, **settings))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def proposer(make):
    part = VllmProposer(make(), timeout=30)
    yield part
    part.close()


def ask(part, seed=7):
    return part.propose(PROMPT, [Scored(PROMPT, 3.0, "r00c00")], 3, seed)


def pids(folder):
    """Of every start: the guard, the server and the server's child."""
    return [[int(pid) for pid in line.split()] for line in (folder / "pids").read_text().splitlines()]


def ended(numbers, seconds=20.0):
    """True once none of these processes runs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(map(_runs, numbers)):
            return True
        time.sleep(0.05)
    return False


def _runs(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # a zombie only waits to be counted
    except psutil.NoSuchProcess:
        return False


def test_it_starts_answers_and_stops_with_all_that_it_started(proposer, tmp_path):
    assert ask(proposer) == ['{"prompts": ["floating mossy rocks, seed 7"]}']
    [started] = pids(tmp_path)
    assert all(psutil.pid_exists(pid) for pid in started)
    proposer.close()
    proposer.close()
    assert ended(started)
    assert proposer.server.url is None


def test_after_close_it_can_be_woken_again(proposer, tmp_path):
    ask(proposer)
    proposer.close()
    proposer.wake()
    proposer.wake()
    assert ask(proposer)
    assert len(pids(tmp_path)) == 2
    assert proposer.notes() == []


def test_it_listens_at_a_socket_of_this_users_alone_and_its_key_is_not_seen(make):
    server = make(gpu_memory_utilization=0.3, kv_cache_memory_bytes=2**31, arguments=["--seed=1"])
    with server:
        text = server.log.read_text()
        folder = server.socket.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.owner() == getpass.getuser()
        process = psutil.Process(server._process.pid)
        assert not [each for one in process.children(True) for each in one.net_connections("inet")]
        assert server.key not in " ".join(server.command())
    assert not folder.exists()
    assert "--gpu-memory-utilization=0.3 --kv-cache-memory-bytes=2147483648" in text
    assert "--enable-sleep-mode --seed=1" in text
    assert server.key not in text


def test_two_servers_take_different_sockets(make, tmp_path):
    first, second = make(), make(log=tmp_path / "other" / "vllm.log")
    first.start(), second.start()
    assert first.socket != second.socket and first.healthy() and second.healthy()


def test_it_sleeps_while_others_work_and_wakes_when_asked(proposer, tmp_path):
    proposer.wake()
    proposer.rest()
    proposer.rest()
    assert _is_sleeping(proposer.server)
    assert ask(proposer)  # wakes by itself
    assert not _is_sleeping(proposer.server)
    assert len(pids(tmp_path)) == 1


def test_without_sleep_mode_a_rest_changes_nothing(make):
    part = VllmProposer(make(sleep_mode=False))
    part.rest()
    assert ask(part)
    part.rest()
    assert part.server.alive
    part.close()


def test_a_server_that_cannot_sleep_gives_its_memory_back_by_ending(proposer, tmp_path):
    proposer.wake()
    (tmp_path / "insomnia").touch()
    proposer.rest()
    assert ended(pids(tmp_path)[0])
    [note] = proposer.notes()
    assert "Memory usage increased after sleeping" in note
    assert "starts anew" in note
    assert ask(proposer)


def test_a_server_that_says_it_sleeps_and_keeps_its_memory_is_stopped(make, tmp_path):
    free = [10 * 2**30, 12 * 2**30, 30 * 2**30, 46 * 2**30]  # before and after: two, then sixteen freed
    part = VllmProposer(make(free=lambda: free.pop(0), frees=8 * 2**30), timeout=30)
    part.wake()
    part.rest()
    assert ended(pids(tmp_path)[0])
    [note] = part.notes()
    assert "says that it sleeps, but freed 2.0 GB" in note and "starts anew" in note
    part.wake()
    part.rest()
    assert _is_sleeping(part.server) and part.notes() == []
    part.close()


def test_a_server_that_rests_on_disk_is_ended_and_started_again(make, tmp_path):
    part = VllmProposer(make(sleep_mode=False), timeout=30, stops=True)
    part.wake()
    part.rest()
    assert ended(pids(tmp_path)[0]) and ask(part) and len(pids(tmp_path)) == 2
    part.close()


def test_a_vllm_that_keeps_its_weights_asleep_is_too_old(tmp_path, monkeypatch):
    for version, line in (
        ("0.15.1", "vLLM 0.15.1 .* is too old.*vllm>=0.17"),
        ("0.17.0", None),
        ("0.1.dev9", None),
    ):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\necho {version}\n")
        python.chmod(0o755)
        if line is None:
            VllmServer("m", python=python).check()
        else:
            with pytest.raises(ProposerError, match=line):
                VllmServer("m", python=python).check()


def test_a_server_that_dies_midway_is_started_once_and_asked_the_same(proposer, tmp_path):
    before = ask(proposer)
    (tmp_path / "die").touch()
    assert ask(proposer) == before
    assert len(pids(tmp_path)) == 2
    assert ended(pids(tmp_path)[0])
    [note] = proposer.notes()
    assert "EngineDeadError" in note
    assert "was started again" in note


def test_a_server_that_was_killed_asleep_is_started_again(proposer, tmp_path):
    proposer.wake()
    proposer.rest()
    os.kill(pids(tmp_path)[0][1], signal.SIGKILL)
    proposer.wake()
    assert ask(proposer)
    assert len(proposer.notes()) == 1


def test_a_server_that_dies_twice_is_an_error_that_names_the_log(proposer, tmp_path):
    (tmp_path / "die-always").touch()
    with pytest.raises(ProposerError, match=r"died again \(EngineDeadError.*vllm\.log.*--llm"):
        ask(proposer)
    assert len(pids(tmp_path)) == 2
    assert ended([pid for started in pids(tmp_path) for pid in started])


def test_the_log_goes_where_the_run_is_and_is_added_to(make, tmp_path):
    part = VllmProposer(make(log=None), timeout=30)
    part.keep_log(tmp_path)
    (tmp_path / "vllm.log").write_text("RuntimeError: of an earlier run\n")
    ask(part)
    part.close()
    text = (tmp_path / "vllm.log").read_text()
    assert text.startswith("RuntimeError: of an earlier run\n")
    assert "serving" in text
    assert "earlier" not in part.server.last_words()


def test_an_interpreter_is_found_from_any_folder_and_stays_the_environments_own(make, tmp_path):
    link = tmp_path / "bin" / "python"
    link.parent.mkdir()
    link.symlink_to(sys.executable)
    server = make(python="bin/python", log=tmp_path / "elsewhere" / "vllm.log")
    assert server.command()[0] == str(link)


def test_a_run_knows_the_part_by_its_model_and_not_by_its_port(proposer):
    assert proposer.name == "Big-8B-Instruct (vLLM)"
    assert proposer.model == "org/Big-8B-Instruct"
    assert proposer.server.url is None  # nobody had to start it for that


def test_an_exception_inside_a_block_stops_it(make, tmp_path):
    with pytest.raises(KeyboardInterrupt), make():
        raise KeyboardInterrupt
    assert ended(pids(tmp_path)[0])


def test_a_steer_that_is_killed_takes_its_server_with_it(tmp_path):
    code = f"""
import time
from pathlib import Path
from steer.proposer.vllm import VllmServer
log, variables = Path({str(tmp_path / "vllm.log")!r}), {{"PYTHONPATH": {str(FAKE)!r}}}
server = VllmServer("m", log=log, environment=variables)
server.start()
print(server.socket.parent, flush=True)
time.sleep(600)
"""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "STEER_VLLM_PYTHON": sys.executable, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as steer:
        try:
            folder = Path(steer.stdout.readline().decode().strip())
            assert folder.is_dir()
            [started] = pids(tmp_path)
            assert not ended(started, seconds=0.2)
        finally:
            steer.kill()
    assert ended(started)
    deadline = time.monotonic() + 60
    while folder.exists():  # the guard, which ends last, takes it away
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- servers that do not start


def test_a_python_without_vllm_names_the_two_commands(make):
    server = VllmServer("m", python=sys.executable)
    with pytest.raises(ProposerError, match=r"pip install vllm.*STEER_VLLM_PYTHON"):
        server.check()
    with pytest.raises(ProposerError, match=r"cannot run /no/python.*pip install vllm"):
        VllmServer("m", python="/no/python").check()


def test_a_start_without_vllm_says_the_same(tmp_path):
    server = VllmServer("m", python=sys.executable, log=tmp_path / "vllm.log")
    with pytest.raises(ProposerError, match=r"vLLM is not installed in .*STEER_VLLM_PYTHON"):
        server.start()
    with pytest.raises(ProposerError, match="cannot run /no/python"):
        VllmServer("m", python="/no/python", log=tmp_path / "vllm.log").start()


def test_too_little_gpu_memory_is_told_in_one_line(make):
    with pytest.raises(
        ProposerError, match=r"did not start: too little GPU memory.*nvidia-smi.*--llm"
    ) as error:
        make("no-memory").start()
    assert "\n" not in str(error.value)


def test_a_server_that_never_serves_is_stopped_after_its_time(make, tmp_path):
    server = make("hang", start_timeout=3.0)
    with pytest.raises(ProposerError, match=r"does not serve after 3 seconds.*vllm\.log"):
        server.start()
    assert ended(pids(tmp_path)[0])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("OSError: You are trying to access a gated repo. 401 Client Error.", "hf auth login"),
        ("OSError: m is not a local folder and is not a valid model identifier", "steer setup org/Big-8B"),
        ("Value error, Sleep mode is not supported on current platform.", "sleep_mode=False"),
        ("torch.OutOfMemoryError: CUDA out of memory.", "nvidia-smi"),
        ("ValueError: To serve at least one request with max seq len 131072", "max_model_len"),
        ("api_server.py: error: unrecognized arguments: --uds=/tmp/s", "pip install -U vllm"),
        ("RuntimeError: something new", "RuntimeError: something new"),
        (
            "INFO settings: max_model_len=1, in case of CUDA out of memory errors ...",
            "without an error message",
        ),
    ],
)
def test_the_log_is_read_for_people(make, line, told):
    server = make()
    server.log.write_text(f"INFO starting\n{line}\nINFO bye\n")
    assert told in server.last_words()


def _is_sleeping(server):
    return server._control("GET", "/is_sleeping", 5.0).json()["is_sleeping"]
