"""The benchmark of faults: its plan, its split, its arithmetic, its runs, its tables."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sb3_ac_ext.benchmark.faults import fixtures, grid, peers, plan, words
from sb3_ac_ext.benchmark.faults.cases import Case, Scenario, Subject, chosen_scenarios
from sb3_ac_ext.benchmark.faults.export import document
from sb3_ac_ext.benchmark.faults.judge import (
    NO_HISTORY,
    Judged,
    judge_folder,
    judge_result,
    replayed,
)
from sb3_ac_ext.benchmark.faults.page import render_page
from sb3_ac_ext.benchmark.faults.records import (
    HISTORY,
    RESULT,
    PeerVerdict,
    Result,
    Truth,
    compact,
    is_complete,
    read_history,
    read_result,
    write_history,
    write_result,
)
from sb3_ac_ext.benchmark.faults.scenarios import MAIN, TUNED, lacks
from sb3_ac_ext.benchmark.faults.split import PARTS, Split, extended, read_split
from sb3_ac_ext.benchmark.faults.statistics import Rate, harm, quartiles
from sb3_ac_ext.benchmark.faults.summary import kind_of, measured_harm, summarise
from sb3_ac_ext.benchmark.faults.table import markdown, print_tables
from sb3_ac_ext.cli import main
from sb3_ac_ext.monitoring.history import History
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot
from sb3_ac_ext.monitoring.watch import judge

TINY = Scenario("ppo", "CartPole-v1", "small", 512, 4, False, {"n_steps": 64, "batch_size": 64})


def truth(name: str, kind: str = "harmful", cause: str = "frozen") -> Truth:
    return Truth(name, "update", cause, kind)


def judged(
    fault: str | None,
    seed: int,
    status: str = "healthy",
    causes: tuple[str, ...] = (),
    returns: tuple[float, ...] = (500.0, 500.0),
    **more: Any,
) -> Judged:
    kind, own = more.pop("kind", "harmful"), more.pop("own", None)
    case = Case(TINY, seed, fault)
    about = None if fault is None else truth(fault, kind)
    detected = 128 if status in ("warning", "critical") else None
    result = Result(case, returns, own, truth=about)
    return Judged(result, status, detected, "detector", causes)


# the plan


def test_every_fault_scenario_and_seed_of_the_plan_is_in_the_committed_split() -> None:
    from sb3_ac_ext.benchmark.faults.subjects import truths

    split = read_split()
    components = {name: truth.component for name, truth in truths().items()}
    assert plan.with_all_names(split, components) == split
    for kind in ("faults", "scenarios", "seeds"):
        assert not split.tuning[kind] & split.held_out[kind]
        assert abs(len(split.tuning[kind]) - len(split.held_out[kind])) <= 2


def test_the_grid_is_as_large_as_it_must_be() -> None:
    from sb3_ac_ext.benchmark.faults.subjects import subjects, truths

    split, kinds = read_split(), {name: t.kind for name, t in truths().items()}
    cases = plan.planned(subjects(), split)
    slugs = [case.slug for case in cases]
    assert len(set(slugs)) == len(slugs)
    faulty = [case for case in cases if case.fault]
    assert len({c.fault for c in faulty if kinds[str(c.fault)] != "benign"}) >= 60
    assert len({case.scenario.env_id for case in faulty}) >= 3
    seeds: dict[tuple[str | None, str], set[int]] = {}
    for case in faulty:
        seeds.setdefault((case.fault, case.scenario.name), set()).add(case.seed)
    assert all(len(found) >= 3 for found in seeds.values())
    healthy = {(c.scenario.algo, c.scenario.settings) for c in cases if not c.fault}
    for algo in ("ppo", "a2c", "sac", "td3", "ddpg"):
        assert {(algo, "tuned"), (algo, "default"), (algo, "small")} <= healthy
    parts = ("tuning", "held-out", "earlier", "fresh")
    assert all(sum(split.contains(part, c) for part in parts) == 1 for c in faulty)


def test_no_fault_had_been_run_in_its_fresh_scenario() -> None:
    from sb3_ac_ext.benchmark.faults.subjects import subjects

    split = read_split()
    cases = [case for case in plan.planned(subjects(), split) if case.fault]
    fresh = {(c.fault, c.scenario.name) for c in cases if split.contains("fresh", c)}
    seen = {(c.fault, c.scenario.name) for c in cases if not split.contains("fresh", c)}
    assert not fresh & seen
    assert len({fault for fault, _ in fresh}) > 0.9 * len({fault for fault, _ in seen})


def test_quick_holds_held_out_faults_once_each() -> None:
    from sb3_ac_ext.benchmark.faults.subjects import subjects

    split = read_split()
    cases = plan.planned(subjects(), split, quick=True)
    faults = [case.fault for case in cases if case.fault]
    assert sorted(faults) == sorted(set(faults)) and set(faults) <= split.held_out["faults"]
    assert 60 < len(cases) < 130 and all(split.contains("fresh", case) for case in cases)


def test_tuned_scenarios_have_the_workers_of_their_yaml() -> None:
    from sb3_ac_ext.config import load_config

    for scenario in TUNED:
        wanted = load_config(scenario.algo, scenario.env_id).environment.n_envs
        assert scenario.n_envs == wanted, scenario.name


def test_every_main_scenario_says_what_it_lacks_in_known_words() -> None:
    from sb3_ac_ext.faults import NEEDS

    assert all(set(lacks(scenario)) <= set(NEEDS) for scenario in MAIN)


def test_scenarios_of_a_fault_differ_and_more_of_them_keep_the_first() -> None:
    subject = Subject("any", lambda scenario: True, lambda scenario: None)
    two, four = chosen_scenarios(subject, MAIN, 2), chosen_scenarios(subject, MAIN, 4)
    assert four[:2] == two and chosen_scenarios(subject, MAIN[::-1], 4) == four
    assert len({s.env_id for s in four}) == 4 and len({s.algo for s in four}) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"part": "half"}, "unknown part 'half'"),
        ({"only": "("}, "is not a regular expression"),
        ({"only": "no such case"}, "no case's name contains"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan.planned([], read_split(), **arguments)


# the split


def test_extended_halves_each_group_and_keeps_what_was_there() -> None:
    group = {f"{kind}{i}": kind for kind in "abc" for i in range(5)}
    split = extended(Split(), "faults", group, group)
    for kind in "abc":
        mine = {name for name in group if group[name] == kind}
        assert {len(mine & split.tuning["faults"]), len(mine & split.held_out["faults"])} == {2, 3}
    more = extended(split, "faults", [*group, "a9"], {**group, "a9": "a"})
    assert split.tuning["faults"] <= more.tuning["faults"]
    assert split.held_out["faults"] <= more.held_out["faults"]
    assert "a9" in more.tuning["faults"] | more.held_out["faults"]


def test_parts_of_the_split() -> None:
    names = [{"faults": {a}, "scenarios": {s}, "seeds": {n}} for a, s, n in TWO_HALVES]
    split = Split(*({k: frozenset(v) for k, v in half.items()} for half in names))
    other = replace(TINY, settings="tuned")

    def parts(case: Case) -> set[str]:
        return {part for part in PARTS if split.contains(part, case)}

    assert parts(Case(TINY, 1, "a")) == {"tuning", "all"}
    assert parts(Case(TINY, 2, "b")) == {"held-out", "all"}
    assert parts(Case(other, 2, "b")) == {"held-out", "strictly-held-out", "all"}
    assert parts(Case(TINY, 2, "a")) == parts(Case(other, 1, "a")) == {"all"}
    assert parts(Case(TINY, 1)) == {"tuning", "all"} and parts(Case(other, 1)) == {"all"}
    assert parts(Case(TINY, 2)) == {"held-out", "all"}
    assert parts(Case(TINY, 13, "a")) == parts(Case(TINY, 13)) == {"earlier", "all"}
    assert parts(Case(TINY, 16, "a")) == parts(Case(TINY, 16)) == {"fresh", "all"}
    assert Split.from_json(json.loads(json.dumps(split.to_json()))) == split
    with pytest.raises(ValueError, match="unknown split 'half'"):
        split.contains("half", Case(TINY, 1))


TWO_HALVES = (("a", "ppo-CartPole-v1-small", "1"), ("b", "ppo-CartPole-v1-tuned", "2"))


# the arithmetic


def test_judging_needs_neither_torch_nor_sb3() -> None:
    names = [
        "judge",
        "summary",
        "split",
        "table",
        "page",
        "charts",
        "export",
        "words",
        "fixtures",
        "peers",
        "command",
    ]
    imports = "; ".join(f"import sb3_ac_ext.benchmark.faults.{name}" for name in names)
    heavy = "('torch', 'stable_baselines3', 'gymnasium')"
    code = f"{imports}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_intervals_are_those_of_the_tables() -> None:
    assert Rate(0, 100).interval == pytest.approx((0.0, 0.0362), abs=1e-4)
    assert Rate(95, 100).interval == pytest.approx((0.8872, 0.9836), abs=1e-4)
    assert math.isnan(Rate(0, 0).share) and math.isnan(Rate(0, 0).interval[0])
    assert quartiles([0.1, 0.2, 0.3, 0.4, 0.5]) == pytest.approx((0.2, 0.3, 0.4))


@pytest.mark.parametrize(
    ("clean", "broken", "harmful"),
    [
        ([[500, 500], [500, 500], [500, 500]], [[480, 480], [490, 490]], False),  # 2 % floor
        ([[500, 500], [500, 500], [500, 500]], [[400, 400], [400, 400]], True),
        ([[500, 500], [400, 400], [450, 450]], [[350, 350], [350, 350]], False),  # 3 x 50
        ([[500, 500], [400, 400], [450, 450]], [[250, 250], [250, 250]], True),
        ([[500, 500], [500, 500]], [[0, 600], [0, 600]], False),  # noisy episodes
        ([[-100, -100], [-110, -110]], [[-50, -50], [-50, -50]], False),  # better than clean
        ([[500, 500], [500, 500]], [[500, 500], []], True),  # one policy could not act
        ([[500, 500], [500, 500]], [[math.nan, 500.0]], True),
    ],
)
def test_harm_is_three_deviations(clean: Any, broken: Any, harmful: bool) -> None:
    measured = harm(clean, broken)
    assert measured is not None and measured.harmful is harmful


def test_harm_needs_two_clean_seeds() -> None:
    assert harm([[500.0, 500.0]], [[1.0, 1.0]]) is None and harm([[1.0], [1.0]], []) is None


def test_kinds_are_registered_or_measured() -> None:
    bad, fine = (harm([[9.0, 9.0]] * 3, [[x, x]] * 3) for x in (1.0, 9.0))
    assert [kind_of(kind, bad) for kind in ("harmful", "defect", "benign")] == [
        "harmful",
        "harmful",
        "benign",
    ]
    assert kind_of("harmful", fine) == kind_of("harmful", None) == "no measured harm"
    assert kind_of("defect", fine) == "defect"


def test_a_fault_of_the_task_is_measured_in_its_task() -> None:
    clean = [judged(None, seed) for seed in range(3)]
    rows = [judged("task", s, returns=(9.0, 9.0), own=(500.0, 500.0)) for s in range(3)]
    [measured] = measured_harm([*clean, *rows]).values()
    assert measured is not None and not measured.harmful
    scaled = [
        judged("fine", s, returns=(500.0, 500.0), own=(50.0, 50.0), kind="benign") for s in range(3)
    ]
    [measured] = measured_harm([*clean, *scaled]).values()
    assert measured is not None and not measured.harmful


def test_alarms_before_the_fault_begins_do_not_count() -> None:
    early = replace(judged("bad", 0, "critical"), detected=None)
    assert not early.alarmed and not early.critical and early.delay is None
    late = judged("bad", 0, "critical", ("frozen",))
    late = replace(late, result=replace(late.result, onset=64))
    assert late.alarmed and late.delay == (128 - 64) / 512 and late.names_cause(1)


def some_judged() -> list[Judged]:
    """Six healthy runs with one false warning, a harmful fault found twice of three times, a
    defect named wrongly, and a benign change with a false critical."""
    runs = [judged(None, seed, "warning" if seed == 5 else "healthy") for seed in range(6)]
    low = (10.0, 10.0)
    runs += [judged("bad", seed, "critical", ("frozen", "x"), low) for seed in range(2)]
    runs += [judged("bad", 2, returns=low)]
    wrong = ("x", "y", "frozen")
    runs += [judged("defective", s, "warning", wrong, kind="defect") for s in range(3)]
    runs += [judged("change", s, "critical" if s else "healthy", kind="benign") for s in range(3)]
    return runs


def test_summary_counts_by_hand() -> None:
    [part] = summarise(some_judged(), Split(), ["all"])
    rows = {row.label: row for row in part.recognised}
    assert (rows["harmful"].found.k, rows["harmful"].found.n) == (2, 3)
    assert rows["harmful and defects"].found.k == 5 and rows["harmful and defects"].first.k == 2
    assert rows["harmful and defects"].first_three.k == 5 and rows["in update"].found.n == 6
    assert rows["harmful"].delay == pytest.approx((0.25, 0.25, 0.25))
    alarms = {row.label: row for row in part.alarms}
    assert (alarms["healthy runs"].warned.k, alarms["healthy runs"].critical.k) == (1, 0)
    assert (alarms["benign faults"].critical.k, alarms["benign faults"].critical.n) == (2, 3)
    assert part.confusion == {("frozen", "frozen"): 2, ("frozen", "nothing"): 1, ("frozen", "x"): 3}
    assert [row.fault for row in words.missed(part.faults)] == ["bad"]


def test_a_benign_fault_that_costs_return_is_listed_and_not_moved() -> None:
    runs = [judged(None, seed) for seed in range(3)]
    runs += [judged("change", s, returns=(1.0, 1.0), kind="benign") for s in range(3)]
    [part] = summarise(runs, Split(), ["all"])
    assert part.surprises == ("change in ppo-CartPole-v1-small",)
    assert part.faults[0].kind == "benign" and part.recognised[0].found.n == 0


def test_what_a_fault_that_never_acted_did_need_not_be_found() -> None:
    runs = [replace(one, idle=one.result.case.seed == 0) for one in some_judged()]
    [part] = summarise(runs, Split(), ["all"])
    rows = {row.label: row for row in part.recognised}
    assert rows["harmful and defects"].found.n == 4 and rows["never acted"].found.n == 2
    assert {row.kind for row in part.faults} == {"harmful", "defect", "benign"}
    assert {row.label: row for row in part.alarms}["benign faults"].critical.n == 3
    [part] = summarise([replace(one, idle=True) for one in runs], Split(), ["all"])
    assert {row.kind for row in part.faults} == {"never acted", "benign"}


def test_a_fault_has_not_acted_where_training_is_that_without_it(tmp_path: Path) -> None:
    def recorded(fault: str | None, value: float, canary: float) -> Result:
        one = judged(fault, 0).result
        values = {"policy/kl": value, "a/nan": math.nan, "canary/return_mean": canary, "time/x": 1}
        shots = [Snapshot(10 * i, 1.0, {**values, "time/x": value}) for i in range(1, 4)]
        write_history(tmp_path / f"{one.case.slug}{HISTORY}", History(RunInfo("PPO"), shots))
        return one

    recorded(None, 0.5, 1.0)
    assert judge_result(tmp_path, recorded("idle", 0.5, 2.0)).idle
    assert not judge_result(tmp_path, recorded("busy", 0.6, 1.0)).idle
    elsewhere = recorded("elsewhere", 0.5, 2.0)
    assert elsewhere.truth is not None
    elsewhere = replace(elsewhere, truth=replace(elsewhere.truth, component="evaluation"))
    assert not judge_result(tmp_path, elsewhere).idle


# files


def history() -> History:
    rows = {"rewards/worker_mean": (1.23456789, math.nan)}
    values = {"a/b": 0.123456789, "a/n": 12345678.0, "a/inf": math.inf}
    return History(RunInfo("PPO"), [Snapshot(10 * i, 1.0, values, rows) for i in range(1, 4)])


def test_histories_are_compact_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / f"x{HISTORY}"
    write_history(path, history())
    first = path.read_bytes()
    write_history(path, history())
    assert path.read_bytes() == first and [*tmp_path.iterdir()] == [path]
    again = read_history(path)
    assert again.info == RunInfo("PPO") and len(again) == 3
    assert again.last is not None
    assert again.last.values == {"a/b": 0.123457, "a/n": 12345678.0, "a/inf": math.inf}
    assert again.last.arrays["rewards/worker_mean"][0] == 1.23457
    path.write_bytes(gzip.compress(b'{"kind":"run"}\n{"kind":'))
    with pytest.raises(ValueError, match="is not a recorded history"):
        read_history(path)


def test_six_digits_and_whole_numbers() -> None:
    assert compact(1 / 3) == 0.333333 and compact(-1.23456789e-12) == -1.23457e-12
    assert compact(123456789.0) == 123456789.0 and math.isnan(compact(math.nan))


def test_results_come_back_and_other_settings_do_not_count(tmp_path: Path) -> None:
    case = Case(TINY, 1, "frozen_critic", 2.0)
    result = Result(case, (1.0, math.nan), (), 1.5, 512, "boom", truth("frozen_critic"))
    write_result(tmp_path / f"{case.slug}{RESULT}", result)
    again = read_result(tmp_path / f"{case.slug}{RESULT}")
    assert again.case == case and again.truth == result.truth and again.own_returns == ()
    assert math.isnan(again.returns[1]) and case.slug.startswith("frozen_critic-x2--ppo-")
    assert is_complete(tmp_path, case)
    assert not is_complete(tmp_path, replace(case, scenario=replace(TINY, budget=1024)))
    (tmp_path / f"{case.slug}{RESULT}").write_text("{")
    assert not is_complete(tmp_path, case)


# runs


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy run, one with a broken reward, and one that ends in an error."""
    folder = tmp_path_factory.mktemp("recorded")
    cases = [Case(TINY, 0), Case(TINY, 0, "reward_nan", 20.0), Case(TINY, 0, "no such fault")]
    told: list[tuple[str, int, int]] = []
    grid.run_grid(
        cases,
        folder,
        2,
        origin={"commit": "abc"},
        progress=lambda r, *n: told.append((r.case.slug, *n)),
    )
    assert sorted(n for _, n, _ in told) == [1, 2, 3] and {total for *_, total in told} == {3}
    return folder


