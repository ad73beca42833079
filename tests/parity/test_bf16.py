"""bf16 against fp32 with real weights and learned masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsesr import _native
from sparsesr.image.decode import decode
from sparsesr.modelfile.catalogue import default_model_for, load
from sparsesr.runtime.session import Session

_SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "coffee.jpg"


@pytest.mark.skipif(not _native.has_fast_bf16(), reason="this processor has no bf16 instructions")
def test_bundled_model_keeps_its_quality_in_bf16():
    """60 dB between both outputs change a PSNR of 38 dB by 0.03 dB if their errors are independent."""
    model = load(default_model_for(2).name)
    image = decode(_SAMPLE).rgb[100:196, 100:228]
    exact, short = (
        Session(model, threads=2, precision=wanted).run(image, out_dtype=np.float32)
        for wanted in ("fp32", "bf16")
    )
    error = np.mean((exact.image.astype(np.float64) - short.image) ** 2)
    assert -10 * np.log10(error) > 60
    assert abs(exact.stats.density - short.stats.density) < 0.002
