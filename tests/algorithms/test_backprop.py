"""Gradients of plain policies by formula: those of autograd, and only where they are."""

import pickle
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from sb3_ac_ext import A2C, PPO, REINFORCE
from sb3_ac_ext.algorithms.backprop.heads import head_of
from sb3_ac_ext.algorithms.backprop.layers import Layers
from sb3_ac_ext.algorithms.backprop.objectives import objective_of
from sb3_ac_ext.algorithms.on_policy import Batch
from tests.algorithms.environments import Random

SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [16, 8]}, "compile": False, "seed": 1}
PPO_SMALL = {**SMALL, "n_steps": 32, "batch_size": 16, "n_epochs": 2}


def untrained(cls: Any, action: str = "discrete", observation: str = "box", **settings: Any) -> Any:
    kwargs = {"observation": observation, "action": action}
    env = make_vec_env(Random, 2, seed=3, env_kwargs=kwargs)
    defaults = PPO_SMALL if issubclass(cls, stable_baselines3.PPO) else SMALL
    return cls("MlpPolicy", env, device="cpu", **{**defaults, **settings})


def trained(cls: Any, *spaces: str, steps: int = 128, **settings: Any) -> Any:
    return untrained(cls, *spaces, **settings).learn(steps)


def weights(model: Any) -> th.Tensor:
    return th.cat([p.detach().reshape(-1) for p in model.policy.parameters()])


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
@pytest.mark.parametrize("widths", [(3, 5), (3, 6, 2), (4, 8, 8, 1)])
def test_layers_are_those_of_autograd(activation: Any, widths: tuple[int, ...]) -> None:
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        modules += [nn.Linear(inputs, outputs), activation()]
    network = nn.Sequential(*modules[:-1])
    x, slope = th.randn(7, widths[0]), th.randn(7, widths[-1])
    out = network(x)
    theirs = th.autograd.grad(out, list(network.parameters()), slope)
    layers = Layers(list(network))
    for parameter in network.parameters():
        parameter.grad = th.full_like(parameter, float("nan"))
    with th.no_grad():
        assert th.equal(layers(x), out)
        layers.backward(slope)
    for parameter, expected in zip(network.parameters(), theirs, strict=True):
        th.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize(
    "modules",
    [
        [nn.Linear(2, 3), nn.ELU()],
        [nn.Tanh(), nn.Linear(2, 3)],
        [nn.Linear(2, 3), nn.Tanh(), nn.Tanh()],
        [nn.Linear(2, 3, bias=False)],
        [nn.Identity()],
    ],
)
def test_other_layers_are_refused(modules: list[nn.Module]) -> None:
    with pytest.raises(TypeError, match="is not differentiated here"):
        Layers(modules)


