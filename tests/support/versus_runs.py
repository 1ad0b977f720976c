"""Two finished runs of one prompt for two groups, and their comparison."""

import numpy as np
from fake_run import Crowd, Landscapes, crowd_parts

from reward.people.person import find_group
from steer import Record, Run, Settings
from steer.compare.versus import compare
from steer.pages.gallery import write_gallery

QUICK = Settings(iterations=2, proposals=6, patience=0, confirm=3)
YOUNG, OLD = (19, 35), (41, 57)


class Groups(Crowd):
    """A crowd whose groups have a size, and whose older people like other pictures than the younger."""

    def group(self, age=None, gender=None, nationality=None):
        person = super().group(age, gender, nationality)
        person.size = len(find_group(self.people, age, gender, nationality))
        return person


class Divided(Groups):
    """The young like red pictures, the old blue ones; everyone differs a little."""

    def score_people(self, images, prompt, people):
        rows = []
        for person in people:
            red, _, blue = (np.array([np.asarray(i)[..., c].mean() for i in images]) / 64 for c in range(3))
            old = person.id in {k.id for k in self.people if k.demographics["age"] > 38}
            rows.append(
                (blue - red if old else red - blue) + 0.2 * np.sin(len(person.id) + np.arange(len(images)))
            )
        return np.array(rows)


def run_for(scorer, person, out, prompt="floating mossy rocks", settings=QUICK, **parts):
    seats = crowd_parts(scorer=scorer, renderer=Landscapes(48), judge=None, **parts)
    run = Run.start(prompt, person, seats, settings, out)
    for _ in run:
        pass
    write_gallery(run.folder)
    return run.folder


def compared(out, scorer=None, settings=QUICK, prompt="floating mossy rocks", **parts):
    scorer = scorer or Groups()
    people = tuple(scorer.group(age=age) for age in (YOUNG, OLD))
    folders = [run_for(scorer, person, out, prompt, settings, **parts) for person in people]
    members = tuple(find_group(scorer.people, age) for age in (YOUNG, OLD))
    found = compare(*(Record.read(folder) for folder in folders), scorer, people, members)
    return folders, found
