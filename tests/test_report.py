"""The report: complete, escaped, bounded in size, without any reference to the network."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import (
    Diagnosis,
    Finding,
    RunInfo,
    Severity,
    Snapshot,
    Verdict,
)
from sb3_ac_ext.monitoring.vocabulary import METRICS
from sb3_ac_ext.report import render_report, write_report
from sb3_ac_ext.report.chart import Canvas, Frame, plain, rounded
from sb3_ac_ext.report.decimate import evenly, extremes
from sb3_ac_ext.report.facts import run_rows
from sb3_ac_ext.report.lines import Line, line_chart, series_chart
from sb3_ac_ext.report.marks import judged_series
from sb3_ac_ext.report.page import MOST_CHART_BYTES, embedded
from sb3_ac_ext.report.text import duration, number, percent, sentence
from sb3_ac_ext.report.workers import scale_heatmap, worker_lines

SECTIONS = (
    "verdict",
    "findings",
    "returns",
    "workers",
    "policy",
    "value",
    "gradients",
    "timing",
    "hyperparameters",
    "versions",
    "run",
    "series",
)
HEALTHY = Verdict("healthy")
RUN = {
    "algo": "ppo",
    "env": "CartPole-v1",
    "seed": 1,
    "steps": 122880,
    "verdict": "critical",
    "command": ["sb3-ac", "train", "--algo", "ppo", "--env", "CartPole-v1"],
    "platform": "Linux-6.1-x86_64",
    "outcome": "finished",
    "wall_time": 384.2,
    "versions": {"python": "3.11.7", "stable_baselines3": "2.9.2", "torch": "2.12.0"},
}


# ---------------------------------------------------------------- synthetic runs


def on_policy_values(rng: np.random.Generator, x: float, i: int) -> dict[str, float]:
    """What a PPO run that learns CartPole looks like at the share ``x`` of its budget."""
    level = 20 + 460 / (1 + math.exp(-9 * (x - 0.4)))
    noise = rng.normal
    values = {
        "episodes/return_mean": level + noise(0, 9),
        "episodes/return_std": 0.3 * level,
        "episodes/return_min": 0.4 * level + noise(0, 5),
        "episodes/return_max": min(500.0, 1.7 * level),
        "episodes/length_mean": level,
        "episodes/length_min": 0.4 * level,
        "episodes/length_max": min(500.0, 1.7 * level),
        "episodes/truncated_share": x**2,
        "rewards/mean": 1.0,
        "rewards/std": 0.0,
        "rewards/max_ratio": 1.0 + abs(noise(0, 0.02)),
        "rewards/nonfinite": 0.0,
        "observations/p99_abs": 2.2 + noise(0, 0.05),
        "observations/nonfinite": 0.0,
        "policy/kl": 0.008 + abs(noise(0, 0.002)),
        "policy/clip_fraction": 0.08 + abs(noise(0, 0.01)),
        "policy/entropy": 0.69 - 0.25 * x + noise(0, 0.01),
        "policy/entropy_relative": 1 - 0.36 * x,
        "policy/state_dependence": 0.1 + 0.6 * x,
        "actions/top_share": 0.5 + abs(noise(0, 0.02)),
        "value/explained_variance": 0.9 - math.exp(-6 * x) + noise(0, 0.03),
        "value/mc_explained_variance": 0.8 - math.exp(-5 * x) + noise(0, 0.04),
        "value/loss_relative": 0.1 + math.exp(-6 * x),
        "advantages/mean": noise(0, 0.1),
        "advantages/std": 1 + 3 * x,
        "gradients/policy/norm_mean": 0.3 + noise(0, 0.02),
        "gradients/policy/norm_max": 0.5 + abs(noise(0, 0.05)),
        "gradients/value/norm_mean": 4 * math.exp(-3 * x) + 0.4 + noise(0, 0.05),
        "gradients/value/norm_max": 6 * math.exp(-3 * x) + 0.7 + abs(noise(0, 0.1)),
        "gradients/clipped_share": 0.2 + 0.1 * math.sin(9 * x),
        "weights/policy/update_ratio": 1e-3,
        "weights/value/update_ratio": 2e-3,
        "weights/effective_rank": 18 + 4 * x,
        "time/steps_per_second": 3600 + noise(0, 120),
        "time/rollout_share": 0.62,
        "time/update_share": 0.3,
        "time/callback_share": 0.02,
        "time/canary_share": 0.06,
        "hyper/learning_rate": 3e-4 * (1 - x),
        "hyper/ent_coef": 0.0,
        "hyper/clip_range": 0.2,
        "train/loss": 20 * math.exp(-4 * x) + noise(0, 0.5),
    }
    if i % 5 == 0:
        values |= {
            "canary/return_mean": min(500.0, 1.05 * level),
            "canary/return_std": 0.16 * level,
            "canary/stochastic_mean": 0.95 * level,
            "canary/stochastic_std": 0.25 * level,
            "canary/gap": 0.1 * level,
            "canary/p_value": 10 ** (-1 - 4 * x),
        }
    return values


def on_policy_history(
    n: int = 120, n_envs: int = 8, broken: int | None = None, broken_from: float = 0.45
) -> History:
    """A PPO run; from ``broken_from`` on, worker ``broken`` pays ten times the reward."""
    rng = np.random.default_rng(0)
    info = RunInfo(
        algo="PPO",
        family="on-policy",
        env_id="CartPole-v1",
        n_envs=n_envs,
        seed=1,
        total_timesteps=1024 * n,
        gamma=0.99,
        action_kind="discrete",
        n_actions=2,
        reward_threshold=475.0,
        hyperparameters={"n_steps": 128, "batch_size": 256, "ent_coef": 0.0, "gae_lambda": 0.95},
        versions={"gymnasium": "1.2.3"},
        not_observed={"q_values": "PPO has no Q-function", "weights": "sampled every 10 updates"},
    )
    history = History(info)
    for i in range(n):
        x = (i + 1) / n
        values = on_policy_values(rng, x, i)
        scale = np.ones(n_envs)
        if broken is not None and x > broken_from:
            scale[broken] = 10.0
            values["rewards/max_ratio"] = 10.0 + float(rng.normal(0, 0.2))
            values["value/explained_variance"] -= 0.6
        returns = values["episodes/return_mean"] * scale * rng.normal(1, 0.06, n_envs)
        share = 0.5 + float(rng.normal(0, 0.03))
        arrays = {
            "rewards/worker_scale": tuple(scale * rng.normal(1, 0.01, n_envs)),
            "rewards/worker_abs_mean": tuple(scale * rng.normal(1, 0.01, n_envs)),
            "rewards/worker_mean": tuple(scale * rng.normal(1, 0.01, n_envs)),
            "episodes/worker_return_mean": tuple(returns),
            "episodes/worker_length_mean": tuple(returns / scale),
            "actions/histogram": (share, 1 - share),
            "gradients/policy/norm_histogram": (
                *(0.0,) * 20,
                *(rng.poisson((1, 4, 30, 60, 8, 1)) * 1.0).tolist(),
                *(0.0,) * 22,
            ),
        }
        history.append(Snapshot(1024 * (i + 1), 2.9 * (i + 1), values, arrays))
    return history


def off_policy_history(n: int = 200) -> History:
    """A SAC run whose critic overestimates more and more."""
    rng = np.random.default_rng(1)
    info = RunInfo(
        algo="SAC",
        family="off-policy",
        env_id="Pendulum-v1",
        n_envs=1,
        seed=3,
        total_timesteps=100 * n,
        not_observed={"policy/clip_fraction": "SAC has no clip range"},
    )
    history = History(info)
    for i in range(n):
        x = (i + 1) / n
        q = -150 * (1 - x) + (math.exp(9 * x) - 1)
        values = {
            "episodes/return_mean": -1200 + 1000 * x + float(rng.normal(0, 60)),
            "episodes/return_min": -1400 + 900 * x,
            "episodes/return_max": -900 + 800 * x,
            "canary/return_mean": -1150 + 980 * x,
            "canary/return_std": 90.0,
            "q/mean": q,
            "q/std": 20 + 0.1 * abs(q),
            "q/min": q - 60,
            "q/max": q + 80,
            "q/bound": 1628.0,
            "q/bound_ratio": abs(q) / 1628,
            "q/twin_gap": 2 * math.exp(4 * x),
            "q/target_gap": math.exp(5 * x),
            "q/bias": q + 150,
            "replay/fill": x,
            "replay/age": 50 * i,
            "policy/entropy": 1.2 - 1.4 * x,
            "gradients/actor/norm_mean": 1 + x,
            "gradients/actor/norm_max": 2 + x,
            "gradients/critic/norm_mean": math.exp(8 * x),
            "gradients/critic/norm_max": 3 * math.exp(8 * x),
            "time/steps_per_second": 240.0,
            "hyper/learning_rate": 3e-4,
        }
        history.append(Snapshot(100 * (i + 1), 0.4 * (i + 1), values))
    return history


def broken_worker_verdict() -> Verdict:
    worker = Finding(
        detector="worker_rewards",
        severity=Severity.CRITICAL,
        message="worker 3 pays 10.1 times the reward of the other 7 workers since step 56,320",
        step=58368,
        since=56320,
        value=10.1,
        threshold=3.0,
        series=("rewards/max_ratio", "rewards/worker_scale"),
        causes={"worker_reward_scale": 0.9, "reward_outliers": 0.3},
        advice="Look at env_kwargs and wrappers of worker 3; wrap with VecNormalize per worker.",
        worker=3,
    )
    critic = Finding(
        detector="explained_variance_falling",
        severity=Severity.WARNING,
        message="explained variance fell from 0.84 to 0.25",
        step=71680,
        since=56320,
        value=0.25,
        threshold=0.4,
        series=("value/explained_variance",),
        causes={"worker_reward_scale": 0.5, "value_learning_rate": 0.4},
        advice="Normalise rewards before changing vf_coef or the learning rate.",
    )
    first = Diagnosis(
        cause="worker_reward_scale",
        title="one worker pays rewards on another scale",
        severity=Severity.CRITICAL,
        confidence=0.93,
        since=56320,
        evidence=(worker.message, critic.message),
        detectors=(worker.detector, critic.detector),
        advice="Fix the reward of worker 3 (all others agree within 2 %); until then give each "
        "worker its own normaliser.",
        ruled_out=("a change of policy: the episode lengths of worker 3 are like the others'",),
    )
    second = Diagnosis(
        cause="value_learning_rate",
        title="the critic learns too slowly",
        severity=Severity.WARNING,
        confidence=0.21,
        since=56320,
        evidence=(critic.message,),
        detectors=(critic.detector,),
        advice="Raise n_epochs or the learning rate, once the rewards are repaired.",
    )
    return Verdict("critical", (critic, worker), (first, second))


def q_verdict() -> Verdict:
    finding = Finding(
        detector="q_growth",
        severity=Severity.WARNING,
        message="Q-values grew past what the rewards allow",
        step=18500,
        since=16000,
        value=2000.0,
        threshold=1628.0,
        series=("q/max", "q/bias"),
        causes={"overestimation": 0.8},
        advice="Lower the learning rate or use TQC.",
    )
    return Verdict("warning", (finding,))


# ---------------------------------------------------------------- reading the page


class Page(HTMLParser):
    """Elements of a page, with the text of each ``<section>``."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self.data: dict[str, Any] = {}
        self._section: str | None = None
        self._script: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag == "section":
            self._section = found["id"]
        self._script = found if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._section = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            if self._script.get("id") == "chart-data":
                self.data = json.loads(data)
            self._script = None
        elif self._section:
            self.text[self._section] = self.text.get(self._section, "") + " " + data.strip()

    def ids(self, tag: str) -> list[str]:
        return [str(found["id"]) for name, found in self.elements if name == tag and "id" in found]


