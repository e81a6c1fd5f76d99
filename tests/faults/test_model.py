"""What faults inside a model change, and that nothing of them is left."""

from __future__ import annotations

import io
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch as th
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.save_util import load_from_pkl, save_to_pkl

from sb3_ac_ext import faults
from sb3_ac_ext.faults import Injection
from sb3_ac_ext.faults.base import OFF_POLICY, ON_POLICY
from sb3_ac_ext.faults.overriding import overridden, override
from sb3_ac_ext.faults.parts import parameters, reversed_gradient

from .training import build, settings, task_kind, train, vec_env, weights


def models() -> list[tuple[str, str]]:
    """Every fault of the model with one algorithm of each family, all of them in turn."""
    chosen = [faults.get(name) for name in faults.names()]
    chosen = [fault for fault in chosen if "model" in fault.seams]
    found = []
    for n, fault in enumerate(chosen):
        for family in (ON_POLICY, OFF_POLICY):
            algos = [algo for algo in fault.algos if algo in family]
            found += [(fault.name, algo) for algo in algos[n % max(1, len(algos)) :][:1]]
    return found


@cache
def untrained(algo: str, continuous: bool) -> Any:
    return build(algo, vec_env(continuous))


def surface(model: Any) -> dict[str, Any]:
    """Types, attributes and structure of everything that a fault may patch."""
    policy = model.policy
    parts = {
        "model": model,
        "policy": policy,
        "rollout": getattr(model, "rollout_buffer", None),
        "replay": getattr(model, "replay_buffer", None),
        **{name: module for name, module in policy.named_modules() if name},
    }
    for owner in (policy, getattr(policy, "actor", None), getattr(policy, "critic", None)):
        parts[f"optimizer {type(owner).__name__}"] = getattr(owner, "optimizer", None)
    found: dict[str, Any] = {name: type(part) for name, part in parts.items()}
    for name, part in parts.items():
        found[f"{name} attributes"] = sorted(getattr(part, "__dict__", {}))
        for group in getattr(part, "param_groups", []):
            found[f"{name} parameters"] = [id(p) for p in group["params"]]
    found["gradients"] = [(name, p.requires_grad) for name, p in policy.named_parameters()]
    found["own"] = {key: id(value) for key, value in model.__dict__.items()}
    return found


def parts_of(model: Any) -> list[Any]:
    policy = model.policy
    buffers = [getattr(model, f"{kind}_buffer", None) for kind in ("rollout", "replay")]
    optimizers = [getattr(part, "optimizer", None) for part in policy.modules()]
    return [model, *policy.modules(), *buffers, *optimizers]


def names(parts: list[Any]) -> list[Any]:
    return [(str(type(p)), type(p).__doc__, sorted(getattr(p, "__dict__", ()))) for p in parts]


@pytest.mark.parametrize(("name", "algo"), models())
def test_all_is_undone_and_names_do_not_tell(name: str, algo: str) -> None:
    model = untrained(algo, task_kind(faults.get(name), algo))
    before, parts = surface(model), parts_of(model)
    right = names(parts)
    with pytest.raises(KeyError), faults.inject(name, model):
        broken = names(parts)
        raise KeyError
    assert broken == right
    assert surface(model) == before


@pytest.mark.parametrize(
    ("name", "algo"),
    [
        ("policy_loss_sign", "ppo"),
        ("advantages_shuffled", "a2c"),
        ("frozen_critic", "sac"),
        ("actor_loss_sign", "td3"),
        ("dropout_in_policy", "ddpg"),
        ("target_is_online", "sac"),
        ("replay_terminal_obs_is_reset_obs", "sac"),
    ],
)
def test_training_is_whole_again_afterwards(name: str, algo: str) -> None:
    """Only the weights and the optimizers' moments remember the fault."""
    model = build(algo, vec_env(task_kind(faults.get(name), algo)))
    before = surface(model)
    with faults.inject(name, model):
        model.learn(64)
    after = surface(model)
    for part in ("model", "policy", "gradients"):
        assert after[part] == before[part]
    assert [after[key] for key in before if key.endswith("parameters")] == [
        before[key] for key in before if key.endswith("parameters")
    ]
    broken = weights(model)
    model.learn(64)
    assert np.isfinite(weights(model)).all()
    assert not np.array_equal(weights(model), broken)


