"""The cases that `benchmarks/kernels.py` times are correct with every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from conv_cases import CASES, BuiltConv, ConvCase

HEIGHT, WIDTH = 14, 45


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["f32", "bf16", "u8"])
def test_case(isa: str, dtype: str, case: ConvCase) -> None:
    built = BuiltConv(case, dtype, HEIGHT, WIDTH)
    built.run(2)
    built.assert_right()
    first = built.out.copy()
    built.run(1)
    assert np.array_equal(first, built.out)
