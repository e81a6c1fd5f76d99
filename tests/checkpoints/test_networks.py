"""What of a network is its state, and what belongs to others."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import SAC

from sb3_ac_ext.checkpoints.state import capture, restore_model


def small() -> Any:
    model = SAC("MlpPolicy", "Pendulum-v1", policy_kwargs={"net_arch": [8]}, device="cpu")
    return model.learn(8)


def test_a_network_that_is_known_under_two_names_is_kept_once() -> None:
    nodes = capture(small())["model"]
    kinds = {name: next(iter(nodes[name])) for name in ("policy", "actor", "critic")}
    assert kinds == {"policy": "network", "actor": "known", "critic": "known"}


def test_hooks_stay_with_whoever_attached_them() -> None:
    model = small()
    before = capture(model)
    called: list[Any] = []
    model.actor.register_forward_hook(lambda *_: called.append(1))
    restore_model(model, before)
    model.predict(model.observation_space.sample())
    assert called