class Recorder(BaseCallback):
    """Rollout buffers as they are before the update, and what the environment gave."""

    def _on_training_start(self) -> None:
        self.rollouts: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []

    def _on_step(self) -> bool:
        keys = ("rewards", "dones", "infos", "actions", "new_obs", "values", "log_probs")
        step = {key: self.locals[key] for key in keys if key in self.locals}
        step["rewards"], step["infos"] = step["rewards"].copy(), list(step["infos"])
        self.steps.append(step)
        return True

    def _on_rollout_end(self) -> None:
        buffer = getattr(self.model, "rollout_buffer", None)
        if buffer is not None:
            columns = ("observations", "actions", "rewards", "values", "log_probs")
            columns += ("advantages", "returns", "episode_starts")
            self.rollouts.append({name: getattr(buffer, name).copy() for name in columns})
            self.rollouts[-1]["last"] = self.locals["values"].numpy().copy().flatten()
            self.rollouts[-1]["dones"] = self.locals["dones"].copy()

    def stacked(self, key: str) -> Any:
        return np.array([np.asarray(step[key]) for step in self.steps])


def rollout(name: str | None, severity: float | None = None, algo: str = "ppo") -> Any:
    """One rollout of 16 steps of 4 workers, continuous actions."""
    injection = None if name is None else Injection(faults.get(name), severity)
    model = build(algo, vec_env(True, injection), injection)
    recorder = Recorder()
    if injection is None:
        model.learn(64, recorder)
    else:
        with injection.model(model):
            model.learn(64, recorder)
    return recorder, recorder.rollouts[0]


CLEAN, CLEAN_ROLLOUT = rollout(None)


def advantages_of(data: Any, gamma: float = 0.99, lam: float = 0.95) -> Any:
    """Generalised advantage estimate of a recorded rollout."""
    result, running = np.zeros_like(data["rewards"]), 0.0
    for t in reversed(range(len(result))):
        final = t == len(result) - 1
        alive = 1.0 - (data["dones"] if final else data["episode_starts"][t + 1])
        following = data["last"] if final else data["values"][t + 1]
        delta = data["rewards"][t] + gamma * following * alive - data["values"][t]
        running = delta + gamma * lam * alive * running
        result[t] = running
    return result


@pytest.mark.parametrize(
    ("name", "severity", "column", "change"),
    [
        ("stored_clipped_action", None, "actions", lambda c: np.clip(c, -2, 2)),
        ("stored_clipped_action", 0.25, "actions", lambda c: np.clip(c, -0.5, 0.5)),
        ("stored_log_prob_of_other_action", None, "log_probs", lambda c: c[[0, *range(15)]]),
        ("stored_prob_as_log_prob", None, "log_probs", np.exp),
        ("stored_obs_shifted", 2, "observations", lambda c: c[[0, 0, *range(14)]]),
        ("stored_rewards_shifted", None, "rewards", lambda c: c[[0, *range(15)]]),
        ("stored_rewards_clipped_sign", None, "rewards", np.sign),
        ("stored_values_shifted", None, "values", lambda c: c[[0, *range(15)]]),
        ("stored_episode_starts_shifted", None, "episode_starts", lambda c: c[[0, *range(15)]]),
        ("advantages_zero", None, "advantages", np.zeros_like),
        ("advantages_reversed_time", None, "advantages", lambda c: c[::-1]),
        ("advantages_sign", None, "advantages", np.negative),
        ("advantages_of_other_worker", None, "advantages", lambda c: np.roll(c, 1, axis=1)),
        ("returns_without_values", None, "returns", lambda c: c - CLEAN_ROLLOUT["values"]),
    ],
)
def test_one_column_of_the_rollout_is_wrong(
    name: str, severity: float | None, column: str, change: Any
) -> None:
    _, data = rollout(name, severity)
    assert not np.allclose(data[column], CLEAN_ROLLOUT[column])
    np.testing.assert_allclose(data[column], change(CLEAN_ROLLOUT[column]), atol=1e-5)
    stored = {"observations", "actions", "rewards", "values", "log_probs", "episode_starts"}
    for other in stored - {column}:
        np.testing.assert_array_equal(data[other], CLEAN_ROLLOUT[other])


def test_next_observations_are_stored() -> None:
    _, data = rollout("stored_obs_is_next")
    np.testing.assert_array_equal(data["observations"], CLEAN.stacked("new_obs")[:16])


