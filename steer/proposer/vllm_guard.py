"""Runs a command, and ends it with all its children when the process that started this one is gone.

    python vllm_guard.py FOLDER COMMAND ARGUMENT...

FOLDER, which holds the command's socket, is removed when the command has ended.
Standard input is the life line: it closes when the parent closes it or dies, by whatever means. Everything
that the command starts stays in this process's own group, so nothing else can be hit. It runs under the
Python of the language model's environment, and needs nothing installed there.
"""

import os
import select
import shutil
import signal
import subprocess
import sys

GRACE = 10.0  # seconds to end in good order


def main() -> None:
    """Until the command ends or the life line closes."""
    if os.getpgrp() != os.getpid():
        raise SystemExit("vllm_guard.py must lead a process group of its own")
    folder, *command = sys.argv[1:]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while child.poll() is None:
        readable, _, _ = select.select([0], [], [], 0.5)
        if readable and not os.read(0, 1024):
            child.terminate()
            break
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
    shutil.rmtree(folder, ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # what the command left behind, and this process with it


if __name__ == "__main__":
    main()