def traces(page: Page) -> Iterator[dict[str, Any]]:
    for chart in page.data.values():
        yield from chart["data"]


@pytest.fixture(scope="module")
def broken() -> str:
    return render_report(on_policy_history(broken=3), broken_worker_verdict(), RUN)


@pytest.fixture(scope="module")
def broken_page(broken: str) -> Page:
    return Page(broken)


# ---------------------------------------------------------------- structure


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        (on_policy_history(), HEALTHY),
        (on_policy_history(broken=3), broken_worker_verdict()),
        (off_policy_history(), q_verdict()),
        (on_policy_history(n=1, n_envs=1), HEALTHY),
        (History(), Verdict("not enough evidence")),
    ],
    ids=["healthy", "broken worker", "off-policy", "one snapshot", "empty"],
)
def test_every_section_is_there_and_says_something(history: History, verdict: Verdict) -> None:
    page = Page(render_report(history, verdict))
    assert tuple(page.ids("section")) == SECTIONS
    linked = [found["href"] for tag, found in page.elements if tag == "a" and "href" in found]
    assert [f"#{name}" for name in SECTIONS] == [
        link for link in linked if link and link[1:] in SECTIONS
    ]
    for name in SECTIONS:
        assert len(page.text[name].split()) > 3, name


def test_the_verdict_names_cause_confidence_moment_evidence_and_remedy(broken_page: Page) -> None:
    text = broken_page.text["verdict"]
    for part in (
        "Critical",
        "One worker pays rewards on another scale",
        "93\u00a0% confidence",
        "step 56,320",
        "46\u00a0% into the run",
        "worker 3 pays 10.1 times",
        "the episode lengths of worker 3",
        "Fix the reward of worker 3",
    ):
        assert part in text
    assert text.index("another scale") < text.index("learns too slowly")