def test_runs_are_recorded_whatever_happens_in_them(recorded: Path) -> None:
    healthy, broken, unknown = (
        read_result(recorded / f"{case.slug}{RESULT}")
        for case in (
            Case(TINY, 0),
            Case(TINY, 0, "reward_nan", 20.0),
            Case(TINY, 0, "no such fault"),
        )
    )
    assert healthy.error is None and healthy.steps == 512 and len(healthy.returns) == 20
    assert healthy.origin["commit"] == "abc" and "torch" in healthy.origin
    assert broken.truth is not None and broken.truth.cause == "nonfinite_environment"
    assert unknown.error is not None and "no such fault" in unknown.error and not unknown.returns
    assert not [*recorded.glob(".*")]


def test_what_is_recorded_is_not_run_again(recorded: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in recorded.iterdir()}
    assert grid.missing([Case(TINY, 0), Case(TINY, 1)], recorded) == [Case(TINY, 1)]
    grid.run_grid([Case(TINY, 0)], recorded, progress=lambda *_: pytest.fail("it ran again"))
    assert {path: path.stat().st_mtime_ns for path in recorded.iterdir()} == before


def test_judging_a_recording_is_judging_the_run(recorded: Path) -> None:
    rows = {one.result.case.fault: one for one in judge_folder(recorded)}
    assert rows["reward_nan"].critical and rows["reward_nan"].causes[0] == "nonfinite_environment"
    assert rows["reward_nan"].result.onset == 80 <= (rows["reward_nan"].detected or 0) <= 320
    assert rows["no such fault"].status == NO_HISTORY and not rows["no such fault"].alarmed
    slug = rows["reward_nan"].result.case.slug
    recording = read_history(recorded / f"{slug}{HISTORY}")
    verdict, alarms = replayed(recording)
    assert verdict == judge(recording) and alarms[0].step == rows["reward_nan"].detected
    with pytest.raises(ValueError, match="none of the cases"):
        judge_folder(recorded, slugs=())
    with pytest.raises(ValueError, match="holds no recorded case"):
        judge_folder(recorded / "nowhere")


