"""Recipes of architecture searches. The caller gives the folders: the project ships no training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sparsesr.lab.search.recipe import Search, SearchRecipe
from sparsesr.lab.search.space import Space


def trilevel_b() -> SearchRecipe:
    """TrilevelNAS-B, x4, in its published space, with the settings of the authors' code where they work.

    Differences: docs/search.md lists them.
    """
    return SearchRecipe(
        network="trilevel_b",
        scale=4,
        steps=57_500,
        batch=3,
        lr_patch_px=32,
        learning_rate=1e-4,
        schedule="step",
        step_at=(0.25, 0.5, 0.75),
        lr_warmup_fraction=0.0,
        gradient_clip=5.0,
        log_every=100,
        space=Space(),
        search=Search(objective="macs", cost_weight=1e-2, order="hinge", order_weight=1e-3),
    )


def frontier_x2() -> SearchRecipe:
    """x2 networks of residual 3x3 cells that fill the kernels' vectors, led by milliseconds on this machine.

    Depth, hidden widths, and whether a cell ends in a 3x3 or a 1x1 convolution are searched.
    """
    return SearchRecipe(
        network="frontier_x2",
        scale=2,
        steps=20_000,
        batch=8,
        lr_patch_px=48,
        patch_candidates=4,
        learning_rate=1e-3,
        gradient_clip=5.0,
        log_every=100,
        space=Space(
            family="residual",
            channels=32,
            widths=(16, 32, 48, 64),
            operations=("relu3x3", "linear3x3", "linear1x1"),
            operations_per_cell=2,
            fixed_cells=2,
            most_cells=12,
            most_ups=0,
        ),
        search=Search(objective="ms", cost_weight=2e-2),
    )


def frontier_small_x2() -> SearchRecipe:
    """``frontier_x2`` in a reduced space, for a search in an hour on one core: the best network of 12 ms in bf16.

    Set ``search.cost_target`` to what suits your machine. Twice the cost lowers an L1 loss of 0.01 by about 0.0002, so
    without a target, cost and order losses of the usual weights would always find the smallest network.
    """
    recipe = frontier_x2()
    return replace(
        recipe,
        network="frontier_small_x2",
        steps=10_000,
        batch=4,
        lr_patch_px=24,
        precision="bf16",
        space=replace(recipe.space, widths=(16, 32, 48), fixed_cells=1, most_cells=6),
        search=replace(
            recipe.search, latency_precision="bf16", cost_weight=0.1, cost_target=12.0, order_weight=1e-5
        ),
    )


SEARCHES: dict[str, Callable[[], SearchRecipe]] = {
    recipe.__name__: recipe for recipe in (trilevel_b, frontier_x2, frontier_small_x2)
}
