"""The first wrong tensor and its row are named, for faults planted in every place."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_ac_ext.flight import Replayed, replay
from tests.flight.runs import OFF_POLICY, ON_POLICY, SMALL, At, FailsOnce, recorder

NAN = float("nan")


def run(cls: Any, env: Any, log_dir: Path, steps: int, *others: Any, **kwargs: Any) -> list[Path]:
    """Train until the end or until the fault ends it; the dumps in order."""
    watch = recorder(log_dir)
    kwargs.setdefault("policy_kwargs", dict(SMALL))
    model = cls("MlpPolicy", env, seed=1, device="cpu", **kwargs)
    with suppress(ValueError):  # torch refuses distributions with NaN parameters
        model.learn(steps, callback=[watch, *others])
    return watch.flight.dumps


def phases(result: Replayed) -> list[str]:
    return [wrong.phase for wrong in result.wrong]


def test_a_nan_reward_of_one_worker(tmp_path: Path) -> None:
    """Worker 1's 77th step is step 12 of the second rollout of 64."""

    def worker(index: int) -> Any:
        env = gym.make("CartPole-v1")
        return lambda: FailsOnce(env, 77, NAN) if index == 1 else env

    env = DummyVecEnv([worker(index) for index in range(3)])
    dumps = run(PPO, env, tmp_path, 1000, **ON_POLICY)
    assert [path.name for path in dumps] == ["flight_384"]
    result = replay(dumps[0])
    assert result.reasons[0] == "reward of worker 1 = nan at step 231"
    assert result.reproduced is True
    first = result.first
    assert first is not None and (first.name, first.phase) == ("advantages", "data")
    assert (first.place.epoch, first.place.minibatch) == (0, 0)
    told = first.told[0]
    assert told.startswith(f"row {first.rows[0]} of minibatch 0: advantages = nan")
    assert told.endswith("from rewards[12, worker 1] = nan")
    assert phases(result)[:4] == ["data", "loss", "backward", "optimizer step"]
    for row in first.rows:
        assert 0 <= row < first.batch_size == 32


def test_an_infinite_reward_reaches_earlier_steps_of_its_worker_only(tmp_path: Path) -> None:
    dumps = run(A2C, FailsOnce(gym.make("CartPole-v1"), 13, float("inf")), tmp_path, 60)
    result = replay(dumps[0])
    first = result.first
    assert first is not None and first.value == "inf" and first.n_rows == 3
    assert {sentence.split(", ", 1)[1] for sentence in first.told} == {
        "from rewards[2, worker 0] = inf"
    }


def test_a_nan_weight(tmp_path: Path) -> None:
    def plant(model: Any) -> None:
        model.critic.qf0[0].weight.data[2, 1] = NAN

    dumps = run(SAC, "Pendulum-v1", tmp_path, 100, At(80, plant), **OFF_POLICY)
    result = replay(dumps[0])
    first = result.first
    assert first is not None and first.name == "weights critic.qf0.0.weight"
    assert first.phase == "before the update" and first.count == 1
    assert result.wrong[1].name == "critic.qf0.0 (Linear)" and result.wrong[1].phase == "forward"
    assert result.reproduced is True
    assert replay(dumps[0], -2).first is None, "the update before it was healthy"


@pytest.mark.parametrize(
    ("cls", "env_id", "kwargs", "name", "source"),
    [
        (PPO, "CartPole-v1", ON_POLICY, "value_loss", "value_loss = F.mse_loss"),
        (TD3, "Pendulum-v1", {**OFF_POLICY, "policy_delay": 1}, "critic.qf0.2 (Linear)", ""),
    ],
)
def test_a_learning_rate_of_1e30(
    cls: Any, env_id: str, kwargs: Any, name: str, source: str, tmp_path: Path
) -> None:
    dumps = run(cls, env_id, tmp_path, 200, learning_rate=1e30, **kwargs)
    result = replay(dumps[0])
    first = result.first
    assert first is not None and first.name == name and source in first.source
    assert result.reproduced is True


def test_one_bad_row_in_replay(tmp_path: Path) -> None:
    """The row is found in the batch that drew it first, and only there."""
    drawn = []

    def plant(model: Any) -> None:
        model.replay_buffer.next_observations[20, 0, 1] = np.inf
        get = model.replay_buffer._get_samples

        def spied(indices: Any, env: Any = None) -> Any:
            drawn.append(np.flatnonzero(indices == 20))
            return get(indices, env=env)

        model.replay_buffer._get_samples = spied

    dumps = run(TD3, "Pendulum-v1", tmp_path, 120, At(70, plant), **OFF_POLICY)
    rows = next(found for found in drawn if len(found))
    first = replay(dumps[0]).first
    assert first is not None and first.name == "next_observations" and first.phase == "data"
    assert first.rows == tuple(rows)
    assert first.told[0] == f"row {rows[0]} of gradient step 0: next_observations = inf"


def test_without_a_bad_number_what_jumped_is_named(tmp_path: Path) -> None:
    """Rewards a thousand times larger from one update on, all of them finite."""

    def plant(model: Any) -> None:
        model.replay_buffer.rewards *= 1e3

    watch = recorder(tmp_path)
    model = SAC("MlpPolicy", "Pendulum-v1", seed=1, policy_kwargs=dict(SMALL), **OFF_POLICY)

    class Ask(At):
        def _on_rollout_start(self) -> None:
            if self.num_timesteps == self.step:
                watch.flight.alert("test", "asked for", updated=True)

    model.learn(100, callback=[watch, At(80, plant), Ask(80, lambda _: None)])
    result = replay(watch.flight.dumps[0])
    assert result.first is None and result.reproduced is True
    assert max(jump.factor for jump in result.jumps) > 100.0
    names = {jump.name for jump in result.jumps}
    assert names & {"rewards", "target_q_values", "critic_loss", "gradient of critic.qf0.4.bias"}
