"""Histories from the files of runs that never had our callback: tables of small made-up files."""

import json
from itertools import pairwise

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from sb3_ac_ext.monitoring.history import write_header, write_snapshot
from sb3_ac_ext.monitoring.records import RunInfo, Snapshot
from sb3_ac_ext.monitoring.sources import load_history, run_folders
from sb3_ac_ext.monitoring.sources.algorithms import known_algorithm
from sb3_ac_ext.monitoring.sources.names import canonical
from sb3_ac_ext.monitoring.sources.observed import not_observed
from sb3_ac_ext.monitoring.sources.steps_back import kept_rows

STEP = "time/total_timesteps"


def values(history, name):
    series = history.series(name)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def progress(folder, text, name="progress.csv"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def monitor(folder, worker, rows, t_start=1000.0, tail=""):
    head = json.dumps({"t_start": t_start, "env_id": "Toy-v0"})
    body = "".join(f"{r},{length},{t}\n" for r, length, t in rows)
    path = folder / f"{worker}.monitor.csv"
    path.write_text(f"#{head}\nr,l,t\n{body}{tail}")
    return path


def evaluations(path, steps, results, **more):
    np.savez(path, timesteps=np.asarray(steps), results=np.asarray(results), **more)
    return path


def events(folder, points):
    writer = SummaryWriter(str(folder))
    for step, tag, value in points:
        writer.add_scalar(tag, value, step)
    writer.close()
    (path,) = sorted(folder.glob("*tfevents*"))[-1:]
    return path


# names


def test_names_of_sb3_become_ours():
    keys = ["rollout/ep_rew_mean", "train/approx_kl", "train/entropy_loss", STEP, "own/thing"]
    assert canonical(keys) == {
        "rollout/ep_rew_mean": ("episodes/return_mean", 1.0),
        "train/approx_kl": ("train/approx_kl", 1.0),
        "train/entropy_loss": ("policy/entropy", -1.0),
        "own/thing": ("own/thing", 1.0),
    }


def test_our_own_scalars_map_back_and_win_over_sb3s():
    named = canonical(["rollout/ep_rew_mean", "diag/episodes/return_mean", "diag/policy/kl"])
    assert named == {
        "diag/episodes/return_mean": ("episodes/return_mean", 1.0),
        "diag/policy/kl": ("policy/kl", 1.0),
    }


@pytest.mark.parametrize(
    ("name", "algo", "family"),
    [
        ("ppo", "PPO", "on-policy"),
        ("ppo_lstm", "RecurrentPPO", "on-policy"),
        ("crossq", "CrossQ", "off-policy"),
        ("TD3", "TD3", "off-policy"),
    ],
)
def test_known_algorithms(name, algo, family):
    assert known_algorithm(name) == {"algo": algo, "family": family}


def test_an_unknown_algorithm_is_none():
    assert known_algorithm("run") is None


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([], []),
        ([1, 2, 3], [0, 1, 2]),
        ([1, 1, 2], [0, 1, 2]),
        ([10, 20, 30, 10, 20], [3, 4]),  # began anew
        ([10, 20, 30, 25, 35], [0, 1, 3, 4]),  # resumed from a checkpoint
        ([10, 20, 10, 20, 5], [4]),
    ],
)
def test_kept_rows(steps, kept):
    indices, notes = kept_rows(steps)
    assert indices == kept
    assert len(notes) == sum(b < a for a, b in pairwise(steps))


def test_what_is_not_observed_gets_a_reason():
    missing = not_observed({"q/mean", "canary/return_mean"}, ["a.csv", "b.npz"], "off-policy")
    assert "q_values" not in missing and "canary" not in missing
    assert missing["gradients"] == "a.csv and b.npz hold no gradients"
    assert missing["value"] == "off-policy algorithms have none"
    assert not_observed(set(), ["a.csv"], None)["q_values"] == "a.csv holds no Q-values"
    assert len(not_observed(set(), ["a.csv"], None)) == 13


# progress.csv


