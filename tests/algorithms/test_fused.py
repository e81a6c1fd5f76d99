"""Adam's fused kernel: the same steps, and nothing left of it in a saved file."""

from typing import Any

import pytest
import torch as th

from sb3_ac_ext import A2C, DQN, PPO, SAC, TD3
from sb3_ac_ext.algorithms.fused import fused
from tests.algorithms.environments import Random

OFF = {"learning_starts": 20, "batch_size": 16, "buffer_size": 200}


def seen_flags(model: Any, steps: int, left: Any = None) -> set[Any]:
    """What ``fused`` or ``foreach`` is while the model's optimizers step."""
    seen: set[Any] = set()
    optimizers = model.optimizers() if hasattr(model, "optimizers") else [model.policy.optimizer]
    for optimizer in optimizers:
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: seen.add(_flag(optimizer.param_groups[0]))
        )
    model.learn(steps)
    assert all(_flag(group) is left for o in optimizers for group in o.param_groups)
    return seen


def _flag(group: dict[str, Any]) -> Any:
    return "fused" if group.get("fused") else "foreach" if group.get("foreach") else None


@pytest.mark.parametrize(
    ("cls", "action", "settings"),
    [
        (PPO, "box", {"n_steps": 32}),
        (A2C, "box", {"n_steps": 8}),
        (SAC, "box", OFF),
        (TD3, "box", OFF),
        (DQN, "discrete", OFF),
    ],
)
def test_steps_are_taken_at_once_unless_exact(
    cls: Any, action: str, settings: dict[str, Any]
) -> None:
    def model(exact: bool) -> Any:
        return cls("MlpPolicy", Random("box", action), device="cpu", exact=exact, **settings)

    assert seen_flags(model(False), 40) == {"foreach" if cls is A2C else "fused"}
    assert seen_flags(model(True), 40) == {None}


def test_other_optimizers_are_left_alone() -> None:
    sgd = {"optimizer_class": th.optim.SGD}
    model = A2C("MlpPolicy", Random(), n_steps=8, policy_kwargs=sgd, use_rms_prop=False)
    assert type(model.policy.optimizer) is th.optim.SGD
    assert seen_flags(model, 8) == {None}
    chosen = PPO(
        "MlpPolicy", Random(), n_steps=32, policy_kwargs={"optimizer_kwargs": {"foreach": True}}
    )
    assert seen_flags(chosen, 32, left="foreach") == {"foreach"}


def test_a_fused_step_goes_on_where_a_plain_one_was() -> None:
    def trained(kinds: list[bool]) -> tuple[th.Tensor, dict[str, Any]]:
        th.manual_seed(1)
        parameter = th.nn.Parameter(th.randn(50))
        optimizer = th.optim.Adam([parameter], lr=0.1)
        for fast in kinds:
            parameter.grad = th.randn(50)
            with fused([optimizer] if fast else []):
                optimizer.step()
        return parameter.detach(), optimizer.state_dict()

    plain, state = trained([False] * 6)
    mixed, mixed_state = trained([False, True, True, False, True, False])
    assert th.allclose(plain, mixed, rtol=1e-5, atol=1e-6)
    assert mixed_state["param_groups"] == state["param_groups"]
    for name, value in state["state"][0].items():
        assert th.allclose(value, mixed_state["state"][0][name], rtol=1e-5, atol=1e-7)


def test_moments_that_lie_otherwise_than_their_parameter_are_not_fused() -> None:
    def resumed(fast: bool) -> th.Tensor:
        """A convolution trained in another memory format, saved, and loaded into a plain one."""
        th.manual_seed(2)
        first, second = (th.nn.Conv2d(3, 4, 3) for _ in range(2))
        first.to(memory_format=th.channels_last)
        optimizers = [th.optim.Adam(net.parameters(), lr=0.01) for net in (first, second)]
        images = th.randn(2, 3, 8, 8)

        def train(net: th.nn.Module, optimizer: th.optim.Optimizer) -> None:
            for _ in range(3):
                optimizer.zero_grad()
                net(images).square().mean().backward()
                with fused([optimizer] if fast else []):
                    optimizer.step()

        train(first, optimizers[0])
        second.load_state_dict(first.state_dict())
        optimizers[1].load_state_dict(optimizers[0].state_dict())
        train(second, optimizers[1])
        return second.weight.detach().clone()

    assert th.allclose(resumed(True), resumed(False), rtol=1e-5, atol=1e-6)


def test_the_flag_goes_when_a_step_fails() -> None:
    optimizer = th.optim.Adam([th.nn.Parameter(th.ones(2))])
    with pytest.raises(RuntimeError, match="no step"), fused([optimizer]):
        raise RuntimeError("no step")
    assert optimizer.param_groups[0]["fused"] is None