def test_a_representative_part_is_kept_with_its_verdicts(recorded: Path, tmp_path: Path) -> None:
    rows = judge_folder(recorded)
    (tmp_path / f"old--x--s1{RESULT}").write_text("{}")
    size = fixtures.keep(rows, recorded, tmp_path)
    expected = fixtures.read_expected(tmp_path)
    assert len(expected) == 2 and 0 < size < 200_000
    assert {path.name for path in tmp_path.iterdir()} == {
        "expected.json",
        *(f"{slug}{end}" for slug in expected for end in (HISTORY, RESULT)),
    }
    for one in judge_folder(tmp_path):
        assert fixtures.verdict_of(one) == expected[one.result.case.slug]
    assert fixtures.read_expected(tmp_path / "nowhere") == {}


def test_a_run_out_of_time_keeps_what_was_seen(tmp_path: Path) -> None:
    from sb3_ac_ext.benchmark.faults.run_case import run_case

    result = run_case(Case(replace(TINY, budget=500_000), 0), tmp_path, limit=1.0)
    assert result.error is not None and result.error.startswith("OutOfTime")
    assert 0.9 < result.seconds < 20.0 and len(result.returns) == 20
    assert (tmp_path / f"{result.case.slug}{HISTORY}").exists()


def test_a_process_that_dies_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_start", start_to_die)
    grid.run_grid([Case(TINY, 0)], tmp_path)
    result = read_result(tmp_path / f"{Case(TINY, 0).slug}{RESULT}")
    assert result.error == "the process ended with code 7"
    assert judge_folder(tmp_path)[0].status == NO_HISTORY


