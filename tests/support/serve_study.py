"""The page of a study as a process of its own, to be killed; it prints its address."""

import sys
from pathlib import Path

from steer.pages.server import create_app, listen, serve
from steer.pages.study import study_pages
from steer.study.answers import OpenStudy
from steer.study.design import read_design

folder = Path(sys.argv[1])
with OpenStudy(read_design(folder)) as desk:
    address = listen(folder / ".address.json")
    pages = study_pages(desk, restart="steer study open", report="steer study report")
    print(address.url("/study"), flush=True)
    serve(create_app([pages], address.token, "/study", address.key), address)