@pytest.mark.parametrize(
    ("name", "column"),
    [("stored_actions_shuffled", "actions"), ("advantages_shuffled", "advantages")],
)
def test_a_shuffled_column_holds_the_same_numbers(name: str, column: str) -> None:
    _, data = rollout(name)
    assert not np.array_equal(data[column], CLEAN_ROLLOUT[column])
    np.testing.assert_array_equal(
        np.sort(data[column].ravel()), np.sort(CLEAN_ROLLOUT[column].ravel())
    )


@pytest.mark.parametrize(
    ("name", "changes", "gammas"),
    [
        ("last_value_zero", {"last": np.zeros(4)}, (0.99, 0.95)),
        (
            "ignores_episode_ends",
            {"episode_starts": np.zeros((16, 4)), "dones": np.zeros(4)},
            (0.99, 0.95),
        ),
        ("gamma_mismatch", {}, (0.5, 0.95)),
        ("lambda_mismatch", {}, (0.99, 0.3)),
    ],
)
def test_advantages_are_those_of_another_formula(name: str, changes: Any, gammas: Any) -> None:
    np.testing.assert_allclose(CLEAN_ROLLOUT["advantages"], advantages_of(CLEAN_ROLLOUT), atol=1e-5)
    _, data = rollout(name)
    assert not np.allclose(data["advantages"], CLEAN_ROLLOUT["advantages"])
    np.testing.assert_allclose(
        data["advantages"], advantages_of({**CLEAN_ROLLOUT, **changes}, *gammas), atol=1e-5
    )
    np.testing.assert_array_equal(data["episode_starts"], CLEAN_ROLLOUT["episode_starts"])


def test_nothing_is_added_at_a_time_limit_though_callbacks_see_the_flag() -> None:
    recorder, data = rollout("no_timeout_bootstrap")
    truncated = [[i.get("TimeLimit.truncated", False) for i in s["infos"]] for s in recorder.steps]
    assert np.sum(truncated) > 0
    np.testing.assert_array_equal(data["rewards"], recorder.stacked("rewards"))
    assert not np.array_equal(CLEAN_ROLLOUT["rewards"], CLEAN.stacked("rewards"))


def test_minibatches_differ_from_the_buffer() -> None:
    model = train("ppo", None, True, steps=64)

    def batch(name: str | None) -> Any:
        np.random.seed(0)  # noqa: NPY002  the generator that SB3 uses
        if name is None:
            return list(model.rollout_buffer.get(32))
        with faults.inject(name, model):
            return list(model.rollout_buffer.get(32))

    clean = batch(None)
    shifted = batch("minibatch_advantages_shifted")
    assert th.equal(shifted[0].advantages, clean[0].advantages.roll(1))
    shuffled = batch("minibatch_actions_shuffled")
    assert not th.equal(shuffled[1].actions, clean[1].actions)
    assert th.equal(shuffled[1].actions.sort(0)[0], clean[1].actions.sort(0)[0])
    repeated = batch("minibatch_repeated")
    assert len(repeated) == len(clean)
    assert th.equal(repeated[0].observations, repeated[1].observations)


def replay(name: str | None, severity: float | None = None) -> tuple[Recorder, Any]:
    """A replay buffer after 24 random steps of 4 workers."""
    injection = None if name is None else Injection(faults.get(name), severity)
    model = build("sac", vec_env(True))
    model.learning_starts = 10_000
    recorder = Recorder()
    if injection is None:
        model.learn(96, recorder)
    else:
        with injection.model(model):
            model.learn(96, recorder)
    return recorder, model.replay_buffer


COLUMNS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


@pytest.mark.parametrize(
    ("name", "column", "change"),
    [
        ("replay_done_always", "dones", lambda b: np.ones((24, 4))),
        ("replay_done_never", "dones", lambda b: np.zeros((24, 4))),
        ("replay_actions_delayed", "actions", lambda b: b.actions[[0, *range(23)]]),
        ("replay_next_obs_is_obs", "next_observations", lambda b: b.observations[:24]),
        ("replay_obs_is_next_obs", "observations", lambda b: b.next_observations[:24]),
        ("replay_reward_delayed", "rewards", lambda b: b.rewards[[0] * 5 + [*range(19)]]),
        ("replay_reward_sign", "rewards", lambda b: -b.rewards[:24]),
        ("replay_timeouts_ignored", "timeouts", lambda b: np.zeros((24, 4))),
        ("replay_terminations_as_timeouts", "timeouts", lambda b: b.dones[:24]),
    ],
)
def test_one_column_of_the_replay_buffer_is_wrong(name: str, column: str, change: Any) -> None:
    _, clean = replay(None)
    _, broken = replay(name)
    assert not np.array_equal(getattr(broken, column)[:24], getattr(clean, column)[:24])
    np.testing.assert_array_equal(getattr(broken, column)[:24], change(clean))
    for other in set(COLUMNS) - {column}:
        np.testing.assert_array_equal(getattr(broken, other), getattr(clean, other))