def test_findings_are_ranked_and_plotted_with_moment_and_threshold(broken_page: Page) -> None:
    text = broken_page.text["findings"]
    assert text.index("Worker rewards") < text.index("Explained variance falling")
    layouts = [chart["layout"] for chart in broken_page.data.values()]
    first = layouts[0]
    said = [note["text"] for note in first["annotations"]]
    assert "since 56,320" in said
    assert "threshold" in said
    region = next(shape for shape in first["shapes"] if shape["type"] == "rect")
    assert (region["x0"], region["x1"]) == (56320, 58368)
    assert any(shape["y0"] == shape["y1"] == 3.0 for shape in first["shapes"])


def test_the_worker_of_a_finding_stands_out(broken_page: Page) -> None:
    lines = [trace for trace in traces(broken_page) if trace.get("name", "").startswith("worker ")]
    assert lines
    for line in lines:
        accused = line["name"] == "worker 3"
        assert (line["line"]["color"] != "@muted") is accused
        assert (line["line"]["width"] > 2) is accused
    assert "worker 3" in broken_page.text["workers"]
    assert "the other 7 workers" in broken_page.text["workers"]


def test_worker_heatmap_holds_the_ratio_to_the_others() -> None:
    history = on_policy_history(broken=3)
    chart = scale_heatmap(Canvas(history, broken_worker_verdict().findings))
    assert chart is not None
    trace = chart.traces[0]
    assert trace["y"][3] == "▸ worker 3"
    assert trace["customdata"][3][-1] == pytest.approx(10, rel=0.1)
    assert trace["z"][3][-1] == pytest.approx(math.log2(10), rel=0.1)
    assert trace["customdata"][0][-1] == pytest.approx(1, rel=0.1)


