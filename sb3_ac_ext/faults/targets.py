"""Target networks that follow too fast or not at all, and critics that are not two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from sb3_ac_ext.faults.base import OFF_POLICY, Kind
from sb3_ac_ext.faults.overriding import overridden, replaced
from sb3_ac_ext.faults.parts import CRITIC, copy_to_targets, optimizer
from sb3_ac_ext.faults.update import ModelFault


@contextmanager
def _frozen(model: Any, _: float) -> Iterator[None]:
    """Polyak averaging moves copies of the target's parameters."""

    def parameters(original: Any, recurse: bool = True) -> Iterator[Any]:
        for parameter in original(recurse):
            yield parameter.detach().clone()

    with ExitStack() as stack:
        for name in ("actor_target", "critic_target"):
            target = getattr(model.policy, name, None)
            if target is not None:
                stack.enter_context(overridden(target, parameters=parameters))
        yield


@contextmanager
def _shared(model: Any, _: float) -> Iterator[None]:
    """As when the target is assigned and not copied."""
    critic = model.policy.critic
    with replaced(model.policy, critic_target=critic), replaced(model, critic_target=critic):
        yield


def _copied(model: Any, _: float) -> AbstractContextManager[None]:
    def step(original: Any, closure: Any = None) -> Any:
        result = original(closure)
        copy_to_targets(model)
        return result

    return overridden(optimizer(model, CRITIC), step=step)


@contextmanager
def _tied(model: Any, _: float) -> Iterator[None]:
    """Equal at the start and trained on the same targets, they stay equal for ever."""
    first, *others = model.policy.critic.q_networks
    for other in others:
        other.load_state_dict(first.state_dict())
    copy_to_targets(model)
    yield


def _fault(name: str, cause: str, summary: str, broken: Any, **knobs: Any) -> ModelFault:
    return ModelFault(
        name=name,
        component="target network",
        cause=cause,
        summary=summary,
        broken=broken,
        **{"kind": Kind.HARMFUL, "algos": OFF_POLICY, **knobs},
    )


FAULTS = (
    _fault("target_frozen", "target_network", "the target network never moves", _frozen),
    _fault(
        "target_is_online",
        "target_network",
        "the target network is the critic itself, not a copy",
        _shared,
    ),
    _fault(
        "target_copied_each_step",
        "target_network",
        "the critic is copied to its target after every step",
        _copied,
    ),
    _fault(
        "twin_critics_tied",
        "q_overestimation",
        "both critics begin with the same weights, so their minimum protects from nothing",
        _tied,
        kind=Kind.DEFECT,
        algos=("sac", "td3"),
    ),
)