def test_progress(tmp_path):
    text = (
        f"{STEP},time/time_elapsed,rollout/ep_rew_mean,train/entropy_loss,train/loss\n"
        "100,1,5.0,,\n200,2,6.0,-0.5,nan\n200,2,,-0.4,\n300,4,,,inf\n"
    )
    history = load_history(progress(tmp_path, text))
    assert values(history, "episodes/return_mean") == {100: 5.0, 200: 6.0}
    assert values(history, "policy/entropy") == {200: 0.4}  # of equal steps the later row holds
    loss = values(history, "train/loss")
    assert np.isnan(loss[200]) and loss[300] == float("inf")
    assert [s.seconds for s in history] == [1.0, 2.0, 4.0]
    assert history.info.source == "progress.csv"
    assert history.info.family == "on-policy"
    assert history.info.not_observed["gradients"] == "progress.csv holds no gradients"
    assert "policy" not in history.info.not_observed
    assert history.notes == []


def test_progress_torn_last_line(tmp_path):
    path = progress(tmp_path, f"{STEP},a\n100,1.0\n200,2.")
    history = load_history(path)
    assert values(history, "a") == {100: 1.0}
    assert history.notes == ["progress.csv: the last line was torn and is dropped"]


def test_progress_cells_that_are_no_numbers_are_noted(tmp_path):
    text = f'{STEP},a,name\n100,1.0,"x, y"\n200,oops,z\n,3.0,z\n'
    history = load_history(progress(tmp_path, text))
    assert values(history, "a") == {100: 1.0}
    assert history.names == ["a"]
    assert history.notes == [
        "progress.csv: 1 rows without a step are left out",
        "progress.csv: 1 cells of a are no numbers and are left out",
        "progress.csv: 2 cells of name are no numbers and are left out",
    ]


