"""The library in ten lines: load the parts, name a person, steer, read what came out."""

from steer import Settings, load, steer

parts = load("sandbox")
person = parts.scorer.person("17")  # or .population(), .group(age=(18, 25)), .newcomer(images, ratings)
result = steer("floating mossy rocks", person, parts, settings=Settings(iterations=1, proposals=4, confirm=2))

print(f"{result.best['score']:.2f} {result.best['prompt']}")
print(result.confirm["verdict"] if result.confirm else "not confirmed")
print(result.folder)
