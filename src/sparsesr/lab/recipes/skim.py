"""Recipes for Skim. Folders are given by the caller: the project ships no training images."""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.train.recipe import Recipe


def skim_fast_dense_x2() -> Recipe:
    """The trunk of the fast network without masks: a constant rate that can be prolonged, then a decay."""
    return Recipe(
        network="skim_fast_dense_x2",
        scale=2,
        steps=300_000,
        batch=16,
        lr_patch_px=48,
        optimizer="muon",
        learning_rate=3e-3,
        betas=(0.9, 0.99),
        schedule="wsd",
        lr_warmup_fraction=0.001,
        lr_decay_steps=30_000,
        save_every=1000,
        validate_every=2000,
        log_every=200,
    )


def skim_best_dense_x2() -> Recipe:
    """The trunk of the best network without masks."""
    return replace(skim_fast_dense_x2(), network="skim_best_dense_x2")


RECIPES = {recipe.__name__: recipe for recipe in (skim_fast_dense_x2, skim_best_dense_x2)}