def test_many_workers_are_cut_to_those_that_are_apart() -> None:
    history = on_policy_history(n=12, n_envs=200, broken=150)
    canvas = Canvas(history)
    chart = worker_lines(canvas, "rewards/worker_abs_mean", "reward")
    assert chart is not None
    assert len(chart.traces) == 24
    assert "worker 150" in [trace["name"] for trace in chart.traces]
    assert "24 of 200 workers" in chart.note
    rows = scale_heatmap(canvas)
    assert rows is not None
    assert "worker 150" in rows.traces[0]["y"]


def test_facts_of_the_run_reach_the_tables(broken_page: Page) -> None:
    assert "batch_size" in broken_page.text["hyperparameters"]
    assert "2.9.2" in broken_page.text["versions"]
    assert "1.2.3" in broken_page.text["versions"]
    run = broken_page.text["run"]
    for part in ("sb3-ac train --algo ppo", "Linux-6.1-x86_64", "finished", "6\u00a0min 24\u00a0s"):
        assert part in run
    assert run.count("CartPole-v1") == 2, "environment and command, not once more from run.json"
    assert "finished" in broken_page.text["verdict"]
    assert "q_values not observed: PPO has no Q-function" in " ".join(run.split())


def test_a_signal_that_was_not_observed_is_explained_in_its_section(broken_page: Page) -> None:
    assert "sampled every 10 updates" in broken_page.text["gradients"]
    assert "sampled every 10 updates" not in broken_page.text["timing"]


