"""Training a classifier and using it: the digits recipe, resuming, and ``sparsesr classify``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lab.cifar_batches import ROW_BYTES, contents, write_batch
from lab.labelled_folders import write_classes
from sparsesr.cli.main import main
from sparsesr.errors import InputError, ModelError, UsageError
from sparsesr.lab.nn.ranet import RANet
from sparsesr.lab.nn.ranet_config import RANetConfig
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.lab.recipes import find_recipe
from sparsesr.lab.train.classifying import Classifying
from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe
from sparsesr.lab.train.ending import Ending
from sparsesr.lab.train.loop import train
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.tasks import task_of
from sparsesr.lab.train.trained_classifier import TrainedClassifier, open_classifier

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The folder of a short run of the digits recipe, and its log."""
    folder = tmp_path_factory.mktemp("digits")
    lines: list[str] = []
    recipe = replace(find_recipe("ranet_digits"), steps=40, validate_every=40)
    train(recipe, folder, device="cpu", threads=1, report=lines.append)
    return folder, lines


def classified(folder, capsys, *options: str) -> dict:
    """The summary that ``sparsesr classify --json`` prints."""
    capsys.readouterr()
    assert main(["classify", str(folder / "checkpoint.pt"), "--json", "-j", "1", *options]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.slow
def test_digits_are_learned_and_logged(digits) -> None:
    folder, lines = digits
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert losses[-1] < 0.4 * losses[0] and losses[0] == pytest.approx(6 * np.log(10), rel=0.3)
    held_out = entries[-1]
    assert all(held_out[f"exit_{exit}"] > 75 for exit in range(1, 7))
    assert any(line.startswith("validation  exit_1 ") for line in lines)
    assert list((folder / "tensorboard").iterdir())


@pytest.mark.slow
def test_classify_at_an_exit_by_budget_and_by_deadline(digits, capsys) -> None:
    folder, _ = digits
    last = classified(folder, capsys)
    assert (
        last["images"] == 360
        and last["accuracy"] > 0.7
        and last["multiply_adds"] == pytest.approx(31.73e6, rel=1e-3)
    )
    second = classified(folder, capsys, "--exit", "2")
    assert [row["images"] for row in second["exits"]] == [0, 360, 0, 0, 0, 0]
    budget = classified(folder, capsys, "--budget", "12M")
    assert budget["expected_cost"] <= 12e6 and budget["multiply_adds"] == pytest.approx(12e6, rel=0.15)
    assert sum(row["images"] > 0 for row in budget["exits"]) >= 4
    assert budget["accuracy"] > last["accuracy"] - 0.1
    ample = classified(folder, capsys, "--budget", "10000ms")
    assert ample["exits"][-1]["images"] == 360 and ample["expected_cost"] < 10000
    hurried = classified(folder, capsys, "--deadline-ms", "1e-3")
    assert [row["images"] for row in hurried["exits"]] == [360, 0, 0, 0, 0, 0]


@pytest.mark.slow
def test_held_out_answers_are_kept_for_this_checkpoint_only(digits) -> None:
    folder, _ = digits
    lines: list[str] = []
    classifier = open_classifier(folder / "checkpoint.pt", lines.append)
    first = classifier.held_out_logits()
    assert first.shape == (6, 200, 10)
    count = sum("held-out" in line for line in lines)
    assert np.array_equal(classifier.held_out_logits(), first)
    assert sum("held-out" in line for line in lines) == count
    stored = np.load(folder / "held_out_logits.npz")
    np.savez(folder / "held_out_logits.npz", logits=stored["logits"] + 1, checkpoint="another")
    assert np.array_equal(classifier.held_out_logits(), first)


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_damaged_answers_are_computed_again(digits, kept_bytes: int) -> None:
    classifier = open_classifier(digits[0] / "checkpoint.pt", lambda line: None)
    answers = classifier.held_out_logits()
    path = digits[0] / "held_out_logits.npz"
    path.write_bytes(path.read_bytes()[:kept_bytes])
    assert np.array_equal(classifier.held_out_logits(), answers)


@pytest.mark.slow
def test_folders_of_images(digits, tmp_path, capsys) -> None:
    folder, _ = digits
    written = write_classes(tmp_path / "images", count=2, side_px=32)
    (tmp_path / "images/7").mkdir()
    (tmp_path / "images/cat/0.png").rename(tmp_path / "images/7/0.png")
    (tmp_path / "images/7/1.png").write_bytes(b"rubbish")
    arguments = ["classify", str(folder / "checkpoint.pt"), str(tmp_path / "images"), "--json", "-j", "1"]
    assert main(arguments) == 3  # one cannot be read
    *answers, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(answers) == summary["images"] == len(written)
    assert [answer["right"] is None for answer in answers] == [False, True, True, True]
    write_classes(tmp_path / "small", count=1, side_px=8)
    assert main(["classify", str(folder / "checkpoint.pt"), str(tmp_path / "small")]) == 2
    assert "takes 32x32" in capsys.readouterr().err


@pytest.mark.slow
def test_a_batch_file_of_cifar(digits, tmp_path, capsys) -> None:
    """One that was cut short; none of its classes is a digit. Images that are lost make the status 3."""
    path = write_batch(tmp_path / "test_batch", contents(), keep=5 * ROW_BYTES)
    assert main(["classify", str(digits[0] / "checkpoint.pt"), str(path), "--json", "-j", "1"]) == 3
    printed = capsys.readouterr()
    *answers, summary = map(json.loads, printed.out.splitlines())
    assert [answer["image"] for answer in answers] == [f"test_batch {index}" for index in range(5)]
    assert summary["images"] == 5 and summary["accuracy"] is None
    assert "holds 5 of 12 images" in printed.err
    path.write_bytes(b"rubbish")
    assert main(["classify", str(digits[0] / "checkpoint.pt"), str(path)]) == 3
    assert "is no batch of CIFAR-10 images" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--budget", "1M"], 2, "less than the first exit costs; allow at least 8.36"),
        (["--budget", "0M"], 2, "greater than 0"),
        (["--budget", "0.000001ms"], 2, "less than the first exit costs"),
        (["--budget", "-5M"], 2, "greater than 0"),
        (["--budget", "fast"], 2, "like 20M"),
        (["--exit", "7"], 2, "--exit: 7 is none of the exits 1 to 6"),
        (["--exit", "1", "--budget", "20M"], 2, "exclude each other"),
        (["--deadline-ms", "0"], 2, "--deadline-ms: 0 must be"),
        (["--batch", "0"], 2, "at least 1"),
        (["nowhere"], 3, "no such folder"),
    ],
)
def test_wrong_options_are_refused(digits, capsys, options, status: int, says: str) -> None:
    assert main(["classify", str(digits[0] / "checkpoint.pt"), *options]) == status
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_checkpoints_of_the_two_tasks_are_kept_apart(digits, tmp_path, capsys) -> None:
    from sparsesr.lab.train.checkpoint import stored_recipe
    from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe

    path = digits[0] / "checkpoint.pt"
    assert stored_recipe(path, ClassifyingRecipe).network == "ranet_tiny"
    with pytest.raises(ModelError, match="EnlargingRecipe"):
        stored_recipe(path, EnlargingRecipe)
    assert main(["export", str(path), "-o", str(tmp_path / "m.safetensors")]) == 3
    assert "classif" in capsys.readouterr().err
    assert not (tmp_path / "m.safetensors").exists()