def start_to_die(context: Any, case: Case, folder: Path, *_: Any) -> Any:
    process = context.Process(target=os._exit, args=(7,))
    process.start()
    return grid._Running(case, process, time.monotonic() + 60, folder / ".log")


# other packages


def sick_history() -> History:
    """Sixty updates of a PPO run whose KL divergence and loss explode."""
    snapshots = []
    for i in range(60):
        values = {
            "train/approx_kl": 0.01 + 0.001 * (i % 3) if i < 50 else 30.0,
            "train/loss": 1.0 if i < 55 else math.nan,
            "policy/entropy": 1e-7 if i > 20 else 1.5,
            "episodes/return_mean": 300.0,
        }
        snapshots.append(Snapshot(1000 * (i + 1), 1.0, values))
    return History(RunInfo("PPO"), snapshots)


@pytest.mark.parametrize(
    ("package", "ask", "what"),
    [
        ("rlwatch", peers.rlwatch, "loss_nan"),
        ("rl_doctor", peers.rldoctor, "entropy_collapse"),
        ("zen", peers.zen, "LR_TOO_HIGH"),
    ],
)
def test_other_packages_are_asked_by_their_own_interface(
    package: str, ask: peers.Ask, what: str
) -> None:
    pytest.importorskip(package)
    verdict = ask(sick_history())
    assert verdict.warned and what in verdict.what, verdict


