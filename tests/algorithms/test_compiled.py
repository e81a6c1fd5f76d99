"""Compiled updates: the same steps as eager ones, and never in the way of a run."""

import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch as th
from stable_baselines3.common.env_util import make_vec_env

from sb3_ac_ext import A2C, DDPG, DQN, PPO, SAC, TD3, DiagnosticsCallback, PrioritizedReplayBuffer
from sb3_ac_ext.algorithms import drop_in
from sb3_ac_ext.algorithms.compiled import (
    background,
    cache,
    processor,
    products,
    replay_update,
    worth,
)
from sb3_ac_ext.algorithms.compiled.agreement import disagreement
from sb3_ac_ext.algorithms.compiled.compiler import TOLERANCE
from sb3_ac_ext.algorithms.compiled.observations import parts
from sb3_ac_ext.algorithms.compiled.optimizers import pure
from sb3_ac_ext.algorithms.compiled.replay_update import ReplayUpdate
from sb3_ac_ext.algorithms.compiled.rollout_update import flatten_rollout
from sb3_ac_ext.algorithms.flat import FlatParameters
from tests.algorithms.environments import Random
from tests.compiled import is_compiled

SETTINGS: dict[str, Any] = {"n_steps": 16, "batch_size": 8, "n_epochs": 2, "seed": 1}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


def env(action: str = "discrete", observation: str = "box") -> Any:
    return make_vec_env(
        Random, 2, seed=3, env_kwargs={"action": action, "observation": observation}
    )


def weights(model: Any) -> th.Tensor:
    return th.cat([p.detach().reshape(-1) for p in model.policy.parameters()])


def untrained(cls: Any, action: str = "discrete", observation: str = "box", **settings: Any) -> Any:
    policy = "MlpPolicy" if observation == "box" else "MultiInputPolicy"
    return cls(policy, env(action, observation), device="cpu", **settings)


def after_one_update(cls: Any, **settings: Any) -> Any:
    model = untrained(cls, **settings)
    model.learn(model.n_steps * model.n_envs)
    return model


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (PPO, {**SETTINGS, "batch_size": 12, "ent_coef": 0.01}),
        (A2C, {"action": "box", "seed": 1}),
        pytest.param(PPO, {**SETTINGS, "observation": "arrays"}, marks=pytest.mark.slow),
        pytest.param(
            PPO,
            {**SETTINGS, "action": "box", "target_kl": 1e-4, "clip_range_vf": 0.1},
            marks=pytest.mark.slow,
        ),
        pytest.param(PPO, {**SETTINGS, "action": "multi_discrete"}, marks=pytest.mark.slow),
        pytest.param(PPO, {**SETTINGS, "action": "box", "use_sde": True}, marks=pytest.mark.slow),
    ],
)
def test_one_update_is_that_of_the_eager_path(cls: Any, settings: dict[str, Any]) -> None:
    start = weights(untrained(cls, **settings))
    eager = after_one_update(cls, **settings)
    compiled = after_one_update(cls, compile="wait", **settings)
    assert is_compiled(compiled)
    moved = (weights(eager) - start).norm()
    assert (weights(compiled) - weights(eager)).norm() < 1e-3 * moved
    for name, value in eager.logger.name_to_value.items():
        if name.startswith("train/"):
            assert compiled.logger.name_to_value[name] == pytest.approx(value, rel=1e-4, abs=1e-6)
    one, other = (m.policy.optimizer.state_dict()["state"] for m in (eager, compiled))
    for index, state in one.items():
        for key, value in state.items():
            assert th.allclose(other[index][key], value, rtol=1e-3, atol=1e-7), key


