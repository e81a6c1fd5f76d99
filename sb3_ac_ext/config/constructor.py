"""Settings that go to the algorithm's constructor: which there are, and what each may be."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.policies import BasePolicy

from sb3_ac_ext.config.annotations import SCALARS, annotated_types, signature, type_names
from sb3_ac_ext.config.environment import parse_mapping
from sb3_ac_ext.config.numbers import check_range, is_number, whole_number
from sb3_ac_ext.literals import resolve_class
from sb3_ac_ext.lookup import about, import_name, unknown
from sb3_ac_ext.schedules import is_schedule, make_schedule

# The command line or the program decides these; a YAML file cannot.
_RESERVED = frozenset(
    {"self", "env", "tensorboard_log", "verbose", "seed", "device", "_init_setup_model"}
)
_SCHEDULES = frozenset({"learning_rate", "critic_learning_rate", "clip_range", "clip_range_vf"})
# Every policy is given these by its algorithm.
_POLICY_GIVEN = frozenset({"observation_space", "action_space", "lr_schedule"})


def constructor_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """What a YAML file may set on an algorithm; follows ``**kwargs`` to the base classes.

    :param cls: algorithm class
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = signature(vars(base)["__init__"]).parameters.values()
        for parameter in parameters:
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(parameter.name, parameter)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters):
            break
    return {name: found[name] for name in found if name not in _RESERVED}


def parse_constructor(entry: Mapping[str, Any], cls: type) -> dict[str, Any]:
    """
    :param entry: settings that all are parameters of the constructor
    :param cls: algorithm class
    :return: the keyword arguments, with strings turned into classes, schedules and mappings
    :raises ValueError: naming the key and the value that it cannot have
    """
    parameters = constructor_parameters(cls)
    kwargs = {key: _value(key, value, cls, parameters[key]) for key, value in entry.items()}
    _check_policy_kwargs(kwargs, cls)
    return kwargs


def _value(key: str, value: Any, cls: type, parameter: inspect.Parameter) -> Any:
    if key == "policy":
        return _policy(value, cls)
    if key in _SCHEDULES or (key in getattr(cls, "scheduled", ()) and is_schedule(value)):
        return _schedule(key, value)
    if key == "train_freq" and isinstance(value, list):
        return tuple(value)
    if key.endswith("_kwargs"):
        return None if value is None else resolve_names(parse_mapping(value, key))
    if key.endswith("_class") and isinstance(value, str):
        return _resolved(key, value)
    return _scalar(key, value, annotated_types(parameter))


def _policy(value: Any, cls: type) -> Any:
    if isinstance(value, str) and "." not in value:
        aliases = _policy_aliases(cls)
        if value not in aliases:
            raise unknown(f"policy of {cls.__name__}", value, aliases)
        return value
    with about("policy"):
        policy = import_name(value) if isinstance(value, str) else value
    if not (isinstance(policy, type) and issubclass(policy, BasePolicy)):
        raise ValueError(f"policy: {value!r} is neither a name nor a subclass of BasePolicy")
    return policy


def _policy_aliases(cls: type) -> Mapping[str, type]:
    return getattr(cls, "policy_aliases", {})


def _check_policy_kwargs(kwargs: Mapping[str, Any], cls: type) -> None:
    """Of the policies that have a name: a class of one's own may read keywords in its own way."""
    policy = kwargs.get("policy")
    if not isinstance(policy, str):
        return
    policy_cls = _policy_aliases(cls)[policy]
    accepted = set(constructor_parameters(policy_cls)) - _POLICY_GIVEN
    for name in kwargs.get("policy_kwargs") or {}:
        if name not in accepted:
            raise unknown(f"policy_kwargs key of {policy}", name, accepted)


def _schedule(key: str, value: Any) -> Any:
    # RL Zoo's files switch value clipping off by a negative number; SB3 does by None.
    if key == "clip_range_vf" and (value is None or (is_number(value) and value < 0)):
        return None
    if key == "critic_learning_rate" and value is None:
        return None
    return make_schedule(value, key)


def resolve_names(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names of classes under ``*_fn`` and ``*_class`` keys, at any depth, by the classes.

    :param kwargs: keyword arguments as YAML has them, such as ``activation_fn: nn.ReLU``
    :raises ValueError: if such a name does not lead to a class
    """
    return {key: _resolved(key, value) for key, value in kwargs.items()}


def _resolved(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return resolve_names(value)
    if isinstance(value, str) and str(key).endswith(("_fn", "_class")):
        with about(key):
            return resolve_class(value)
    return value


def _scalar(key: str, value: Any, accepted: frozenset[Any]) -> Any:
    if is_number(value) and accepted & {int, float}:
        check_range(value, key)
        return value if float in accepted else whole_number(value, key, least=None)
    if type(value) in accepted or not accepted <= SCALARS:
        return value
    raise ValueError(f"{key}: {value!r} is not of type {type_names(accepted)}")