def test_progress_of_two_runs_keeps_the_last(tmp_path):
    history = load_history(progress(tmp_path, f"{STEP},a\n10,1\n20,2\n10,7\n20,8\n30,9\n"))
    assert values(history, "a") == {10: 7.0, 20: 8.0, 30: 9.0}
    assert "steps go back from 20 to 10" in history.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (f"{STEP},a\n", "holds no complete row"),
        (f"{STEP},a\n10,x\n", "holds no numbers"),
        ("a,b\n1,2\n", "has no column 'time/total_timesteps'"),
        (f"{STEP},a\n10\n20,2\n", "row 2 has 1 cells, its header has 2"),
        (f"{STEP},a\n10,\x00\n", r"progress\.csv"),
        (f'{STEP},a\n10,"open\n20,3\n', "not a valid CSV file"),
    ],
)
def test_a_bad_progress_is_one_sentence(tmp_path, text, message):
    path = progress(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        load_history(path)
    assert "progress.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_binary_progress(tmp_path):
    (tmp_path / "progress.csv").write_bytes(b"\xff\xfe\x00\x01" * 20)
    with pytest.raises(ValueError, match="not text"):
        load_history(tmp_path)


# *.monitor.csv


def test_monitors_of_all_workers(tmp_path):
    for worker in range(3):
        rows = [(10.0 * worker + i, 5, 0.1 * i) for i in range(1, 41)]
        monitor(tmp_path, worker, rows, t_start=1000.0 + worker)
    history = load_history(tmp_path)
    assert history.info.env_id == "Toy-v0"
    assert history.info.n_envs == 3
    assert history.step == 40 * 5 * 3  # workers step together
    assert len(history) == 20  # two episodes per worker and bin
    assert sum(values(history, "episodes/count").values()) == 120
    first = next(iter(history))
    assert first.step == 30
    assert set(values(history, "episodes/count").values()) == {6.0}
    last = history.rows("episodes/worker_return_mean")[-1]
    assert last == (600, (39.5, 49.5, 59.5))
    assert values(history, "episodes/return_mean")[600] == pytest.approx(49.5)
    assert values(history, "episodes/return_min")[600] == 39.0
    assert values(history, "episodes/length_std")[600] == 0.0
    assert history.last.seconds == pytest.approx(6.0)  # the last worker began two seconds later


def test_monitor_bins_are_at_most_a_hundred(tmp_path):
    monitor(tmp_path, 0, [(1.0, 10, i) for i in range(1000)])
    history = load_history(tmp_path)
    assert len(history) == 100
    assert all(v == 10 for v in values(history, "episodes/count").values())


def test_a_worker_without_episodes_is_nan(tmp_path):
    monitor(tmp_path, 0, [(1.0, 10, 1.0)])
    monitor(tmp_path, 2, [(3.0, 10, 1.0)])
    history = load_history(tmp_path)
    ((step, row),) = history.rows("episodes/worker_return_mean")
    assert step == 30
    assert row[0] == 1.0 and np.isnan(row[1]) and row[2] == 3.0
    assert "1 of 3 workers have no monitor.csv" in history.notes


def test_monitor_faults_are_noted(tmp_path):
    rows = [(1.0, 10, 1.0), ("x", 10, 2.0), (float("nan"), 10, 3.0), (2.0, 10, 0.5), (9.0, -3, 1.0)]
    monitor(tmp_path, 0, rows, tail="9.0,9")
    (tmp_path / "1.monitor.csv").write_text('#{"t_start": 1}\nr,l,t\n')
    (tmp_path / "eval.monitor.csv").write_text("not ours\n")
    history = load_history(tmp_path)
    assert history.notes == [
        "0.monitor.csv: the last line was torn and is dropped",
        "0.monitor.csv: 2 rows with cells that are no numbers or lengths are left out",
        "0.monitor.csv: its time goes back; the rows after it count as a continuation",
        "1.monitor.csv: no finished episode",
    ]
    assert history.step == 60
    assert np.isnan(history.series("episodes/return_mean").values).any()


def test_one_monitor_file_stands_for_itself(tmp_path):
    path = monitor(tmp_path, 3, [(1.0, 10, 1.0), (2.0, 20, 2.0)])
    history = load_history(path)
    assert (history.step, history.info.n_envs) == (30, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#{broken\nr,l,t\n1,2,3\n", "not a JSON header"),
        ("#[1]\nr,l,t\n1,2,3\n", "not a JSON header"),
        ('#{"t_start": "x"}\nr,l,t\n1,2,3\n', "not a JSON header"),
        ("#{}\na,b\n1,2\n", "no column 'r'"),
        ("#{}\nr,l,t\nx,y,z\n", "no finished episode"),
        ("#{}\nr,l,t\n", "no finished episode"),
    ],
)
def test_a_bad_monitor_is_one_sentence(tmp_path, text, message):
    (tmp_path / "0.monitor.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_history(tmp_path)


def test_success_of_episodes(tmp_path):
    (tmp_path / "monitor.csv").write_text(
        "#{}\nr,l,t,is_success\n1,5,1,True\n1,5,2,False\n".replace("True", "1").replace(
            "False", "0"
        )
    )
    assert values(load_history(tmp_path), "episodes/success_rate") == {10: 0.5}


# evaluations.npz


def test_evaluations_are_the_canary(tmp_path):
    path = evaluations(
        tmp_path / "evaluations.npz",
        [100, 200],
        [[1.0, 3.0], [5.0, 5.0]],
        ep_lengths=np.asarray([[1, 2], [3, 4]]),
    )
    history = load_history(path)
    assert values(history, "canary/return_mean") == {100: 2.0, 200: 5.0}
    assert values(history, "canary/return_std") == {100: 1.0, 200: 0.0}
    assert values(history, "canary/length_mean") == {100: 1.5, 200: 3.5}
    assert history.rows("canary/returns") == [(100, (1.0, 3.0)), (200, (5.0, 5.0))]
    assert "episodes" in history.info.not_observed


def test_evaluations_of_two_runs(tmp_path):
    path = evaluations(tmp_path / "evaluations.npz", [10, 20, 10], [[1.0], [2.0], [3.0]])
    history = load_history(path)
    assert values(history, "canary/return_mean") == {10: 3.0}
    assert "evaluations.npz: steps go back from 20 to 10" in history.notes[0]


def npz_of_objects(path):
    np.savez(path, timesteps=np.asarray([1]), results=np.asarray([{}], dtype=object))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"PK\x03\x04 broken"), "not a readable npz file"),
        (lambda p: p.write_bytes(b""), "not a readable npz file"),
        (lambda p: np.save(p.open("wb"), np.zeros(3)), "not a readable npz file"),
        (lambda p: p.write_bytes(bytes(range(100, 200))), "npz file: it is no zip archive$"),
        (npz_of_objects, "npz file: it holds Python objects$"),  # would have to be unpickled
        (lambda p: np.savez(p, a=np.zeros(3)), "no array 'timesteps'"),
        (lambda p: evaluations(p, [1, 2], [[1.0]]), "do not fit each other"),
        (lambda p: evaluations(p, [1], [["x"]]), "not numbers"),
        (lambda p: evaluations(p, [], np.zeros((0, 5))), "holds no evaluation"),
        (lambda p: evaluations(p, [1], np.zeros((1, 0))), "without episodes"),
        (lambda p: evaluations(p, [1], [[1.0]], ep_lengths=np.zeros((2, 2))), "do not fit"),
    ],
)
def test_a_bad_npz_is_one_sentence(tmp_path, make, message):
    path = tmp_path / "evaluations.npz"
    make(path)
    for target in (path, tmp_path):
        with pytest.raises(ValueError, match=message) as caught:
            load_history(target)
        assert "evaluations.npz" in str(caught.value) and "\n" not in str(caught.value)


