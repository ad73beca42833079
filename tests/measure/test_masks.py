from __future__ import annotations

import numpy as np
import pytest

import graphs
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import ModelError
from sparsesr.measure.mask_report import measure_masks
from sparsesr.measure.mask_view import draw_mask_view
from support.tiny_models import photo, tiny


@pytest.mark.parametrize(
    ("height", "width", "dtype"), [(20, 30, "uint8"), (9, 5, "uint16"), (60, 700, "uint8")]
)
def test_the_view_has_a_panel_for_each_module(height, width, dtype):
    image = photo(height, width, dtype)
    report = measure_masks(Upscaler(tiny(), threads=1), image, RunOptions(), repeats=1)
    assert [module.name for module in report.modules] == ["module 1", "module 2"]
    for module, mask in zip(report.modules, report.masks, strict=True):
        assert module.density == pytest.approx(mask.mean(), abs=0.2)  # of the padded image
        assert module.macs_saved >= 0
    view = draw_mask_view(image, report)
    assert view.dtype == np.uint8 and view.ndim == 3
    assert len(np.unique(view)) > 10


def test_models_without_masks_are_refused():
    with pytest.raises(ModelError, match="no masks to show; use a model with masks, such as skim_fast_x2"):
        measure_masks(Upscaler(graphs.plain()), photo(8, 8), RunOptions())