def test_stored_actions_are_those_of_other_transitions() -> None:
    _, clean = replay(None)
    _, broken = replay("replay_actions_shuffled")
    rows = [tuple(row) for row in clean.actions[:24].reshape(24, -1)]
    stored = [tuple(row) for row in broken.actions[:24].reshape(24, -1)]
    assert set(stored) <= set(rows)
    assert sum(a == b for a, b in zip(rows, stored, strict=True)) < 12


def test_the_last_observation_of_an_episode_is_lost() -> None:
    recorder, broken = replay("replay_terminal_obs_is_reset_obs")
    _, clean = replay(None)
    dones = recorder.stacked("dones")
    assert dones.any()
    np.testing.assert_array_equal(broken.next_observations[:24], recorder.stacked("new_obs"))
    differs = (broken.next_observations[:24] != clean.next_observations[:24]).any(axis=2)
    np.testing.assert_array_equal(differs, dones)


def test_batches_differ_from_the_replay_buffer() -> None:
    model = train("sac", None, True, steps=96)

    def batch(name: str | None, severity: float | None = None) -> Any:
        np.random.seed(0)  # noqa: NPY002  the generator that SB3 uses
        if name is None:
            return model.replay_buffer.sample(32)
        with faults.inject(name, model, severity):
            return model.replay_buffer.sample(32)

    clean = batch(None)
    for name, column in (
        ("sample_rewards_shuffled", "rewards"),
        ("sample_actions_shuffled", "actions"),
    ):
        mixed, right = getattr(batch(name), column), getattr(clean, column)
        assert not th.equal(mixed, right)
        assert th.equal(mixed.sort(0)[0], right.sort(0)[0])
    first = model.replay_buffer.observations[0]
    assert all(row in first for row in batch("sample_stale", 1).observations.numpy())


def moved(name: str, algo: str) -> dict[str, bool]:
    """Which networks training moved."""
    fault = faults.get(name)
    model = build(algo, vec_env(task_kind(fault, algo)))
    groups = ("value_net", "policy_net", "action_net", "log_std")
    groups += ("actor_target", "critic_target", "actor", "critic")
    before = {key: p.detach().clone() for key, p in model.policy.named_parameters()}
    with faults.inject(name, model):
        model.learn(96)
    found: dict[str, bool] = {}
    for key, parameter in model.policy.named_parameters():
        group = next(g for g in groups if g in key)
        found[group] = found.get(group, False) or not th.equal(before[key], parameter)
    return found


@pytest.mark.parametrize("algo", ["ppo", "a2c"])
@pytest.mark.parametrize(
    ("name", "policy", "critic"),
    [
        ("frozen_policy", False, True),
        ("optimizer_without_policy", False, True),
        ("optimizer_of_old_policy", False, True),
        ("dead_surrogate", False, True),
        ("frozen_critic", True, False),
        ("optimizer_without_critic", True, False),
        ("optimizer_of_old_critic", True, False),
        ("policy_loss_sign", True, True),
    ],
)
def test_what_on_policy_training_moves(name: str, algo: str, policy: bool, critic: bool) -> None:
    assert moved(name, algo) == {"policy_net": policy, "action_net": policy, "value_net": critic}


@pytest.mark.parametrize(
    ("name", "actor", "critic", "targets"),
    [
        ("frozen_policy", False, True, True),
        ("optimizer_without_policy", False, True, True),
        ("optimizer_of_old_policy", False, True, True),
        ("frozen_critic", True, False, True),
        ("optimizer_without_critic", True, False, True),
        ("optimizer_of_old_critic", True, False, True),
        ("target_frozen", True, True, False),
        ("actor_loss_sign", True, True, True),
    ],
)
@pytest.mark.parametrize("algo", ["sac", "td3", "ddpg"])
def test_what_off_policy_training_moves(
    name: str, algo: str, actor: bool, critic: bool, targets: bool
) -> None:
    found = moved(name, algo)
    assert (found["actor"], found["critic"]) == (actor, critic)
    for net in ("actor", "critic"):  # polyak averaging of equal numbers may round
        if found[net] and f"{net}_target" in found:
            assert found[f"{net}_target"] == targets


