"""Whose bundles they are: a folder may hold those of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import stable_baselines3 as sb3

from sb3_ac_ext.checkpoints.bundle import bundles, read_manifest, write_bundle
from sb3_ac_ext.checkpoints.callback import BundleCallback
from sb3_ac_ext.checkpoints.resume import resume
from sb3_ac_ext.checkpoints.writer import Captured, Writer


def captured(steps: int, text: str = "", good: bool = True) -> Captured:
    return Captured({"num_timesteps": steps, "created": text, "good": good}, None, None, -1)


def write(writer: Writer, *args: Any) -> None:
    writer.submit(captured(*args))
    writer.result()


def said(folder: Path) -> dict[int, str]:
    found = map(read_manifest, bundles(folder))
    return {bundle.steps: bundle.manifest["created"] for bundle in found}


def test_bundles_of_an_earlier_run_are_replaced_and_none_of_ours_is_removed(
    tmp_path: Path,
) -> None:
    earlier, ours = (Writer(tmp_path, 2, 0) for _ in range(2))
    for steps in (10, 20, 30):
        write(earlier, steps, "earlier")
    ours.begin(0)
    for steps in (5, 10, 20):
        write(ours, steps, "ours")
    assert said(tmp_path) == {10: "ours", 20: "ours", 30: "earlier"}
    assert [bundle.steps for bundle in ours.good()] == [20, 10]
    assert not list(tmp_path.glob(".*"))


def test_one_of_ours_at_the_same_step_stays(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 2, 0)
    write(writer, 10, "first")
    write(writer, 10, "second")
    assert said(tmp_path) == {10: "first"}


def test_good_ones_are_ours_until_another_run_begins(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 9, 0)
    for steps, good in ((10, True), (20, False), (30, True)):
        writer.submit(captured(steps, "", good))  # the last one is still being written
        if steps < 30:
            writer.result()
    assert [bundle.steps for bundle in writer.good()] == [30, 10]
    writer.begin(15)
    assert [bundle.steps for bundle in writer.good()] == [10]
    writer.begin(0)
    assert writer.good() == []


def test_a_run_that_goes_on_owns_what_it_goes_on_from(tmp_path: Path) -> None:
    def model() -> sb3.PPO:
        return sb3.PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16, seed=0, device="cpu")

    model().learn(320, callback=BundleCallback(tmp_path, every=16, share=1.0))
    steps = sorted(said(tmp_path))
    middle = steps[len(steps) // 2]
    keeper = BundleCallback(tmp_path, every=1000)
    resumed = resume(tmp_path / f"bundle-{middle}", model(), keeper)
    resumed.learn(16, callback=keeper, reset_num_timesteps=False)
    owned = {bundle.steps for bundle in keeper.writer.good()}
    assert owned == {own for own in steps if own <= middle} | {middle + 16} < {*steps, middle + 16}


def test_a_bundle_can_be_replaced(tmp_path: Path) -> None:
    from sb3_ac_ext.checkpoints.bundle import Content

    for text, replace in (("first", False), ("second", False), ("third", True)):
        write_bundle(tmp_path, Content(captured(1, text).facts, None, {}), replace)
        assert said(tmp_path) == {1: "third" if replace else "first"}
