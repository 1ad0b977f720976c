"""Writes its arguments, and the constraints that it was given, to $FAKE_PIP; installs nothing."""

import json
import os
import sys
from pathlib import Path

given = [Path(b).read_text() for a, b in zip(sys.argv, sys.argv[1:], strict=False) if a == "-c"]
with Path(os.environ["FAKE_PIP"]).open("a") as file:
    file.write(json.dumps({"arguments": sys.argv[1:], "constraints": given}) + "\n")
