"""Ratings that exist already, as a CSV file beside its pictures, become a profile to steer by.

python examples/ratings_from_csv.py ratings.csv      # columns image, rating (1-5) and, if known, prompt
"""

import sys
from pathlib import Path

from steer import Settings, load, steer
from steer.profiles import Profiles
from steer.profiles.transfer import read_ratings

profiles = Profiles()
name = "from-csv"
profile = profiles.open(name) if name in profiles else profiles.create(name)
profile.rate_all(read_ratings(Path(sys.argv[1])))  # all rows, or none and an error that names the row
print(f"{profile.name}: {len(profile.ratings)} ratings count")

parts = load("sandbox")
person = profile.person(parts.scorer)
result = steer("a lighthouse", person, parts, settings=Settings(iterations=1, proposals=4, confirm=2))
print(f"{result.best['score']:.2f} {result.best['prompt']}")