def test_series_that_are_zero_throughout_are_a_sentence(broken_page: Page) -> None:
    assert "Zero throughout: non-finite rewards" in broken_page.text["workers"]
    assert "rewards/nonfinite" not in json.dumps(broken_page.data)


def test_a_zero_that_a_finding_is_about_is_plotted() -> None:
    name = "episodes/success_rate"
    history = History(snapshots=[Snapshot(i, 0.0, {name: 0.0}) for i in range(1, 9)])
    finding = Finding("d", Severity.WARNING, "m", 8, 1, 0.0, 0.5, (name,), {}, "a")
    assert "Zero throughout: successful" in Page(render_report(history, HEALTHY)).text["returns"]
    found = Page(render_report(history, Verdict("warning", (finding,))))
    assert "Zero throughout" not in found.text["returns"]


def test_the_level_at_which_a_task_counts_as_solved_is_drawn(broken_page: Page) -> None:
    layouts = [chart["layout"] for chart in broken_page.data.values()]
    said = [note["text"] for layout in layouts for note in layout["annotations"]]
    assert said.count("solved") == 1


def test_notes_and_error_are_shown() -> None:
    history = on_policy_history(n=3)
    history.notes.append("monitor.jsonl: the last line was torn and is dropped")
    page = Page(render_report(history, HEALTHY, {"error": "it went boom", "traceback": "line 7"}))
    assert "torn and is dropped" in page.text["run"]
    assert "it went boom" in page.text["verdict"]
    assert "line 7" in page.text["verdict"]


def test_restarts_of_workers_are_among_the_facts() -> None:
    restarts = [{"worker": 1, "kind": "hung", "message": "worker 1 hung", "traceback": ""}] * 2
    rows = run_rows(History(), {"worker_restarts": restarts, "threads": 2})
    assert [text for label, text in rows if label == "Worker restarts"] == ["worker 1 hung"] * 2


def test_series_outside_all_panels_are_shown_under_their_own_names(broken_page: Page) -> None:
    assert "train/loss" in broken_page.text["series"]
    assert any(trace.get("name") == "train/loss" for trace in traces(broken_page))


def test_an_empty_history_is_not_called_healthy() -> None:
    page = Page(render_report(History(), Verdict("healthy")))
    assert "Not enough evidence" in page.text["verdict"]
    assert not page.data


def test_off_policy_runs_show_their_critics() -> None:
    page = Page(render_report(off_policy_history(), q_verdict()))
    names = {trace.get("name") for trace in traces(page)}
    assert {"bound that the rewards allow", "disagreement of the critics"} <= names


# ---------------------------------------------------------------- safety


def test_nothing_is_loaded_from_anywhere(broken: str) -> None:
    page = Page(broken)
    for tag, found in page.elements:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = found.get(name)
            assert value is None or value.startswith("#"), (tag, name, value)
    own = re.sub(r"<script>/\*.*?</script>", "", broken, count=1, flags=re.DOTALL)
    assert "plotly.js v" not in own, "plotly's own text is checked in the browser"
    assert not re.search(r"https?://|@import|url\(|//cdn", own)
    policy = next(f for _, f in page.elements if f.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])


def test_all_text_is_escaped() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>%{y}"
    info = RunInfo(
        algo=evil,
        env_id=evil,
        hyperparameters={evil: evil},
        versions={evil: evil},
        not_observed={evil: evil, "canary": evil},
        source=evil,
    )
    history = History(info, [Snapshot(1, 1.0, {evil: 1.0, "train/" + evil: 2.0})])
    history.notes.append(evil)
    finding = Finding(
        evil, Severity.CRITICAL, evil, 1, 1, 1.0, 0.5, (evil,), {evil: 0.5}, evil, worker=0
    )
    diagnosis = Diagnosis(
        evil, evil, Severity.CRITICAL, 0.5, 1, (evil,), (evil,), evil, ruled_out=(evil,)
    )
    verdict = Verdict("critical", (finding,), (diagnosis,))
    text = render_report(history, verdict, {"error": evil, "command": evil, evil: {evil: evil}})
    clean = Page(render_report(on_policy_history(n=2), HEALTHY))
    page = Page(text)
    scripts = [found for tag, found in page.elements if tag == "script"]
    assert len(scripts) == len([found for tag, found in clean.elements if tag == "script"])
    assert not [found for tag, found in page.elements if tag == "img"]
    for trace in traces(page):
        assert "<" not in trace["name"] and "%{" not in trace["name"]


