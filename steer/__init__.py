"""Steer a text-to-image model to one person's taste by rewriting the prompt.

    from steer import load, steer

    parts = load("sandbox")
    result = steer("floating mossy rocks", parts.scorer.person("17"), parts)
    print(result.best["prompt"], result.confirm["verdict"], result.folder)

Anything with the one method of `Proposer`, `Renderer` or `Scorer` can take its seat.
"""
