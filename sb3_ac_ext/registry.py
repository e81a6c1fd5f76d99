"""Which class an algorithm's name stands for; one call of :func:`register` adds one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sb3_ac_ext.lookup import import_name, unknown

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

# Dotted paths, so that listing the names imports neither torch nor SB3.
_ALGORITHMS: dict[str, str | type[BaseAlgorithm]] = {
    "ppo": "stable_baselines3.PPO",
    "a2c": "stable_baselines3.A2C",
    "sac": "stable_baselines3.SAC",
    "td3": "stable_baselines3.TD3",
    "ddpg": "stable_baselines3.DDPG",
    "dqn": "stable_baselines3.DQN",
    "trpo": "sb3_contrib.TRPO",
    "tqc": "sb3_contrib.TQC",
    "ppo_lstm": "sb3_contrib.RecurrentPPO",
    "qrdqn": "sb3_contrib.QRDQN",
    "crossq": "sb3_contrib.CrossQ",
}


def register(name: str, cls: str | type[BaseAlgorithm]) -> None:
    """Make an algorithm known by a name.

    :param name: what ``--algo`` takes, also the name of its folder and of its YAML file
    :param cls: subclass of SB3's ``BaseAlgorithm``, or the dotted path to one
    :raises ValueError: if the name is taken, or is not a plain word
    """
    if not name.isidentifier():
        raise ValueError(f"algorithm name {name!r} must be letters, digits and underscores")
    if name in _ALGORITHMS:
        raise ValueError(f"algorithm {name!r} is already registered as {_ALGORITHMS[name]}")
    _ALGORITHMS[name] = cls


def names() -> tuple[str, ...]:
    """The names of all registered algorithms, sorted."""
    return tuple(sorted(_ALGORITHMS))


def algorithm(name: str) -> type[BaseAlgorithm]:
    """The class behind a name.

    :param name: registered name, or a dotted path such as ``my_package.MyPPO``
    :raises ValueError: if there is no such name, or what the path leads to is no SB3 algorithm
    """
    target = _ALGORITHMS.get(name)
    if target is None and "." not in name:
        raise unknown("algorithm", name, names())
    cls = import_name(target or name) if not isinstance(target, type) else target

    from stable_baselines3.common.base_class import BaseAlgorithm

    if not (isinstance(cls, type) and issubclass(cls, BaseAlgorithm)):
        raise ValueError(f"{name!r} is not an algorithm: {cls!r} does not subclass BaseAlgorithm")
    return cls


def lineage(name: str) -> tuple[str, ...]:
    """An algorithm's own name, then the registered names of its base classes, the nearest first.

    A subclass without settings of its own is tuned like the algorithm that it extends.

    :param name: registered name or dotted path
    :raises ValueError: as :func:`algorithm`
    """
    bases = algorithm(name).__mro__
    registered = {algorithm(other): other for other in names()}
    return (name, *(registered[cls] for cls in bases if registered.get(cls, name) != name))


def register_with_zoo() -> None:
    """Put our algorithms into RL Zoo's own table, in place, so that its commands know them.

    For users who run RL Zoo itself: call it in a script, after :func:`register` and before
    ``rl_zoo3.train.train()`` or ``rl_zoo3.enjoy.enjoy()``. ``sb3-ac`` has no need of it.

    Importing ``rl_zoo3`` patches gymnasium: this function alone does it, and only when called.
    """
    from rl_zoo3.utils import ALGOS

    ALGOS.update({name: algorithm(name) for name in names()})