def test_a_truncated_npz(tmp_path):
    path = evaluations(tmp_path / "evaluations.npz", [1, 2], np.ones((2, 50)))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match="not a readable npz file"):
        load_history(path)


# TensorBoard


def test_events_with_our_scalars(tmp_path):
    points = [
        (10, "rollout/ep_rew_mean", 1.0),
        (10, "diag/policy/kl", 0.5),
        (20, "diag/policy/kl", 0.25),
        (20, "train/entropy_loss", -0.75),
    ]
    events(tmp_path / "Toy-v1" / "PPO_3", points)
    history = load_history(tmp_path)
    assert values(history, "policy/kl") == {10: 0.5, 20: 0.25}
    assert values(history, "policy/entropy") == {20: 0.75}
    assert (history.info.algo, history.info.env_id) == ("PPO", "Toy-v1")
    assert history.info.source == "TensorBoard"


def test_events_torn_at_the_end(tmp_path):
    path = events(tmp_path, [(step, "a", float(step)) for step in range(1, 51)])
    path.write_bytes(path.read_bytes()[:-7])
    history = load_history(path)
    assert len(history) == 49
    assert history.notes == [f"{path.name}: the last record was torn and is dropped"]


def test_events_damaged_in_the_middle(tmp_path):
    path = events(tmp_path, [(step, "a", float(step)) for step in range(1, 51)])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    content[len(content) // 2 + 1] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        load_history(path)


@pytest.mark.parametrize("content", [b"no events at all, just text of some length", b"short"])
def test_a_file_that_only_has_the_name(tmp_path, content):
    path = tmp_path / "events.out.tfevents.1.x"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged or no TensorBoard event file"):
        load_history(path)


@pytest.mark.parametrize("content", [None, b""])
def test_events_without_scalars(tmp_path, content):
    path = events(tmp_path, [])
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="no scalars"):
        load_history(path)


def test_events_of_a_continued_run_are_joined(tmp_path):
    events(tmp_path, [(10, "a", 1.0), (20, "a", 2.0)]).rename(tmp_path / "1.tfevents")
    events(tmp_path, [(15, "a", 5.0), (25, "a", 6.0)]).rename(tmp_path / "2.tfevents")
    history = load_history(tmp_path)
    assert values(history, "a") == {10: 1.0, 15: 5.0, 25: 6.0}
    assert "steps go back from 20 to 15" in history.notes[0]


# folders


def test_sources_of_a_folder_are_merged_by_step_each_series_from_one(tmp_path):
    run = tmp_path / "ppo" / "Toy-v0_1"
    run.mkdir(parents=True)
    monitor(run, 0, [(1.0, 10, 1.0), (2.0, 10, 2.0)])
    progress(run, f"{STEP},rollout/ep_rew_mean,train/loss\n16,99.0,0.5\n20,99.0,0.25\n")
    evaluations(run / "evaluations.npz", [18], [[7.0]])
    events(run / "tb" / "PPO_1", [(16, "train/loss", 77.0), (17, "train/extra", 1.0)])
    history = load_history(run)
    assert values(history, "episodes/return_mean") == {20: 1.5}
    assert values(history, "canary/return_mean") == {18: 7.0}
    assert values(history, "train/loss") == {16: 0.5, 20: 0.25}
    assert values(history, "train/extra") == {17: 1.0}
    assert [s.step for s in history] == [16, 17, 18, 20]
    assert history.info.source == "0.monitor.csv, evaluations.npz, progress.csv, TensorBoard"
    assert (history.info.algo, history.info.env_id) == ("PPO", "Toy-v0")


def test_our_own_file_wins_alone(tmp_path):
    with (tmp_path / "monitor.jsonl").open("w") as stream:
        write_header(stream, RunInfo(algo="SAC"))
        write_snapshot(stream, Snapshot(5, 0.5, {"a": 1.0}))
    monitor(tmp_path, 0, [(1.0, 10, 1.0)])
    evaluations(tmp_path / "evaluations.npz", [1], [[1.0]]).write_bytes(b"broken")
    history = load_history(tmp_path)
    assert history.info.source == "callback"
    assert history.names == ["a"]