@pytest.fixture
def small(tmp_path) -> ClassifyingRecipe:
    """Two classes of noise and a tiny network for them."""
    write_classes(tmp_path / "data" / "train", count=20, side_px=32)
    NETWORKS["ranet_two"] = lambda: RANet(RANetConfig(channels=4, growth=4, step=1, classes=2))
    return ClassifyingRecipe(
        "ranet_two", 6, (str(tmp_path / "data"),), batch=8, held_out=8, optimizer="sgd",
        learning_rate=0.05, schedule="step", step_at=(0.5,), step_factor=0.1, lr_warmup_fraction=0.0,
        log_every=1, validate_every=3, save_every=2,
    )  # fmt: skip


def test_a_run_in_two_parts_gives_the_same_numbers(small, tmp_path) -> None:
    def run(folder, stops_after: int | None = None, resume: bool = False):
        calls = iter(range(1, 100))
        stop = Ending(should_stop=lambda: stops_after is not None and next(calls) >= stops_after)
        return train(
            small, folder, resume=resume, ending=stop, device="cpu", threads=1, report=lambda line: None
        )

    whole = run(tmp_path / "whole")
    assert run(tmp_path / "halves", 4).step == 4
    halves = run(tmp_path / "halves", resume=True)
    expected, found = (torch.load(end.checkpoint, weights_only=True) for end in (whole, halves))
    for weights in ("network", "ema"):
        assert all(torch.equal(expected[weights][name], found[weights][name]) for name in expected[weights])
    entries = [json.loads(line) for line in (tmp_path / "whole/log.jsonl").read_text().splitlines()]
    rates = [entry["learning_rate"] for entry in entries if "learning_rate" in entry]
    assert rates == pytest.approx([0.05] * 3 + [0.005] * 3)