@pytest.mark.parametrize("action", ["discrete", "box"])
def test_distributions_are_those_of_sb3(action: str) -> None:
    policy = untrained(PPO, action).policy
    gaussian = action == "box"
    if gaussian:
        policy.log_std.data = th.tensor([0.3, -0.7])
        policy.log_std.grad = th.zeros(2)
    out = (3.0 * th.randn(9, 2 if gaussian else 3)).requires_grad_()
    actions = th.randn(9, 2) if gaussian else th.randint(0, 3, (9, 1))
    told = (out, policy.log_std) if gaussian else (out,)
    distribution = policy.action_dist.proba_distribution(*told)
    evaluated = distribution.log_prob(actions if gaussian else actions.flatten())
    slopes = th.randn(9), th.randn(9)
    parts = (evaluated, distribution.entropy())
    theirs = th.autograd.grad(parts, told, slopes)

    head = head_of(policy)
    mine = head(out.detach().numpy(), actions.float().numpy())
    for part, expected in zip(mine, parts, strict=True):
        np.testing.assert_allclose(part, expected.detach().numpy(), rtol=1e-5, atol=1e-6)
    slope = head.backward(*(each.numpy() for each in slopes))
    np.testing.assert_allclose(slope, theirs[0].numpy(), rtol=1e-4, atol=1e-5)
    if gaussian:
        np.testing.assert_allclose(policy.log_std.grad, theirs[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("cls", "settings", "coefs"),
    [
        (PPO, {}, {}),
        (PPO, {"normalize_advantage": False}, {"ent_coef": 0.1}),
        (PPO, {"advantage_clip": 0.5}, {"clip_range_vf": 0.2}),
        (A2C, {}, {"ent_coef": 0.1}),
        (A2C, {"normalize_advantage": True}, {}),
        (REINFORCE, {}, {"ent_coef": 0.1}),
    ],
)
def test_formulas_are_the_objectives(
    cls: Any, settings: dict[str, Any], coefs: dict[str, float]
) -> None:
    model = untrained(cls, **settings)
    formula = objective_of(model)
    assert formula is not None
    coefs = {"ent_coef": 0.0, "vf_coef": 0.7, "clip_range": 0.2, **coefs}
    th.manual_seed(0)
    columns = th.randn(7, 50)
    columns[4] = columns[1] + 0.3 * columns[4]  # ratios on both sides of the clip range
    told, slopes = formula(model, Batch(*columns.clone()), coefs)

    seen = [column.requires_grad_() for column in columns[:3].clone()]
    loss, terms = model.objective(Batch(*seen, *columns[3:]), coefs)
    theirs = th.autograd.grad(loss, seen, materialize_grads=True)
    assert told.names == tuple(terms)
    expected = th.stack([term.detach() for term in terms.values()])
    th.testing.assert_close(told.values, expected, rtol=1e-5, atol=1e-6)
    for name, slope, reference in zip(slopes._fields, slopes, theirs, strict=True):
        np.testing.assert_allclose(slope, reference, rtol=1e-5, atol=1e-8, err_msg=name)
        assert slope.dtype == np.float32


@pytest.mark.parametrize("action", ["discrete", "box"])
@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (PPO, {}),
        (PPO, {"clip_range_vf": 0.1, "ent_coef": 0.01, "target_kl": 0.02}),
        (PPO, {"critic_learning_rate": 1e-2, "advantage_clip": 1.0}),
        (A2C, {}),
        (A2C, {"use_rms_prop": False, "ent_coef": 0.01}),
        (A2C, {"policy_kwargs": {"activation_fn": nn.ReLU}}),
        (REINFORCE, {"n_steps": 64}),
    ],
)
def test_updates_are_those_of_autograd(
    cls: Any, action: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = trained(cls, action, **settings)
    assert ours._backprop is not None and ours._backprop._agrees is True
    monkeypatch.setattr(cls, "_eager_step", lambda model: model.learn_from)
    theirs = trained(cls, action, **settings)
    th.testing.assert_close(weights(ours), weights(theirs), rtol=1e-3, atol=1e-4)
    assert not th.equal(weights(ours), weights(untrained(cls, action, **settings)))


class OwnStep(PPO):
    def learn_from(self, samples: Any, coefs: Any) -> Any:
        return super().learn_from(samples, coefs)


class OwnObjective(PPO):
    def objective(self, batch: Batch, coefs: Any) -> Any:
        return super().objective(batch, coefs)


class OwnAdvantages(PPO):
    def advantages(self, batch: Batch) -> th.Tensor:
        return super().advantages(batch)


class OwnCoefficients(PPO):
    def coefficients(self) -> Any:
        return super().coefficients()


@pytest.mark.parametrize(
    ("cls", "observation", "action", "settings"),
    [
        (PPO, "box", "discrete", {"exact": True}),
        (PPO, "discrete", "discrete", {}),
        (PPO, "image", "discrete", {}),
        (PPO, "box", "multi_discrete", {}),
        (PPO, "box", "box", {"use_sde": True}),
        (PPO, "box", "box", {"policy_kwargs": {"activation_fn": nn.ELU}}),
        (REINFORCE, "box", "box", {"baseline": False}),
        (OwnStep, "box", "discrete", {}),
        (OwnObjective, "box", "discrete", {}),
        (OwnAdvantages, "box", "discrete", {}),
        (OwnCoefficients, "box", "discrete", {}),
    ],
)
def test_others_are_left_to_autograd(
    cls: Any, observation: str, action: str, settings: dict[str, Any]
) -> None:
    assert trained(cls, action, observation, **settings)._backprop is None


@pytest.mark.parametrize(
    "hook",
    [
        lambda policy: policy.action_net.register_forward_hook(lambda *_: None),
        lambda policy: policy.action_net.register_forward_pre_hook(lambda *_: None),
        lambda policy: policy.action_net.register_full_backward_hook(lambda *_: None),
        lambda policy: policy.action_net.weight.register_hook(lambda grad: None),
        lambda policy: policy.action_net.weight.requires_grad_(False),
    ],
)
def test_what_autograd_alone_does_is_left_to_it(hook: Any) -> None:
    model = trained(PPO)
    assert model._backprop is not None
    hook(model.policy)
    model.learn(64)
    assert model._backprop is None


def test_frozen_layers_stay_as_they_are() -> None:
    model = untrained(PPO)
    frozen = model.policy.mlp_extractor.policy_net[0].weight.requires_grad_(False)
    before = frozen.clone()
    model.learn(64)
    assert th.equal(frozen, before)


def test_a_gradient_that_is_not_autograds_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    def learned(eager: bool) -> Any:
        model = untrained(PPO)
        evaluated = model.policy.evaluate_actions

        def doubled(*args: Any) -> Any:
            values, *rest = evaluated(*args)
            return 2.0 * values, *rest

        monkeypatch.setattr(model.policy, "evaluate_actions", doubled)
        if eager:
            monkeypatch.setattr(model, "_eager_step", lambda: model.learn_from)
        return model.learn(64)

    ours, theirs = learned(False), learned(True)
    assert ours._backprop._agrees is False
    assert th.equal(weights(ours), weights(theirs))


def test_clip_ranges_in_double_precision() -> None:
    def learned(exact: bool) -> Any:
        model = untrained(PPO, learning_rate=0.01, exact=exact)
        model.clip_range = lambda _: np.float64(0.2)
        return model.learn(128)

    th.testing.assert_close(*map(weights, map(learned, (False, True))), rtol=1e-3, atol=1e-4)


def test_what_is_not_finite_is_an_error_as_ever() -> None:
    model = trained(PPO)
    model.policy.action_net.weight.data[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        model.train()


def _log_std(model: Any) -> None:
    model.policy.log_std = nn.Parameter(th.full((2,), -0.5))


def _layer(model: Any) -> None:
    model.policy.action_net.weight = nn.Parameter(0.5 * model.policy.action_net.weight.detach())


def _assigned(model: Any) -> None:
    state = {name: 0.5 * part for name, part in model.policy.state_dict().items()}
    model.policy.load_state_dict(state, assign=True)


def _extractor(model: Any) -> None:
    model.policy.features_extractor = nn.Sequential(nn.Flatten(), nn.Tanh())
    model.policy.pi_features_extractor = model.policy.features_extractor
    model.policy.vf_features_extractor = model.policy.features_extractor


@pytest.mark.parametrize("change", [_log_std, _layer, _assigned, _extractor])
def test_policies_that_somebody_changes(change: Any) -> None:
    def learned(exact: bool) -> Any:
        model = trained(PPO, "box", exact=exact)
        change(model)
        policy = model.policy
        policy.optimizer = th.optim.Adam(policy.parameters(), 1e-3, eps=1e-5)
        return model.learn(64)

    th.testing.assert_close(*map(weights, map(learned, (False, True))), rtol=1e-3, atol=1e-4)


def test_an_optimizer_of_a_part_trains_that_part() -> None:
    model = trained(PPO)
    policy = model.policy
    before = policy.value_net.weight.clone()
    policy.optimizer = th.optim.Adam(policy.action_net.parameters(), 1e-3)
    model.learn(64)
    assert model._backprop._agrees is True and th.equal(policy.value_net.weight, before)


def test_gradients_that_hooks_replace_are_the_ones_that_are_followed() -> None:
    model = untrained(PPO)
    bias, weight = model.policy.action_net.bias, model.policy.action_net.weight
    before, kept = bias.clone(), weight.clone()

    def none(parameter: Any) -> None:
        parameter.grad = None

    bias.register_post_accumulate_grad_hook(none)
    model.learn(64)
    assert model._backprop._agrees is True
    assert th.equal(bias, before) and not th.equal(weight, kept)


def test_saved_policies_are_as_small_as_ever() -> None:
    sizes = [len(pickle.dumps(trained(PPO, exact=exact).policy.state_dict())) for exact in (0, 1)]
    assert sizes[0] <= 1.01 * sizes[1]


def test_hooks_of_optimizers_and_on_gradients_are_called() -> None:
    model = untrained(PPO)
    seen: list[str] = []
    norms: list[float] = []
    parameters = list(model.policy.parameters())
    model.policy.optimizer.register_step_pre_hook(
        lambda *_: norms.append(float(sum(p.grad.square().sum() for p in parameters) ** 0.5))
    )
    model.policy.optimizer.register_step_post_hook(lambda *_: seen.append("step"))
    parameters[-1].register_post_accumulate_grad_hook(lambda p: seen.append("gradient"))
    model.learn(64)
    assert model._backprop._agrees is True
    assert seen == ["gradient", "step"] * 8, "of 2 epochs with 4 batches"
    assert all(0.0 < norm <= model.max_grad_norm + 1e-5 for norm in norms)
    assert len(model.policy.optimizer.param_groups[0]["params"]) == len(parameters)


def test_optimizers_are_afterwards_as_if_nothing_had_been(tmp_path: Path) -> None:
    ours, theirs = trained(PPO), trained(PPO, exact=True)
    mine, other = (m.policy.optimizer.state_dict() for m in (ours, theirs))
    assert (
        mine["param_groups"] == other["param_groups"]
        and mine["state"].keys() == other["state"].keys()
    )
    for k, state in other["state"].items():
        assert mine["state"][k].keys() == state.keys()
        for name, value in state.items():
            th.testing.assert_close(mine["state"][k][name], value, rtol=1e-3, atol=1e-5)
    ours.save(tmp_path / "model")
    there = stable_baselines3.PPO.load(tmp_path / "model", env=ours.get_env())
    assert float(there.policy.optimizer.state_dict()["state"][0]["step"]) == 16.0
    there.learn(64)


def test_saved_and_copied_models_have_gradients_of_their_own(tmp_path: Path) -> None:
    model = trained(A2C)
    model.save(tmp_path / "model")
    other = A2C.load(tmp_path / "model", env=model.get_env())
    for helper in ("_backprop", "_actor"):
        assert vars(model)[helper] is not None and model.__getstate__()[helper] is None
        assert helper not in vars(other)
    before = weights(model).clone()
    other.learn(40)
    assert other._backprop._agrees is True
    assert th.equal(weights(model), before) and not th.equal(weights(other), before)


@pytest.mark.parametrize("compiled", [False, "wait"])
def test_a_policy_that_is_put_in_later_is_the_one_that_learns(
    compiled: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SB3_AC_EXT_CACHE", str(tmp_path))
    model = trained(PPO, compile=compiled)
    first = model.policy
    model.policy = deepcopy(untrained(PPO).policy)
    before, left = weights(model).clone(), th.cat([p.reshape(-1) for p in first.parameters()])
    model.learn(64)
    assert not th.equal(weights(model), before)
    assert th.equal(th.cat([p.reshape(-1) for p in first.parameters()]), left)
    expected = untrained(PPO, compile=False)
    expected.policy.load_state_dict(model.policy.state_dict())
    observations = th.randn(4, 3)
    assert th.equal(
        model.policy.predict_values(observations), expected.policy.predict_values(observations)
    )


def test_optimizers_that_are_loaded_are_the_ones_that_step() -> None:
    model = trained(PPO)
    state = deepcopy(model.policy.optimizer.state_dict())
    model.learn(64)
    model.policy.optimizer.load_state_dict(state)
    model.learn(64)
    assert float(model.policy.optimizer.state_dict()["state"][0]["step"]) == 16.0 + 8.0
