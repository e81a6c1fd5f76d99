"""``sb3-ac report``: where the page is written, what it is given, what cannot be written."""

import pytest

from sb3_ac_ext.cli import main
from tests.test_cli_diagnose import run_folder


@pytest.fixture
def written(monkeypatch):
    """Calls of ``write_report``, which has tests of its own."""
    calls = []

    def write_report(path, history, verdict, run=None):
        calls.append((path, history.step, verdict.status, run))
        path.write_text("page")

    monkeypatch.setattr("sb3_ac_ext.report.write_report", write_report)
    return calls


def test_default_place_and_run_json(tmp_path, written, capsys):
    folder = run_folder(tmp_path / "run")
    (folder / "run.json").write_text('{"seed": 3}')
    assert main(["report", str(folder)]) == 0
    assert written == [(folder / "report.html", 600, "healthy", {"seed": 3})]
    assert str(folder / "report.html") in capsys.readouterr().out


def test_a_critical_run_is_still_a_report_written(tmp_path, written):
    assert main(["report", str(run_folder(tmp_path / "run", nonfinite=2.0))]) == 0
    assert written[0][2] == "critical"


def test_output_and_a_single_file(tmp_path, written):
    (tmp_path / "progress.csv").write_text("time/total_timesteps,a\n5,1\n")
    assert main(["report", str(tmp_path / "progress.csv"), "-o", str(tmp_path / "x.html")]) == 0
    assert main(["report", str(tmp_path / "progress.csv")]) == 0
    assert [call[0].name for call in written] == ["x.html", "report.html"]
    assert [call[3] for call in written] == [None, None]
    assert (tmp_path / "report.html").exists()


def test_a_log_folder_with_one_run(tmp_path, written):
    run_folder(tmp_path / "logs" / "ppo" / "Toy-v0_1")
    assert main(["report", str(tmp_path / "logs")]) == 0
    assert written[0][0] == tmp_path / "logs" / "ppo" / "Toy-v0_1" / "report.html"


def one_sentence(capsys):
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_log_folder_with_several_runs_is_refused(tmp_path, written, capsys):
    for name in "ab":
        run_folder(tmp_path / name)
    assert main(["report", str(tmp_path)]) == 2
    assert "holds 2 runs" in one_sentence(capsys)
    assert written == []


def test_places_that_cannot_be_written(tmp_path, capsys):
    folder = run_folder(tmp_path / "run")
    (tmp_path / "file").write_text("")
    assert main(["report", str(folder), "-o", str(tmp_path / "file" / "x.html")]) == 2
    assert "cannot write" in one_sentence(capsys)
    assert main(["report", str(folder), "-o", str(tmp_path)]) == 2
    assert "it is a folder" in one_sentence(capsys)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_run_json(tmp_path, written, capsys, content):
    folder = run_folder(tmp_path / "run")
    (folder / "run.json").write_text(content)
    assert main(["report", str(folder)]) == 2
    assert "run.json" in one_sentence(capsys)


def test_a_real_page(tmp_path):
    folder = run_folder(tmp_path / "run", nonfinite=1.0)
    assert main(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "Toy-v0" in page and "critical" in page
