"""``upscale --budget`` and ``--budget-macs``, and ``models calibrate``, through the command line."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from cli.test_jobs_again import interrupt_after, signals_are_handled  # noqa: F401
from sparsesr.cli.budget_option import ArrivingFiles, parse_time
from sparsesr.cli.main import main
from sparsesr.cli.options import parse_count
from sparsesr.errors import UsageError
from sparsesr.image import encode as encode_module
from sparsesr.jobs.inputs import expand
from sparsesr.jobs.pairing import pair
from sparsesr.modelfile.catalogue import install_model, load
from support.tiny_models import photo, size_of, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    (tmp_path / "work" / "d").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    for number in range(4):
        Image.fromarray(photo(20 + 4 * number, 30, seed=number)).save(f"d/{number}.png")
    return tmp_path / "work"


def up(*arguments: str) -> int:
    return main(["upscale", "-n", "skim_fast_x2", "-j", "1", "d", "-o", "out/", *arguments])


def records(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def results() -> list[str]:
    return sorted(path.name for path in Path("out").iterdir())


def test_records_say_what_each_image_got(capsys):
    assert up("--budget", "1min", "--json") == 0
    found = records(capsys)
    assert len(found) == 4 and results() == [f"{number}_x2.png" for number in range(4)]
    for record in found:
        share = record["budget"]
        assert share["unit"] == "s" and share["effort"] == record["effort"] > 0.3
        assert 0 < share["actual"] < 60 and share["predicted"] > 0
    left = [record["budget"]["left"] for record in found]
    assert left == sorted(left, reverse=True) and 0 < left[-1] < 60


def test_a_final_line_says_how_much_was_used(capsys):
    assert up("--budget", "1min") == 0
    err = capsys.readouterr().err
    assert "of 60.0 s used; more would not have helped" in err
    assert up("--budget", "1min", "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_a_budget_that_is_too_small_gives_bicubic(capsys):
    assert up("--budget-macs", "1", "--json") == 0
    out = capsys.readouterr()
    for line in out.out.splitlines():
        record = json.loads(line)
        assert record["budget"]["effort"] is None and record["passes"] == [] and record["macs"] == 0
        assert "too small" in record["notes"][-1]
    assert "too little for 4 images" in out.err
    assert up("--budget", "0.000001s", "--overwrite") == 0
    assert "too little for 4 images" in capsys.readouterr().err
    assert len(results()) == 4


def test_multiply_adds_are_kept(capsys):
    assert up("--budget-macs", "0.15G", "--json") == 0
    found = records(capsys)
    assert sum(record["macs"] for record in found) <= 0.15e9 * 1.1
    assert any(record["macs"] > 0 for record in found)


def test_one_image(capsys):
    assert main(["upscale", "-n", "skim_fast_x2", "d/0.png", "--budget", "5s"]) == 0
    assert "effort" in capsys.readouterr().out and Path("d/0_x2.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "0s"], "greater than 0"),
        (["--budget", "-5s"], "is not a time"),
        (["--budget", "10"], "is not a time; write it like 90s, 10min or 1.5h"),
        (["--budget", "ten minutes"], "is not a time"),
        (["--budget-macs", "0"], "greater than 0"),
        (["--budget-macs", "many"], "is not a number; write it like 5e12, 500G or 2T"),
        (["--budget", "1min", "--budget-macs", "5T"], "exclude each other"),
        (["--budget", "1min", "--effort", "0.5"], "leave --effort out, or --budget"),
        (["--budget", "1min", "--target-ms", "50"], "leave --target-ms out, or --budget"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    assert up(*arguments) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_standard_input_is_refused(capsys):
    assert main(["upscale", "-", "--budget", "1min"]) == 2
    assert "use --target-ms" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10min", 600), ("1.5h", 5400), (" 2 MIN ", 120)])
def test_times(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize(("text", "count"), [("5e12", 5e12), ("500G", 5e11), ("2T", 2e12), ("7", 7)])
def test_counts(text, count):
    assert parse_count("--budget-macs", text) == count
    with pytest.raises(UsageError):
        parse_count("--budget-macs", f"-{text}")


def test_models_that_cannot_have_a_budget_are_refused_and_others_calibrated(capsys):
    install_model(tiny(), "tiny")
    assert main(["upscale", "-n", "acnet_noise_x2", "d", "-o", "out/", "--budget", "1min"]) == 2
    assert "--budget: acnet_noise_x2 computes every pixel" in capsys.readouterr().err
    assert main(["upscale", "-n", "tiny", "d", "-o", "out/", "--budget", "1min"]) == 0
    assert "no record of what efforts gain; calibrating it" in capsys.readouterr().err
    assert len(results()) == 4


def test_sizes_that_take_several_networks_fail_one_by_one(capsys):
    assert up("--budget", "1min", "-s", "8") == 2
    assert "a budget is for one" in capsys.readouterr().err


def test_broken_files_do_not_stop_the_others(capsys):
    Path("d/1.png").write_bytes(b"rubbish")
    assert up("--budget", "1min", "--json") == 3
    found = records(capsys)
    assert [("error" in record) for record in found] == [False, True, False, False]


def test_the_same_command_goes_on_with_what_is_left(monkeypatch, capsys, signals_are_handled):  # noqa: F811
    with monkeypatch.context() as patched:
        interrupt_after(2, signal.SIGINT, patched)
        assert up("--budget", "1h") == 130
    assert "the same command upscales the rest" in capsys.readouterr().err
    (journal,) = Path("out").glob(".sparsesr-job*")
    spent = [json.loads(line).get("spent") for line in journal.read_text().splitlines()]
    before = max(value for value in spent if value is not None)
    assert before > 0
    assert up("--budget", "1h", "--json") == 0
    skipped, done = [], []
    for record in records(capsys):
        (skipped if "skipped" in record else done).append(record)
    assert len(skipped) == 2 and len(done) == 2
    assert all(record["budget"]["left"] < 3600 - before for record in done)


def test_skip_existing_spends_on_the_rest(capsys):
    assert up("--budget", "1min") == 0
    Path("out/2_x2.png").unlink()
    capsys.readouterr()
    assert up("--budget", "1min", "--skip-existing", "--json") == 0
    assert ["skipped" in record for record in records(capsys)] == [True, True, False, True]


def arriving(now: list[float], refused: list | None = None, **naming) -> ArrivingFiles:
    """What arrives in ``d`` at the time ``now``; ``naming``: arguments of :func:`pair`."""
    named = {"output": "out/", "label": "x2", **naming}
    found = expand(["d"], recursive=False)
    return ArrivingFiles(
        found,
        pair(found, **named).targets,
        lambda: expand(["d"], recursive=False),
        lambda again: pair(again, **named),
        lambda source, error: [] if refused is None else refused.append((source.name, str(error))),
        lambda: now[0],
    )


def listed_twice(arrivals: ArrivingFiles, now: list[float]) -> dict[str, str]:
    """Names of what has arrived and is complete."""
    now[0] += 10
    assert arrivals() == {}
    now[0] += 10
    return {source.name: target.name for source, target in arrivals().items()}


def test_files_that_arrive_while_it_runs_are_upscaled_once_they_are_complete(folder):
    now = [0.0]
    arrivals = arriving(now)
    assert arrivals() == {}
    Image.fromarray(photo(9, 9)).save("d/new.png")
    assert arrivals() == {}, "folders are not listed all the time"
    now[0] = 10
    assert arrivals() == {}, "it may still be growing"
    with Path("d/new.png").open("ab") as file:
        file.write(b"more")
    now[0] = 20
    assert arrivals() == {}
    now[0] = 30
    assert {source.name: target.name for source, target in arrivals().items()} == {"new.png": "new_x2.png"}
    now[0] = 40
    assert arrivals() == {}
    Path("d/new.png").unlink()
    now[0] = 50
    assert arrivals() == {}


def test_results_beside_their_inputs_do_not_count_as_arrivals(monkeypatch, capsys):
    monkeypatch.setattr("sparsesr.cli.budget_option._LISTING_S", 0.0)
    assert main(["upscale", "-n", "skim_fast_x2", "d", "--budget", "1min", "--json"]) == 0
    assert len(records(capsys)) == 4


def test_results_do_not_count_as_arrivals_once_their_inputs_have_been_moved_away():
    Image.fromarray(photo(9, 9)).save("d/0_x4.png")  # an earlier result, left out at first
    now = [0.0]
    arrivals = arriving(now, output=None)
    for number in (0, 1):
        Image.fromarray(photo(40, 60)).save(f"d/{number}_x2.png")
        Path(f"d/{number}.png").unlink()
    assert listed_twice(arrivals, now) == {}
    Image.fromarray(photo(9, 9)).save("d/new.png")
    assert listed_twice(arrivals, now) == {"new.png": "new_x2.png"}
    Image.fromarray(photo(9, 9)).save("d/new_x2.png")
    Path("d/new.png").unlink()
    assert listed_twice(arrivals, now) == {}


def test_an_arrival_never_replaces_a_result_of_the_same_call():
    refused, now = [], [0.0]
    arrivals = arriving(now, refused, format="png")
    Path("d/0.png").unlink()
    Image.fromarray(photo(9, 9)).save("d/0.jpg")
    assert listed_twice(arrivals, now) == {}
    assert refused == [
        (
            "0.jpg",
            "d/0.jpg: would become out/0_x2.png, as another input did;"
            " upscale it separately, into another folder",
        )
    ]


def test_an_arrival_that_has_no_output_is_reported_and_the_budget_too(monkeypatch, capsys):
    monkeypatch.setattr("sparsesr.cli.budget_option._LISTING_S", 0.0)
    monkeypatch.setattr("sparsesr.cli.budget_option.ArrivingFiles._settled", lambda self, new: set(new))
    for number in (1, 2, 3):
        Path(f"d/{number}.png").rename(f"{number}.png")
    write = encode_module._write

    def write_while_one_arrives(*args):
        Path("1.png").rename("d/1.png")
        write(*args)

    monkeypatch.setattr(encode_module, "_write", write_while_one_arrives)
    assert main(["upscale", "-n", "skim_fast_x2", "d", "-o", "one.png", "--budget", "1min"]) == 3
    err = capsys.readouterr().err
    assert "one.png: 2 inputs cannot become one file" in err and "1 of 2 images upscaled, 1 failed" in err
    assert "of 60.0 s used" in err and size_of("one.png") == (60, 40)


def test_the_order_of_magnitude_is_right(capsys):
    """A real run: the time is met, very roughly, as the machine may be busy with anything."""
    for number in range(4, 10):
        Image.fromarray(photo(60, 80, seed=number)).save(f"d/{number}.png")
    assert up("--effort", "1") == 0
    start = time.perf_counter()
    assert up("--overwrite", "--effort", "1") == 0
    budget = time.perf_counter() - start
    capsys.readouterr()
    assert up("--overwrite", "--budget", f"{budget:.3f}s", "--json") == 0
    left = records(capsys)[-1]["budget"]["left"]
    assert -3 * budget < left < budget


def test_calibrate_stores_a_table_and_leaves_the_weights(capsys):
    install_model(tiny(), "tiny", dtype="f16")
    before = load("tiny")
    assert main(["models", "calibrate", "tiny", "-j", "1"]) == 0
    assert "x2, 17 efforts, measured on astronaut, chelsea, coffee, rocket" in capsys.readouterr().out
    after = load("tiny")
    assert after.facts.gain_table() is not None and after.graph == before.graph
    assert all((after.tensors[name] == tensor).all() for name, tensor in before.tensors.items())
    assert main(["models", "calibrate", "skim_fast_x2"]) == 2
    assert "is a bundled model" in capsys.readouterr().err
    assert main(["models", "calibrate", "acnet_noise_x2", "-o", "a.safetensors"]) == 2
    assert "only models with masks" in capsys.readouterr().err and not Path("a.safetensors").exists()