def test_sgd_has_momentum_and_decays_all_weights(small) -> None:
    from sparsesr.lab.train.optimisation import make_optimizer

    network = NETWORKS["ranet_two"]()
    optimizer = make_optimizer(replace(small, weight_decay=1e-4), network)
    assert isinstance(optimizer, torch.optim.SGD)
    group = optimizer.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, False, 1e-4)
    assert len(group["params"]) == len(list(network.parameters()))


def test_the_loss_is_the_sum_over_the_exits(small) -> None:
    logits_EBK = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(0))
    labels_B = torch.tensor([0, 1, 1, 0, 1])
    loss, figures = Classifying(small).loss(logits_EBK, labels_B)
    expected = sum(-logits_BK.log_softmax(-1)[torch.arange(5), labels_B].mean() for logits_BK in logits_EBK)
    torch.testing.assert_close(loss, expected)
    assert figures["last_exit"] == 100 * (logits_EBK[-1].argmax(-1) == labels_B).float().mean()


def test_held_out_images_are_not_trained_on_and_read_as_they_are(small, tmp_path) -> None:
    task = Classifying(small)
    (tmp_path / "run").mkdir()
    feed = task.open_feed(tmp_path / "run", (0, 1), torch.device("cpu"), lambda line: None)
    held_out = task.validation(NETWORKS["ranet_two"](), (0, 1)).images
    assert len(feed.images) == 32 and len(held_out) == 8
    trained = {pixels.tobytes() for pixels in feed.images.batch(slice(None))[0]}
    seen = {pixels.tobytes() for pixels in held_out.batch(slice(None))[0]}
    assert len(trained | seen) == 40


def test_a_process_without_held_out_images_measures_nothing(small, tmp_path) -> None:
    task = Classifying(replace(small, held_out=1))
    task.open_feed(tmp_path, (0, 1), torch.device("cpu"), lambda line: None)
    network = NETWORKS["ranet_two"]()
    seen: list[torch.Tensor] = []

    def noted(sums: torch.Tensor) -> torch.Tensor:
        seen.append(sums)
        return sums + 1

    task.validation(network, (0, 2)).measure(network, noted)
    task.validation(network, (1, 2)).measure(network, noted)
    assert [float(sums[-1]) for sums in seen] == [1, 0] and seen[0].shape == seen[1].shape


