"""Which settings an algorithm has: what the constructors of its class take."""

from __future__ import annotations

import inspect


def settings_of(cls: type) -> list[str]:
    """Parameters of a class's constructor and of those that it calls.

    SB3's abstract classes count only where ``**kwargs`` reach them. Concrete ones give them
    constants for the rest, and never read these: TRPO hands on ``vf_coef=0.0``.

    :param cls: algorithm
    :return: names, without ``self``, ``*args`` and ``**kwargs``
    """
    found: dict[str, None] = {}
    handed_on = True
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        if not handed_on and base.__module__.startswith("stable_baselines3.common."):
            break
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        handed_on = inspect.Parameter.VAR_KEYWORD in kinds
        named = (p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
        found.update(dict.fromkeys(named))
    return list(found)
