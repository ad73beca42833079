"""Recipes for RANet, as in the authors' code. The caller gives the folder: the project ships no images."""

from __future__ import annotations

import math

from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe

_CIFAR_TRAINED, _CIFAR_BATCH, _CIFAR_EPOCHS = 45_000, 64, 300


def ranet_cifar10() -> ClassifyingRecipe:
    """The network and the training of the paper's CIFAR-10, on 45,000 of the 50,000 images: 300 epochs."""
    return ClassifyingRecipe(
        network="ranet_cifar_anytime",
        steps=_CIFAR_EPOCHS * (_CIFAR_TRAINED // _CIFAR_BATCH),
        batch=_CIFAR_BATCH,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=1e-4,
        schedule="step",
        step_at=(0.5, 0.75),
        step_factor=0.1,
        lr_warmup_fraction=0.0,
        gradient_clip=math.inf,
        validate_every=_CIFAR_TRAINED // _CIFAR_BATCH,
    )


def ranet_digits() -> ClassifyingRecipe:
    """The digits of scikit-learn and the smallest network, for about a minute: shows that everything works."""
    return ClassifyingRecipe(
        network="ranet_tiny",
        steps=60,
        batch=32,
        dataset="digits",
        held_out=200,
        crop_padding_px=2,
        flip=False,
        optimizer="sgd",
        learning_rate=0.1,
        weight_decay=1e-4,
        lr_warmup_fraction=0.1,
        gradient_clip=math.inf,
        ema_decay=0.9,
        log_every=10,
        validate_every=60,
    )


RECIPES = {recipe.__name__: recipe for recipe in (ranet_cifar10, ranet_digits)}