def test_test_images_have_the_classes_of_the_training(small, tmp_path) -> None:
    """Without images of the first class, the second would be taken for it."""
    for name in ("dog", "wolf"):
        write_classes(tmp_path / "two", count=1, side_px=32)
        (tmp_path / "data/test").mkdir(exist_ok=True)
        (tmp_path / "two/dog").rename(tmp_path / "data/test" / name)
    train(replace(small, steps=1), tmp_path / "run", device="cpu", threads=1, report=lambda line: None)
    path = tmp_path / "run/checkpoint.pt"
    network = NETWORKS["ranet_two"]().eval()
    classifier = TrainedClassifier(path, network, small, lambda line: None)
    images = classifier.test_images()
    assert list(images.classes) == ["cat", "dog"] and images.own_labels.tolist() == [1, -1]


def trained_on_two_classes(recipe, folder):
    """One step of a network that is registered for ten classes."""
    recipe = replace(recipe, network="ranet_tiny", steps=1, batch=2)
    return train(recipe, folder, device="cpu", threads=1, report=lambda line: None).checkpoint


def test_a_network_gets_the_classes_of_its_images(small, tmp_path) -> None:
    classifier = open_classifier(trained_on_two_classes(small, tmp_path / "run"), lambda line: None)
    assert classifier.network.config.classes == 2 and list(classifier.classes) == ["cat", "dog"]


def test_a_checkpoint_is_enough_to_classify(small, tmp_path, monkeypatch, capsys) -> None:
    """Elsewhere, alone, and the images of its training are gone."""
    monkeypatch.chdir(tmp_path)
    checkpoint = trained_on_two_classes(replace(small, folders=("data",)), tmp_path / "run")
    (tmp_path / "alone").mkdir()
    checkpoint.rename(tmp_path / "alone/checkpoint.pt")
    shutil.rmtree(tmp_path / "run")
    (tmp_path / "data").rename(tmp_path / "images")
    monkeypatch.chdir(tmp_path / "alone")
    for options in (("--exit", "2"), ("--deadline-ms", "1e-3")):
        assert (
            classified(tmp_path / "alone", capsys, str(tmp_path / "images"), *options)["accuracy"] is not None
        )


def test_images_of_a_run_are_found_from_other_folders(small, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "data/test", count=1, side_px=32)
    trained_on_two_classes(replace(small, folders=("data",)), tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert classified(tmp_path / "run", capsys)["images"] == 2


def test_a_run_goes_on_with_its_own_classes(small, tmp_path) -> None:
    train(replace(small, steps=1), tmp_path / "run", device="cpu", threads=1, report=lambda line: None)
    (tmp_path / "data/train/dog").rename(tmp_path / "data/train/wolf")
    (tmp_path / "run/packed_train.json").unlink()
    with pytest.raises(ModelError, match="trained with other classes"):
        train(small, tmp_path / "run", resume=True, device="cpu", threads=1, report=lambda line: None)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"network": "smsr_s_x2"}, UsageError, "does not classify"),
        ({"network": "ranet_imagenet_script"}, UsageError, "images of 32x32 pixels, but .* takes 224x224"),
        ({"held_out": 40}, UsageError, "leaves none of 40"),
        ({"folders": ()}, UsageError, "name the folder"),
        ({"folders": ("nowhere",)}, InputError, "no such folder"),
    ],
)
def test_runs_that_cannot_work_end_with_a_clear_line(small, tmp_path, changes, error, says: str) -> None:
    with pytest.raises(error, match=says):
        train(replace(small, **changes), tmp_path / "run", device="cpu", threads=1, report=lambda line: None)


@pytest.mark.parametrize(
    "wrong", [{"held_out": 0}, {"crop_padding_px": -1}, {"dataset": "faces"}, {"folders": ("a", "b")}]
)
def test_wrong_settings_are_refused(small, wrong) -> None:
    with pytest.raises(UsageError, match="recipe:"):
        replace(small, **wrong)


def test_a_recipe_needs_a_task() -> None:
    with pytest.raises(UsageError, match="has no task"):
        task_of(Recipe("ranet_tiny", 1))