def test_empty_parts_are_noted_and_no_part_at_all_is_an_error(tmp_path):
    progress(tmp_path, "")
    with pytest.raises(ValueError, match=r"progress\.csv is empty"):
        load_history(tmp_path)
    monitor(tmp_path, 0, [(1.0, 10, 1.0)])
    assert load_history(tmp_path).notes == [f"{tmp_path / 'progress.csv'} is empty"]


ORDERED = "!!python/object/apply:collections.OrderedDict\n"


def zoo(run, args, config):
    inner = run / "Toy-v0"
    inner.mkdir(parents=True)
    (inner / "args.yml").write_text(args)
    (inner / "config.yml").write_text(config)
    monitor(run, 0, [(1.0, 10, 1.0)])
    return run


def pairs(**items):
    return ORDERED + "- - - " + "\n  - - ".join(f"{k}\n    - {v}" for k, v in items.items()) + "\n"


@pytest.mark.parametrize(("asked", "total"), [(3000, 3000), (-1, 100000)])
def test_facts_of_a_zoo_folder(tmp_path, asked, total):
    args = pairs(algo="ppo_lstm", env="Toy-v0", n_timesteps=asked, seed=4)
    config = pairs(gamma=0.98, learning_rate="lin_0.001", n_envs=8, n_timesteps="100000.0")
    history = load_history(zoo(tmp_path / "x" / "y", args, config))
    info = history.info
    assert (info.algo, info.family, info.env_id) == ("RecurrentPPO", "on-policy", "Toy-v0")
    assert (info.seed, info.n_envs, info.total_timesteps, info.gamma) == (4, 8, total, 0.98)
    assert info.hyperparameters == {"gamma": 0.98, "learning_rate": "lin_0.001"}


def test_a_zoo_file_cannot_run_code(tmp_path):
    evil = f"!!python/object/apply:os.system\n- touch {tmp_path}/owned\n"
    run = zoo(tmp_path / "run", evil, "n_timesteps: 10\n")
    with pytest.raises(ValueError, match=r"args\.yml is not valid YAML"):
        load_history(run)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "plain"])
def test_a_broken_zoo_file(tmp_path, text):
    run = zoo(tmp_path / "run", "algo: ppo", text)
    with pytest.raises(ValueError, match=r"config\.yml"):
        load_history(run)


def test_run_folders_in_natural_order(tmp_path):
    for name in ("a2c/Toy-v0_10", "a2c/Toy-v0_2", "ppo/Toy-v0_1", ".hidden/x", "empty"):
        (tmp_path / name).mkdir(parents=True)
        if name != "empty":
            monitor(tmp_path / name, 0, [(1.0, 10, 1.0)])
    events(tmp_path / "tb" / "PPO_1", [(1, "a", 1.0)])
    events(tmp_path / "ppo/Toy-v0_1" / "tb", [(1, "a", 1.0)])
    found = [str(path.relative_to(tmp_path)) for path in run_folders(tmp_path)]
    assert found == ["a2c/Toy-v0_2", "a2c/Toy-v0_10", "ppo/Toy-v0_1", "tb/PPO_1"]
    assert run_folders(tmp_path / "a2c/Toy-v0_2") == [tmp_path / "a2c/Toy-v0_2"]
    assert run_folders(tmp_path / "nowhere") == []


def test_paths_that_hold_no_run(tmp_path):
    with pytest.raises(ValueError, match="no such file or folder"):
        load_history(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no run in"):
        load_history(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"is no record of a run; accepted are monitor\.jsonl"):
        load_history(tmp_path / "notes.txt")


def test_one_run_below_is_read_and_several_are_refused(tmp_path):
    (tmp_path / "ppo" / "Toy-v0_1").mkdir(parents=True)
    monitor(tmp_path / "ppo" / "Toy-v0_1", 0, [(1.0, 10, 1.0)])
    assert load_history(tmp_path).info.algo == "PPO"
    (tmp_path / "ppo" / "Toy-v0_2").mkdir(parents=True)
    monitor(tmp_path / "ppo" / "Toy-v0_2", 0, [(1.0, 10, 1.0)])
    with pytest.raises(ValueError, match=r"holds 2 runs: name one of them, such as .*Toy-v0_1"):
        load_history(tmp_path)