def test_embedded_json_cannot_leave_its_element() -> None:
    data = {"a": "</script><!-- \u2028 & é", "b": [1.5, None]}
    text = str(embedded(data))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == data


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_values_are_gaps_and_are_counted(bad: float) -> None:
    rows = [
        Snapshot(
            i + 1,
            float(i),
            {"policy/kl": bad if i in (3, 4) else 0.01, "value/explained_variance": bad},
            {"rewards/worker_abs_mean": (1.0, bad, 1.0), "actions/histogram": (bad, bad)},
        )
        for i in range(9)
    ]
    finding = Finding(
        "nonfinite", Severity.CRITICAL, "m", 4, 4, bad, bad, ("policy/kl",), {}, "a", worker=1
    )
    page = Page(render_report(History(snapshots=rows), Verdict("critical", (finding,))))
    assert "2 non-finite values, first at step 4" in page.text["policy"]
    kl = next(
        trace for trace in traces(page) if trace.get("name") == "KL(old, new) of the whole update"
    )
    assert kl["y"][3] is None and kl["y"][0] == 0.01


def test_a_lone_surrogate_does_not_stop_the_report(tmp_path: Path) -> None:
    path = write_report(
        tmp_path / "r.html", on_policy_history(n=2), HEALTHY, {"command": "a\udcff"}
    )
    assert "a?" in path.read_text(encoding="utf-8")


# ---------------------------------------------------------------- size and atomicity


def test_size_of_a_long_run_with_every_series_and_many_workers() -> None:
    rng = np.random.default_rng(0)
    workers = tuple(rng.normal(1, 0.1, 64))
    names = [*METRICS, *(f"train/custom_{i}" for i in range(40))]
    table = rng.lognormal(0, 2, (6000, len(names)))
    arrays = dict.fromkeys(
        ("rewards/worker_abs_mean", "rewards/worker_mean", "episodes/worker_return_mean"), workers
    )
    arrays |= {f"gradients/{net}/norm_histogram": workers[:16] for net in ("policy", "value")}
    arrays["actions/histogram"] = workers[:18]
    history = History(
        RunInfo(algo="PPO"),
        (
            Snapshot(
                100_000 * (i + 1), float(i), dict(zip(names, row.tolist(), strict=True)), arrays
            )
            for i, row in enumerate(table)
        ),
    )
    finding = broken_worker_verdict().findings[1]
    text = render_report(history, Verdict("critical", (finding,) * 30))
    assert len(text.encode()) < 6_000_000
    page = Page(text)
    assert len(json.dumps(page.data, separators=(",", ":"))) <= 1.05 * MOST_CHART_BYTES


def test_an_old_report_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "report.html"
    assert write_report(path, on_policy_history(n=2), HEALTHY) == path
    old = path.read_bytes()

    def refuse(self: Path, target: Path) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="no space"):
            write_report(path, History(), HEALTHY)
    assert path.read_bytes() == old
    assert [item.name for item in path.parent.iterdir()] == ["report.html"]
    write_report(path, History(), HEALTHY)
    assert path.read_bytes() != old


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("limit", [4, 5, 60, 999])
def test_decimation_keeps_ends_and_extremes(limit: int) -> None:
    values = np.sin(np.linspace(0, 40, 20_000))
    values[7777], values[12345] = 50.0, -50.0
    kept = extremes(values, limit)
    assert len(kept) <= limit
    assert {0, 19_999} <= set(kept.tolist())
    assert np.all(np.diff(kept) > 0)
    assert {7777, 12345} <= set(kept.tolist())


@pytest.mark.parametrize(("n", "kept"), [(0, 0), (1, 1), (4, 4), (10, 10)])
def test_short_series_are_left_alone(n: int, kept: int) -> None:
    assert len(extremes(np.zeros(n), 10)) == kept
    assert len(evenly(n, 10)) == kept