OFF_POLICY: dict[str, Any] = {
    "learning_starts": 20,
    "batch_size": 16,
    "buffer_size": 200,
    "policy_kwargs": {"net_arch": [16]},
    "seed": 1,
}


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (SAC, {}),
        (SAC, {"observation": "arrays"}),
        pytest.param(SAC, {"ent_coef": 0.2, "max_grad_norm": 0.5}, marks=pytest.mark.slow),
        pytest.param(SAC, {"n_steps": 3, "ent_coef": "lin_0.1"}, marks=pytest.mark.slow),
        pytest.param(TD3, {"n_steps": 3, "observation": "arrays"}, marks=pytest.mark.slow),
        pytest.param(
            SAC,
            {"target_update_interval": 2, "gradient_steps": 3, "train_freq": 4},
            marks=pytest.mark.slow,
        ),
        pytest.param(TD3, {"tau": "lin_0.1"}, marks=pytest.mark.slow),
        pytest.param(TD3, {"target_update_interval": 3, "tau": 1.0}, marks=pytest.mark.slow),
        pytest.param(DDPG, {"critic_learning_rate": 0.01}, marks=pytest.mark.slow),
    ],
)
def test_gradient_steps_are_those_of_the_eager_path(cls: Any, settings: dict[str, Any]) -> None:
    def trained(**more: Any) -> Any:
        settled = {**OFF_POLICY, "policy_kwargs": {"net_arch": [16]}, **settings, **more}
        return untrained(cls, "box", **settled)

    start = weights(trained())
    eager, compiled = trained().learn(60), trained(compile="wait").learn(60)
    assert eager._n_updates > 10 and is_compiled(compiled)
    moved = (weights(eager) - start).norm()
    assert (weights(compiled) - weights(eager)).norm() < 1e-3 * moved
    for name, value in eager.logger.name_to_value.items():
        if name.startswith("train/"):
            assert compiled.logger.name_to_value[name] == pytest.approx(value, rel=1e-3, abs=1e-5)
    for net in ("actor", "critic"):
        one, other = (getattr(m, net).optimizer.state_dict()["state"] for m in (eager, compiled))
        for index, state in one.items():
            assert float(other[index]["step"]) == float(state["step"])
            assert th.allclose(other[index]["exp_avg"], state["exp_avg"], rtol=1e-2, atol=1e-5)


@pytest.mark.skipif(not processor.has_bf16(), reason="this processor has no bfloat16")
@pytest.mark.parametrize(
    ("cls", "action", "settings"),
    [
        (SAC, "box", {**OFF_POLICY, "learning_starts": 55}),
        pytest.param(PPO, "discrete", SETTINGS, marks=pytest.mark.slow),
    ],
)
def test_products_in_bfloat16_are_nearly_those_in_float32(
    cls: Any, action: str, settings: dict[str, Any]
) -> None:
    def trained(**more: Any) -> Any:
        own = {**settings, "policy_kwargs": {"net_arch": [64, 64]}, **more}
        return cls("MlpPolicy", env(action), device="cpu", **own)

    start = weights(trained())
    full, half = (trained(compile="wait", bf16=bf16).learn(60) for bf16 in (False, True))
    assert is_compiled(full) and is_compiled(half) and half.bf16
    moved = (weights(full) - start).norm()
    assert 1e-4 * moved < (weights(half) - weights(full)).norm() < 0.3 * moved


def test_thin_layers_stay_in_float32() -> None:
    thin, square = th.nn.Linear(8, 128), th.nn.Linear(128, 128)
    rows = th.randn(16, 8)
    plain = thin(rows), square(thin(rows))
    with products.products(True):
        rounded = thin(rows), square(thin(rows))
        assert th.equal(rounded[0], plain[0])
        off = float((rounded[1] - plain[1]).detach().norm() / plain[1].norm())
        assert 1e-4 < off < 1e-2 and rounded[1].dtype is th.float32
    assert th.equal(square(thin(rows)), plain[1])


def test_without_bfloat16_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drop_in, "has_bf16", lambda: False)
    with pytest.warns(UserWarning, match="bf16=True changes nothing"):
        assert not PPO("MlpPolicy", env(), bf16=True, device="cpu", **SETTINGS).bf16


