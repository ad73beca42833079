"""Every network of the lab as an ONNX file: the result of the module in torch, at odd sizes too."""

from __future__ import annotations

import numpy as np
import pytest

from lab.acnet_cases import small_acnet
from lab.esrt_cases import small_esrt
from lab.skim_cases import small_skim
from lab.smsr_cases import small_smsr
from sparsesr.interchange.dense_model import dense_model
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.torch_run import run_torch
from sparsesr.runtime.session import Session
from support.onnx_runs import opened, run_onnx

NETWORKS = {
    "smsr": small_smsr,
    "smsr_x3": lambda: small_smsr(scale=3),
    "esrt": small_esrt,
    "acnet": lambda: small_acnet(2, 3),
    "skim": small_skim,
}
SIZES = [(13, 22), (2, 9)]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_computes_what_the_module_computes(name):
    whole = export(NETWORKS[name](), name, check=False)
    for scale in whole.scales:
        model = whole.at_scale(scale)
        module = graph_module(model)
        kept, dropped = (opened(to_onnx(form).SerializeToString()) for form in (model, dense_model(model)))
        for height, width in SIZES:
            image = np.random.default_rng(height).random((height, width, 3), np.float32)
            expected = run_torch(module, image, scale, model.facts.size_multiple)
            np.testing.assert_allclose(run_onnx(kept, image), expected, atol=1e-4)
            dense = Session(model, 1).run(image, dense=True).image
            np.testing.assert_allclose(run_onnx(dropped, image), dense, atol=1e-4)