def test_absent_packages_are_said_to_be_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "_label", lambda name: None)
    asked = peers.ask_all(tmp_path, some_judged())
    assert [one.name for one in asked] == ["rlwatch", "rldoctor", "zen-rl", "reward-scope"]
    assert all(one.missing and not one.verdicts for one in asked)
    print_tables(summarise(some_judged(), Split(), ["all"], asked))
    assert "not installed" in capsys.readouterr().out


def test_a_package_that_breaks_has_found_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = some_judged()[0]
    write_history(tmp_path / f"{one.result.case.slug}{HISTORY}", history())
    monkeypatch.setattr(peers, "_label", lambda name: f"{name} 1")
    monkeypatch.setattr(peers.importlib, "import_module", lambda name: {}["no such thing"])
    asked = peers.ask_all(tmp_path, [one])
    assert asked[0].verdicts == {one.result.case.slug: PeerVerdict(what=("raised KeyError",))}


def test_peers_are_counted_on_the_same_runs() -> None:
    runs = some_judged()
    verdicts = {one.result.case.slug: PeerVerdict(True, True) for one in runs}
    [part] = summarise(runs, Split(), ["all"], [peers.PeerVerdicts("other 1", verdicts)])
    rows = {row.label: row for row in part.peers}
    assert (rows["sb3_ac_ext"].found.k, rows["sb3_ac_ext"].warned.k) == (5, 1)
    assert (rows["other 1"].found.k, rows["other 1"].critical.k) == (6, 6)
    assert rows["other 1, PPO only"].found.n == 6
    assert document([part], runs)["parts"][0]["peers"][2]["found"]["k"] == 6