def test_compiled_gradient_steps_give_way_and_go_on(tmp_path: Path) -> None:
    def lived(compile: Any) -> tuple[Any, th.Tensor]:
        """A model whose moments and weights become other tensors in the middle of its life."""
        arguments = {**OFF_POLICY, "policy_kwargs": {"net_arch": [16]}}
        model = SAC("MlpPolicy", env("box"), device="cpu", compile=compile, **arguments).learn(40)
        copied, before = deepcopy(model.get_parameters()), weights(model)
        model.learn(20, reset_num_timesteps=False)
        model.set_parameters(copied)
        for parameter in model.actor.parameters():
            parameter.data = parameter.data.clone()
        return model.learn(20, reset_num_timesteps=False), before

    eager, before = lived(False)
    model, _ = lived("wait")
    assert is_compiled(model)
    moved = (weights(eager) - before).norm()
    assert (weights(model) - weights(eager)).norm() < 1e-3 * moved
    model.save(tmp_path / "model")
    loaded = stable_baselines3.SAC.load(tmp_path / "model")
    assert th.equal(weights(loaded), weights(model))
    callback = DiagnosticsCallback(verbose=0, canary_freq=0, every=1)
    model.learn(40, callback=callback, reset_num_timesteps=False)
    assert callback.history.has("gradients/critic/norm_mean"), "watched steps are eager"
    model.batch_size = 8
    model.compile = True
    model.learn(20, reset_num_timesteps=False)
    assert len(model._compiler._compilers._known) == 2, "other batches are other steps"
    assert deepcopy(model)._compiler is None


def test_rounding_that_adam_enlarges_is_no_disagreement() -> None:
    before, step = th.zeros(100), th.linspace(0.1, 0.2, 100)
    off = 4e-4 * step
    moved, near, far = (before + step, before + step * (1 + 1e-6), before + step + off)
    assert disagreement([(far, moved, before)], [(near, moved, before)]) < TOLERANCE
    assert disagreement([(near, moved, before)], [(far, moved, before)]) > TOLERANCE
    assert disagreement([(-moved, moved, before)], [(moved, moved, before)]) > TOLERANCE
    assert np.isnan(disagreement([(far * th.nan, moved, before)], [(near, moved, before)]))


def test_a_step_that_turns_out_nan_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "package.pt2"
    package.touch()
    monkeypatch.setattr(cache, "package_of", lambda job: package)
    monkeypatch.setattr(replay_update, "disagreement", lambda *_: float("nan"))
    monkeypatch.setattr(ReplayUpdate, "__init__", _idle)
    monkeypatch.setattr(ReplayUpdate, "gradient_step", lambda self, data: {})
    with pytest.warns(UserWarning, match="differs from an eager one by nan"):
        model = SAC("MlpPolicy", env("box"), device="cpu", compile="wait", **OFF_POLICY).learn(40)
    assert th.equal(
        weights(model),
        weights(SAC("MlpPolicy", env("box"), device="cpu", compile=False, **OFF_POLICY).learn(40)),
    )
    assert package.exists(), "others may agree with it"


