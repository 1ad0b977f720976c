"""The rating page as a process of its own, to be killed; it prints its address."""

import sys
from pathlib import Path

from panel import Panel
from rate_app import KNOWN, RESTART, open_profile

from steer.pages.rate import rating_pages
from steer.pages.server import create_app, listen, serve
from steer.profiles.session import RatingSession
from steer.profiles.sources import FolderSource

profiles, pictures = map(Path, sys.argv[1:])
profile = open_profile(profiles)
with RatingSession(profile, Panel(), FolderSource(pictures), seed=0) as session:
    address = listen(profile.folder / "address.json")
    pages = rating_pages(profile, session, simulated=True, known=KNOWN, restart=RESTART)
    print(address.url("/"), flush=True)
    serve(create_app([pages], address.token, key=address.key), address)
