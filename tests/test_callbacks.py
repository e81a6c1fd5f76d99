import pytest
from sb3_contrib import TQC, TRPO, CrossQ
from stable_baselines3 import A2C, PPO, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback

from sb3_ac_ext import EntCoefScheduleCallback


class SeenByTrain(BaseCallback):
    """Records the coefficient with which each update works."""

    def __init__(self):
        super().__init__()
        self.values = []

    def _on_training_start(self) -> None:
        train = self.model.train

        def recording(*args, **kwargs):
            tensor = getattr(self.model, "ent_coef_tensor", None)
            self.values.append(self.model.ent_coef if tensor is None else tensor.item())
            train(*args, **kwargs)

        self.model.train = recording

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        del self.model.train


def train(model, schedule, n_steps):
    seen = SeenByTrain()
    model.learn(n_steps, callback=[EntCoefScheduleCallback(schedule), seen])
    return seen.values


@pytest.mark.parametrize("cls", [PPO, A2C])
def test_on_policy_coefficient_follows_the_schedule(cls):
    model = cls("MlpPolicy", "CartPole-v1", n_steps=16, device="cpu")
    assert train(model, "lin_0.4", 64) == pytest.approx([0.3, 0.2, 0.1, 0.0])


@pytest.mark.parametrize("cls", [SAC, TQC, CrossQ])
def test_off_policy_coefficient_follows_the_schedule(cls, tmp_path):
    model = cls(
        "MlpPolicy",
        "Pendulum-v1",
        ent_coef=0.4,
        learning_starts=3,
        train_freq=4,
        batch_size=4,
        buffer_size=50,
        device="cpu",
    )
    assert train(model, "lin_0.4", 16) == pytest.approx([0.3, 0.2, 0.1, 0.0])
    model.save(tmp_path / "model.zip")
    assert cls.load(tmp_path / "model.zip").ent_coef_tensor.item() == pytest.approx(0.0)


def test_coefficient_is_set_before_the_first_rollout():
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, device="cpu", ent_coef=0.9)
    callback = EntCoefScheduleCallback(0.25)
    model.learn(16, callback=callback)
    assert model.ent_coef == 0.25


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SAC("MlpPolicy", "Pendulum-v1", buffer_size=10), "SAC learns its ent_coef"),
        (lambda: TD3("MlpPolicy", "Pendulum-v1", buffer_size=10), "TD3 has no ent_coef"),
        (lambda: TRPO("MlpPolicy", "CartPole-v1"), "TRPO has no ent_coef"),
    ],
)
def test_algorithms_without_a_settable_coefficient_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make().learn(10, callback=EntCoefScheduleCallback("lin_0.1"))


@pytest.mark.parametrize("value", ["foo_1", -1, None])
def test_nonsense_schedule(value):
    with pytest.raises(ValueError, match="ent_coef"):
        EntCoefScheduleCallback(value)