def _idle(self: Any, model: Any, networks: Any, job: Any, package: Any) -> None:
    self._model, self._networks, self._job = model, networks, job


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"use_sde": True}, "use_sde"),
        ({"critic_subset": 1}, "critic_subset"),
        ({"log_std_bounds": (-3.0, 0.0)}, "forward hooks"),
        ({"replay_buffer_class": PrioritizedReplayBuffer}, "prioritized replay"),
        ({"policy_kwargs": {"optimizer_class": th.optim.SGD}}, "SGD"),
    ],
)
def test_gradient_steps_that_cannot_be_compiled(settings: dict[str, Any], reason: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arguments = {**OFF_POLICY, "policy_kwargs": None, **settings}
        SAC("MlpPolicy", env("box"), device="cpu", compile=True, **arguments).learn(40)
    said = [str(one.message) for one in caught if "not compiled" in str(one.message)]
    assert len(said) == 1 and reason in said[0]


@pytest.mark.parametrize("observation", ["box", "arrays"])
def test_rollouts_are_flattened_as_the_buffer_does(observation: str) -> None:
    model = untrained(A2C, "box", observation, n_steps=4).learn(8)
    buffer = model.rollout_buffer
    buffer.reset()
    rng = np.random.default_rng(0)
    for part in parts(model.observation_space, buffer.observations):
        part[:] = rng.normal(size=part.shape)
    for name in ("actions", "values", "log_probs", "advantages", "returns"):
        getattr(buffer, name)[:] = rng.normal(size=getattr(buffer, name).shape)
    buffer.full = True
    other = deepcopy(buffer)
    flatten_rollout(buffer)
    next(other.get())
    assert buffer.generator_ready
    for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
        mine, theirs = getattr(buffer, name), getattr(other, name)
        if isinstance(mine, dict):
            assert all(np.array_equal(mine[key], theirs[key]) for key in theirs)
        else:
            assert np.array_equal(mine, theirs)


def test_dictionaries_of_arrays_alone_are_compiled() -> None:
    with pytest.warns(UserWarning, match="not arrays or dictionaries of arrays"):
        untrained(SAC, "box", "dict", compile=True, **OFF_POLICY).learn(40)


def test_steps_of_dqn_stay_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(compile: Any) -> DQN:
        model = DQN("MlpPolicy", env(), learning_starts=10, seed=0, compile=compile)
        return model.learn(40)

    with pytest.warns(UserWarning, match="DQN has a gradient step of its own"):
        asked = trained("wait")
    monkeypatch.setattr(drop_in, "long_enough", lambda model: True)
    assert weights(asked).equal(weights(trained(False)))
    assert weights(asked).equal(weights(trained("auto")))


@pytest.mark.parametrize("part", ["gradient_step", "temperature_step", "update_targets"])
def test_parts_of_ones_own_are_not_compiled_away(part: str) -> None:
    def own(self: Any, *args: Any) -> Any:
        return getattr(SAC, part)(self, *args)

    mine = type("Mine", (SAC,), {part: own})
    with pytest.warns(UserWarning, match="Mine has a gradient step of its own"):
        mine("MlpPolicy", env("box"), device="cpu", compile=True, **OFF_POLICY).learn(40)


def test_cached_packages_saved_models_and_watched_updates(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = after_one_update(PPO, compile="wait", **SETTINGS)
    assert len(list(own_cache.iterdir())) == 1
    model.save(tmp_path / "model.zip")

    def no_build(*_: Any) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(background.Build, "__init__", no_build)
    loaded = PPO.load(tmp_path / "model.zip", env=env())
    assert loaded.compile == "wait" and th.equal(weights(loaded), weights(model))
    loaded.learn(64)
    assert is_compiled(loaded)

    watched = PPO("MlpPolicy", env(), compile="wait", device="cpu", **SETTINGS)
    callback = DiagnosticsCallback(verbose=0, canary_freq=0, every=1)
    watched.learn(96, callback=callback)
    assert watched._compiler is None, "every update was watched"
    assert callback.history.has("gradients/policy/norm_mean")
    watched.learn(64)
    assert is_compiled(watched)

    [package] = own_cache.iterdir()
    package.write_bytes(b"cut short")
    with pytest.warns(UserWarning, match="cannot be used"):
        after_one_update(PPO, compile="wait", **SETTINGS)
    assert not package.exists()


def test_a_build_that_fails_leaves_the_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(UserWarning, match="updates are not compiled: compiling failed"):
        broken = after_one_update(PPO, compile="wait", **SETTINGS)
    assert th.equal(weights(broken), weights(after_one_update(PPO, **SETTINGS)))


def test_a_run_does_not_wait_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background.Build, "done", False)
    model, eager = (
        PPO("MlpPolicy", env(), compile=mode, **SETTINGS).learn(96) for mode in (True, False)
    )
    assert th.equal(weights(model), weights(eager))
    [compiler] = model._compiler._compilers._known.values()
    build = compiler._build
    build.close()
    assert build._process.poll() is not None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"critic_learning_rate": 0.01}, "Adam with these settings"),
        ({"policy_kwargs": {"optimizer_class": th.optim.SGD}}, "SGD"),
        ({"policy_kwargs": {"optimizer_kwargs": {"weight_decay": 0.1}}}, "Adam"),
    ],
)
def test_what_cannot_be_compiled_is_said_once(settings: dict[str, Any], reason: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PPO("MlpPolicy", env(), device="cpu", compile=True, **SETTINGS, **settings)
        model.learn(96)
    said = [str(one.message) for one in caught if "not compiled" in str(one.message)]
    assert len(said) == 1 and reason in said[0]


@pytest.mark.parametrize("name", ["PPO", "SAC"])
def test_by_default_runs_are_compiled_that_are_long_enough(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiler(**settings: Any) -> Any:
        own = SETTINGS if name == "PPO" else OFF_POLICY
        arguments = {**own, "policy_kwargs": {"net_arch": [16]}, **settings}
        cls = {"PPO": PPO, "SAC": SAC}[name]
        return cls("MlpPolicy", env("box"), device="cpu", **arguments).learn(96)._compiler

    monkeypatch.setattr(background.Build, "done", False)
    assert compiler() is None
    monkeypatch.setattr(worth, "SETTLED", 0.0)
    assert compiler() is None, "two minutes must be left"
    monkeypatch.setattr(worth, "LEAST_LEFT", 0.0)
    assert compiler() is not None
    assert compiler(exact=True) is None and compiler(compile=False) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        odd = {"policy_kwargs": {"optimizer_class": th.optim.SGD}}
        assert list(compiler(**odd)._compilers._known.values()) == [None], "and nothing is said"


@pytest.mark.parametrize(
    "arguments",
    [
        {"compile": "always"},
        {"compile": True, "exact": True},
        {"bf16": True, "exact": True},
        {"bf16": True, "compile": False},
    ],
)
def test_wrong_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="compile"):
        PPO("MlpPolicy", env(), **arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: th.optim.Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-5),
        lambda p: th.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-5),
    ],
)
def test_pure_optimizers_step_as_torch_does(make: Any) -> None:
    th.manual_seed(0)
    modules = [th.nn.Linear(3, 2), th.nn.Linear(3, 2)]
    modules[1].load_state_dict(modules[0].state_dict())
    usual, flat = (make(list(module.parameters())) for module in modules)
    rule = pure(flat)
    assert rule is not None
    vectors = FlatParameters(flat, rule.state)
    for k in range(1, 5):
        for p in modules[0].parameters():
            p.grad = th.randn_like(p)
        grad = th.cat([p.grad.reshape(-1) for p in modules[0].parameters()])
        usual.step()
        factors = th.tensor(rule.factors(float(k), 0.01))
        new, state = rule(vectors.vector, grad, vectors.state, factors)
        vectors.vector.copy_(new)
        for old, part in zip(vectors.state, state, strict=True):
            old.copy_(part)
        vectors.step = k
    for mine, other in zip(modules[1].parameters(), modules[0].parameters(), strict=True):
        assert th.allclose(mine, other, rtol=1e-6, atol=1e-7)
    assert vectors.whole and np.isclose(vectors.step, 4)
    modules[1].weight.data = th.zeros(2, 3)
    assert not vectors.whole


@pytest.mark.parametrize(
    "change",
    [
        lambda optimizer: optimizer.state.clear(),
        lambda optimizer: optimizer.load_state_dict(optimizer.state_dict()),
        lambda optimizer: next(iter(optimizer.state.values())).update(exp_avg=th.zeros(2, 3)),
    ],
)
def test_vectors_know_when_the_optimizer_has_another_state(change):
    layer = th.nn.Linear(3, 2)
    optimizer = th.optim.Adam(layer.parameters())
    vectors = FlatParameters(optimizer, ("exp_avg", "exp_avg_sq"))
    assert vectors.whole
    change(optimizer)
    assert not vectors.whole