def gradients(model: Any, side: str, name: str | None) -> Any:
    """Gradients that one update gives to the policy or the critic."""

    def update() -> None:
        np.random.seed(0)  # noqa: NPY002
        th.manual_seed(0)
        model.train(*((1, 16) if hasattr(model, "replay_buffer") else ()))

    start = {key: value.clone() for key, value in model.policy.state_dict().items()}
    if name is None:
        update()
    else:
        with faults.inject(name, model):
            update()
    kept = [p.grad.clone() for p in parameters(model, side) if p.grad is not None]
    model.policy.load_state_dict(start)
    return th.cat([g.ravel() for g in kept])


@pytest.mark.parametrize(
    ("name", "algo", "side", "sign"),
    [
        ("policy_loss_sign", "a2c", "policy", -1),
        ("policy_loss_sign", "a2c", "critic", 1),
        ("value_loss_sign", "a2c", "critic", -1),
        ("value_loss_sign", "a2c", "policy", 1),
        ("actor_loss_sign", "ddpg", "policy", -1),
        ("critic_loss_sign", "ddpg", "critic", -1),
    ],
)
def test_the_gradient_of_one_side_is_reversed(name: str, algo: str, side: str, sign: int) -> None:
    """The critic's last gradient is that of the actor's loss, so its step tells: see below."""
    continuous = algo == "ddpg"
    model = train(algo, None, continuous, steps=64)
    if continuous and side == "critic":
        steps = _critic_steps(model, name)
        np.testing.assert_allclose(steps[1], -steps[0], rtol=1e-3, atol=1e-6)
        return
    if continuous:
        model.critic.optimizer.param_groups[0]["params"] = []  # the same critic in both updates
    right, wrong = gradients(model, side, None), gradients(model, side, name)
    assert right.abs().max() > 1e-7
    np.testing.assert_allclose(wrong, sign * right, rtol=1e-3, atol=1e-6)


def _critic_steps(model: Any, name: str) -> list[Any]:
    """Gradients of the critic at its own step, healthy and broken."""
    seen: list[Any] = []

    def step(original: Any, closure: Any = None) -> None:
        seen.append(th.cat([p.grad.ravel() for p in model.critic.parameters()]).numpy())

    with overridden(model.critic.optimizer, step=step):
        gradients(model, "critic", None)
        gradients(model, "critic", name)
    return seen


def test_numbers_in_the_loss_are_exactly_the_same() -> None:
    numbers = th.randn(1000) * 10.0 ** th.randint(-20, 20, (1000,))
    tensor = numbers.clone().requires_grad_()
    reversed_ = reversed_gradient(tensor)
    assert th.equal(reversed_, numbers)
    reversed_.sum().backward()
    assert tensor.grad is not None
    assert (tensor.grad == -1).all()


def test_the_target_is_the_critic_or_its_copy() -> None:
    model = build("td3", vec_env(True))
    target = model.critic_target
    with faults.inject("target_is_online", model):
        assert model.critic_target is model.policy.critic_target is model.critic
    assert model.critic_target is model.policy.critic_target is target
    with faults.inject("target_copied_each_step", model):
        model.learn(96)
    for own, copy in zip(model.critic.parameters(), model.critic_target.parameters(), strict=True):
        th.testing.assert_close(own, copy)


def test_tied_critics_stay_equal() -> None:
    model = train("sac", Injection(faults.get("twin_critics_tied")), True)
    first, second = model.critic.q_networks
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert th.equal(one, other)


def test_dropout_acts_in_one_mode_or_both() -> None:
    model = build("ppo", vec_env(True))
    observation = np.ones((1, 4), np.float32)

    def answers() -> set[bytes]:
        return {model.predict(observation, deterministic=True)[0].tobytes() for _ in range(20)}

    with faults.inject("dropout_while_acting", model):
        assert len(answers()) > 1
    with faults.inject("dropout_in_policy", model):
        assert len(answers()) == 1
        model.policy.set_training_mode(True)
        tensor = th.as_tensor(observation)
        logs = {model.policy.evaluate_actions(tensor, th.zeros(1, 2))[1].item() for _ in range(20)}
        assert len(logs) > 1
    assert len(answers()) == 1