# what is written


def test_tables_page_and_document_hold_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    runs = some_judged()
    parts = summarise(runs, Split(), ["all"])
    print_tables(parts)
    shown = capsys.readouterr().out
    assert "66.7 %" in shown and "missed 1 of 3: bad" in shown
    text = markdown(parts, runs, ["--quick"])
    assert (
        "Command: `sb3-ac benchmark faults --quick`." in text
        and "| frozen | 6 | 2 | x 3, nothing 1 |" in text
    )
    data = json.loads(json.dumps(document(parts, runs), allow_nan=False))
    assert data["parts"][0]["recognised"][0]["found"]["k"] == 5 and len(data["cases"]) == 15
    page = render_page(parts, runs)
    assert "66.7 % (9.4 to 99.2)" in page and "chart-4" in page and page.count("<section") == 2
    assert "http://" not in page.split("<script>")[0] and "src=" not in page.split("<script>")[0]


def test_empty_parts_have_empty_tables(capsys: pytest.CaptureFixture[str]) -> None:
    parts = summarise(some_judged(), Split(), ["tuning"])
    print_tables(parts)
    assert "Tuning half" in capsys.readouterr().out
    assert "No runs." in markdown(parts, [])
    assert "<section" in render_page(parts, [])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "no such case"],
        ["--only", "["],
        ["--jobs", "0"],
        ["--split", "half"],
        ["--part", "some"],
        ["--judge-only", "--out", "nowhere"],
        ["--out", __file__],
    ],
)
def test_wrong_arguments_end_with_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "run_grid", lambda *_: pytest.fail("it ran"))
    assert main(["benchmark", "faults", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sb3-ac: error:") and error.count("\n") == 1