def test_a_bucket_of_nans_stays_a_gap() -> None:
    values = np.ones(1000)
    values[400:600] = np.nan
    kept = extremes(values, 50)
    assert np.isnan(values[kept]).any()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (20480, "20,480"),
        (0.123456, "0.1235"),
        (1234.5678, "1,235"),
        (-2.5, "−2.5"),
        (3e-7, "3e−07"),
        (math.nan, "NaN"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_as_text(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.2, "4.2 s"), (185, "3 min 5 s"), (3600 * 30 + 600, "30 h 10 min"), (math.nan, "NaN")],
)
def test_durations_as_text(seconds: float, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text


def test_percent_and_rounded_and_plain() -> None:
    assert percent(0.934) == "93\u00a0%"
    assert sentence("policy entropy") == "Policy entropy"
    assert sentence("train/loss is NaN") == "train/loss is NaN"
    assert sentence("") == ""
    assert rounded(1 / 3) == 0.33333
    assert rounded(math.inf) is None
    assert plain("<b>%{x}") == "&lt;b&gt;% {x}"


@pytest.mark.parametrize(
    ("values", "log"),
    [([1.0, 1e4], True), ([1.0, 100.0], False), ([-1.0, 1e6], False), ([0.0, 1e6], False)],
)
def test_log_axis_only_where_positive_over_three_decades(values: list[float], log: bool) -> None:
    rows = [Snapshot(i + 1, 0.0, {"a": value}) for i, value in enumerate(values)]
    chart = series_chart(Canvas(History(snapshots=rows)), "a")
    assert chart is not None
    assert (chart.layout["yaxis"].get("type") == "log") is log
    assert ("logarithmic axis" in chart.note) is log


@pytest.mark.parametrize(
    ("value", "judged"),
    [
        (0.6, "policy/kl"),  # newest point
        (0.5, "policy/kl"),  # mean since the symptom began
        (60.0, "policy/entropy"),  # of the second series
        (7.0, None),  # a ratio or a slope
        (math.nan, None),
    ],
)
def test_a_threshold_belongs_to_the_series_that_was_judged(
    value: float, judged: str | None
) -> None:
    rows = [Snapshot(i, 0.0, {"policy/kl": 0.1 * i, "policy/entropy": 10.0 * i}) for i in range(9)]
    series = ("not/recorded", "policy/kl", "policy/entropy")
    finding = Finding("d", Severity.WARNING, "m", 6, 4, value, 0.3, series, {}, "a")
    assert judged_series(History(snapshots=rows), finding) == judged


@pytest.mark.parametrize(("value", "remarked"), [(0.01, False), (7.0, True)])
def test_a_threshold_that_cannot_be_drawn_is_explained(value: float, remarked: bool) -> None:
    rows = [Snapshot(i, 0.0, {"policy/kl": 0.01}) for i in range(1, 9)]
    finding = Finding("d", Severity.WARNING, "m", 8, 4, value, 3.0, ("policy/kl",), {}, "a")
    page = Page(render_report(History(snapshots=rows), Verdict("warning", (finding,))))
    assert ("derived from these series" in page.text["findings"]) is remarked


def test_a_healthy_run_with_remarks_stays_healthy() -> None:
    remark = Finding("plateau", Severity.INFO, "m", 2, 1, 0.0, 0.0, ("episodes/count",), {}, "a")
    cause = Diagnosis("c", "the task is solved", Severity.INFO, 0.4, 1, ("m",), ("plateau",), "a")
    page = Page(render_report(on_policy_history(n=3), Verdict("healthy", (remark,), (cause,))))
    assert "Nothing harmful was found" in page.text["verdict"]
    assert "The task is solved" in page.text["verdict"]


def test_bands_follow_mean_and_spread() -> None:
    rows = [
        Snapshot(i, 0.0, {"canary/return_mean": 10.0 * i, "canary/return_std": 2.0})
        for i in range(1, 4)
    ]
    line = Line("canary/return_mean", std="canary/return_std")
    chart = line_chart(Canvas(History(snapshots=rows)), "t", [line])
    assert chart is not None
    band, mean = chart.traces
    assert band["y"] == [8.0, 18.0, 28.0, 32.0, 22.0, 12.0]
    assert mean["customdata"] == [2.0, 2.0, 2.0]


def test_a_frame_leaves_out_a_threshold_that_a_log_axis_cannot_hold() -> None:
    frame = Frame((0, 1), log=True)
    frame.level(-1.0, "threshold")
    assert not frame.shapes