def test_units_are_dead_or_saturated_from_the_beginning() -> None:
    for algo in ("ppo", "sac", "td3"):
        model = build(algo, vec_env(True))
        with faults.inject("dead_units", model):
            pass
        biases = {n: p for n, p in model.policy.named_parameters() if n.endswith("bias")}
        dead = {name for name, p in biases.items() if (p == -10).all()}
        heads = {name for name, p in biases.items() if (p != -10).all()}
        assert dead | heads == set(biases)
        assert len(dead) >= 2
        if algo == "td3":
            assert {"actor.mu.2.bias", "critic.qf0.2.bias", "critic_target.qf1.2.bias"} <= heads
            assert {"actor.mu.0.bias", "actor_target.mu.0.bias", "critic.qf1.0.bias"} <= dead


def test_rates_of_learning() -> None:
    model = build("ddpg", vec_env(True))
    usual = model.lr_schedule(1.0)
    with faults.inject("learning_rate_jump", model, 300.0):
        assert [model.lr_schedule(x) for x in (1.0, 0.6, 0.5, 0.0)] == pytest.approx(
            [usual, usual, 300 * usual, 300 * usual]
        )
    with faults.inject("learning_rate_slightly_higher", model):
        assert model.lr_schedule(1.0) == pytest.approx(1.5 * usual)
    assert model.lr_schedule(0.0) == usual
    seen: list[float] = []

    def step(original: Any, closure: Any = None) -> None:
        seen.append(model.critic.optimizer.param_groups[0]["lr"])

    with (
        overridden(model.critic.optimizer, step=step),
        faults.inject("critic_learning_rate_high", model),
    ):
        model.critic.optimizer.step()
    assert seen == pytest.approx([100 * usual])


def test_gradients_are_lost_from_one_moment_on() -> None:
    model = build("a2c", vec_env(False))
    snapshots: list[Any] = []

    class Keep(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            snapshots.append(model.policy.action_net.weight.detach().clone())

    with faults.inject("gradients_zeroed_late", model, 0.5):
        model.learn(320, Keep())
    same = [th.equal(a, b) for a, b in pairwise(snapshots)]
    assert same == [False] * 4 + [True] * 5


def test_action_noise_has_the_size_of_the_action() -> None:
    model = build("td3", vec_env(True))
    usual = model.action_noise
    with faults.inject("action_noise_huge", model, 2.0):
        assert np.std([model.action_noise() for _ in range(500)]) == pytest.approx(2.0, rel=0.2)
        assert model.action_noise().shape == (2,)
    with faults.inject("action_noise_none", model):
        assert model.action_noise is None
    assert model.action_noise is usual


def test_a_batch_is_doubled() -> None:
    model = build("ppo", vec_env(True))
    with faults.inject("batch_doubled", model):
        assert model.batch_size == 64
    assert model.batch_size == settings("ppo")["batch_size"]


def test_a_broken_buffer_is_saved_as_a_whole_one() -> None:
    model = build("sac", vec_env(True))
    with faults.inject("replay_done_always", model):
        model.learn(32)
        stream = io.BytesIO()
        save_to_pkl(stream, model.replay_buffer)
    stream.seek(0)
    loaded = load_from_pkl(stream)
    assert type(loaded) is type(model.replay_buffer)
    np.testing.assert_array_equal(loaded.dones, model.replay_buffer.dones)


def test_only_one_object_is_overridden() -> None:
    class Box:
        def value(self, extra: int = 0) -> int:
            """Docs."""
            return 1 + extra

    one, other = Box(), Box()
    with overridden(one, value=lambda original, extra=0: 10 * original(extra)):
        assert (one.value(), one.value(extra=1), other.value()) == (10, 20, 1)
        assert type(one).__name__ == "Box"
        assert one.value.__doc__ == "Docs."
        assert vars(one) == {}
        with overridden(one, value=lambda original: original() + 1):
            assert one.value() == 11
        assert one.value() == 10
    assert (type(one), one.value()) == (Box, 1)
    override(one, value=lambda original: 5)
    assert one.value() == 5
