r"""Ablation of learned masks: trains a narrow SMSR in four ways with equal steps and measures each.

    python benchmarks/ablations.py --packed FILE --validation FOLDER --set5 FOLDER -o RUN_FOLDER \
        [--warmup-steps STEPS] [--steps STEPS]

All share a dense warm-up. Each variant then trains for the same number of steps: dense, with learned masks, and with
random masks and edge masks that have the channel masks and densities of the learned run. Results go to
``benchmarks/results/ablations.json``. Running the same command again resumes where it stopped.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import record
import torch
from fixed_masks import edge_source, edge_strength_B1HW, fix_masks, random_source

from sparsesr.lab.export.torch_run import run_torch
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig
from sparsesr.lab.train.checkpoint import warm_start
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.loop import train
from sparsesr.lab.train.recipe import Sparsity
from sparsesr.lab.train.validation import PairValidation

CONFIG = SMSRConfig(channels=16, modules=3, layers=4, mask_channels=4, attention_channels=4, value_range=1)
LEARNED = Sparsity(
    target_density=0.35,
    control="threshold",
    dense_fraction=0.1,
    lesson_weight=10.0,
    lesson_fraction=0.1,
    warmup_fraction=0.3,
    freeze_fraction=0.1,
    hard_fraction=0.1,
)
FIXED = Sparsity(weight=0.0, keep_masks=True, freeze_fraction=0.0)
OPEN = Sparsity(weight=0.0, dense_fraction=1.0)


def main() -> None:
    options = _options()
    NETWORKS["ablation_x2"] = lambda: SMSR(CONFIG)
    base = EnlargingRecipe(
        network="ablation_x2", scale=2, steps=options.warmup_steps, packed=str(options.packed),
        validation=str(options.validation), batch=8, lr_patch_px=32, learning_rate=2e-3, betas=(0.9, 0.99),
        schedule="constant", sparsity=OPEN, log_every=50, validate_every=1000, save_every=50,
    )  # fmt: skip
    warmup = _train(base, options.run_folder / "warmup")
    second = replace(base, steps=options.steps, batch=4, init_from=str(warmup), schedule="cosine")

    runs = {
        "learned": _train(replace(second, sparsity=LEARNED), options.run_folder / "learned"),
        "dense": _train(second, options.run_folder / "dense"),
    }
    learned = _network(SMSR(CONFIG), runs["learned"])
    densities = _mask_densities(learned, options.validation)
    edges = _edge_thresholds(options.validation, densities)
    sources = {
        "random": [random_source(density) for density in densities],
        "edges": [edge_source(threshold) for threshold in edges],
    }
    same_channels = _with_channel_masks(warmup, learned, options.run_folder / "warmup_masked.pt")
    for name, heads in sources.items():
        NETWORKS[f"ablation_{name}_x2"] = lambda heads=heads: _fixed(heads)
        recipe = replace(second, network=f"ablation_{name}_x2", init_from=str(same_channels), sparsity=FIXED)
        # A learned run with other settings reaches other densities, so fixed masks must be trained again.
        runs[name] = _train(recipe, options.run_folder / f"{name}_{np.mean(densities):.4f}")

    networks = {"dense": _network(SMSR(CONFIG), runs["dense"]), "learned": learned}
    networks["dense"].open_masks()
    for name, heads in sources.items():
        networks[name] = _network(_fixed(heads), runs[name])
    sets = {"val": options.validation, "Set5": options.set5}
    measured = {
        name: {label: _measure(network, folder) for label, folder in sets.items()}
        for name, network in networks.items()
    }
    command = "python benchmarks/ablations.py --packed FILE --validation val --set5 Set5 -o RUN_FOLDER"
    path = record.write(
        "ablations",
        {
            **record.circumstances(command),
            "warmup_steps": options.warmup_steps,
            "steps": options.steps,
            "network": vars(CONFIG),
            "learned": asdict(LEARNED),
            "mask_densities": densities,
            "results": measured,
        },
    )
    print(path.read_text())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packed", type=Path, required=True, help="packed training images, x2")
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--set5", type=Path, required=True, help="folder with HR and LRx2_std")
    parser.add_argument("-o", "--run-folder", type=Path, required=True)
    parser.add_argument("--warmup-steps", type=int, default=3000, help="steps of the dense warm-up")
    parser.add_argument("--steps", type=int, default=3000, help="steps after the warm-up")
    return parser.parse_args()


def _train(recipe: EnlargingRecipe, folder: Path) -> Path:
    return train(recipe, folder, resume=True, device="cpu", threads=1).checkpoint


def _network(network: SMSR, checkpoint: Path) -> SMSR:
    warm_start(network, str(checkpoint))
    return network.eval()


def _with_channel_masks(warmup: Path, learned: SMSR, path: Path) -> Path:
    """Write the weights of the warm-up with the learned channel masks."""
    weights = torch.load(warmup, weights_only=True)["ema"]
    masks = {name: value for name, value in learned.state_dict().items() if name.endswith("ch_mask")}
    torch.save({**weights, **masks}, path)
    return path


def _fixed(heads: list) -> SMSR:
    """Create a network with these spatial masks."""
    torch.manual_seed(1)
    network = SMSR(CONFIG)
    fix_masks(network, heads)
    return network


def _mask_densities(network: SMSR, folder: Path) -> list[float]:
    """Mean density of each module's mask on a folder of images."""
    found = []
    for pair in PairValidation(str(folder), 2, size_multiple=SMSR.size_multiple).pairs:
        run_torch(network, pair.lr, 2, 2)
        found.append([module.last_mask_B1HW.mean().item() for module in network.mask_units()])
    return np.mean(found, axis=0).tolist()


def _edge_thresholds(folder: Path, densities: list[float]) -> list[float]:
    """Find thresholds of edge strength that give these densities, on average over a folder's images."""
    strengths = [
        edge_strength_B1HW(_as_batch(pair.lr)).flatten().numpy()
        for pair in PairValidation(str(folder), 2, size_multiple=SMSR.size_multiple).pairs
    ]
    levels = np.quantile(np.concatenate(strengths), np.linspace(0, 1, 2001))
    shares = np.mean([[(strength > level).mean() for level in levels] for strength in strengths], axis=0)
    return [float(levels[np.abs(shares - density).argmin()]) for density in densities]


def _as_batch(lr: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(lr).permute(2, 0, 1)[None].float() / 255


def _measure(network: SMSR, folder: Path) -> dict[str, float]:
    torch.manual_seed(1)
    return PairValidation(str(folder), 2, size_multiple=SMSR.size_multiple).measure(copy.deepcopy(network))


if __name__ == "__main__":
    main()
