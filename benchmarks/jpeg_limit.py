"""Up to which quality of a JPEG its default model is the better one, written into docs/models.md.

    python benchmarks/jpeg_limit.py --data FOLDER [--data FOLDER2 ...] [--scale 4] [--threads 2]

LR images are made as in ``compressed_photos.py`` and saved at several qualities, with chroma at half the size (4:2:0)
and not (4:4:4). The last rows have other quantisation tables, of mozjpeg, at the quality of its scale at which
:mod:`sparsesr.image.jpeg_quality` finds the limit: the mean step must say what other tables mean, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import record
from compressed_photos import as_jpeg
from model_quality import replace

from sparsesr.image.metrics import psnr_y
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.method import Method
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import Pixels, find_sets, load_pair
from sparsesr.modelfile.catalogue import default_model_for

QUALITIES = (75, 85, 90, 92, 93, 95, 98)
TABLES = {1: "equal steps", 3: "ImageMagick", 4: "PSNR-HVS", 6: "Watson"}
"""Of mozjpeg, beside those of libjpeg."""
BEGIN, END = "<!-- measured by benchmarks/jpeg_limit.py, x{} -->", "<!-- end of limit -->"
PAGE = Path(__file__).parents[1] / "docs/models.md"
Row = dict[str, object]


def main() -> None:
    """Measure all qualities and tables on all sets and rewrite the table."""
    chosen = options(__doc__ or "")
    scale = chosen.scale
    entries = default_model_for(scale), default_model_for(scale, 1)
    limit = entries[1].jpeg_quality_up_to or 0
    others, ours = (open_method(entry.name, chosen.threads) for entry in entries)
    cases = [(quality, quality, 0) for quality in QUALITIES]
    cases += [(limit, _quality_for(limit, table), table) for table in TABLES]
    rows: list[Row] = [
        {"found": found, "quality": quality, "table": table} for found, quality, table in cases
    ]
    for folder in chosen.data:
        (images,) = find_sets(folder, scale)
        pairs = [load_pair(image, scale) for image in images.images]
        for row, (_, quality, table) in zip(rows, cases, strict=True):
            for subsampled in (True, False):
                name = f"{images.name} {'4:2:0' if subsampled else '4:4:4'}"
                files = (
                    as_jpeg(to_eight_bit(pair.lr), quality, subsampled=subsampled, table=table)
                    for pair in pairs
                )
                decoded = (to_eight_bit(file.rgb) for file in files)
                row[name] = gains(zip(decoded, (pair.hr for pair in pairs), strict=True), others, ours)
            print(row, flush=True)
    command = "benchmarks/jpeg_limit.py" + " --data FOLDER" * len(chosen.data) + f" --scale {scale}"
    models = [entry.name for entry in entries]
    record.write(f"jpeg_limit_x{scale}", {**record.circumstances(command), "models": models, "rows": rows})
    replace(PAGE, table_of(rows), BEGIN.format(scale), END)


def options(doc: str) -> argparse.Namespace:
    """The folders, scale and threads of the command line; ``doc`` is that of the script."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _quality_for(found: int, table: int) -> int:
    """The quality of mozjpeg at which the mean step of a table is nearest to that of libjpeg."""
    blank = np.zeros((16, 16, 3), np.uint8)

    def distance(quality: int) -> int:
        is_found = as_jpeg(blank, quality, subsampled=False, table=table).jpeg_quality
        return 100 if is_found is None else abs(is_found - found)

    return min(range(1, 101), key=distance)


def gains(compressed: Iterable[tuple[Pixels, Pixels]], others: Method, ours: Method) -> dict[str, float]:
    """Mean and least gain of PSNR-Y over pairs of LR and HR images, and the share of images that gain."""
    scale = ours.model.facts.scale
    found: list[float] = []
    for lr, hr in compressed:
        first, second = (psnr_y(each.upscale(lr).image, hr, scale) for each in (others, ours))
        found.append(float(second - first))
    return {
        "mean": float(np.mean(found)),
        "least": float(np.min(found)),
        "share_better": float(np.mean(np.array(found) > 0)),
    }


def table_of(rows: list[Row]) -> list[str]:
    """Lines of the table: a row for each quality, then for each other table at the limit."""
    sets = [key for key, value in rows[0].items() if isinstance(value, dict)]
    lines = ["| quality | " + " | ".join(sets) + " |", "|---" * (1 + len(sets)) + "|"]
    for row in rows:
        name = str(row["found"])
        if row["table"]:
            name += f", {TABLES[int(str(row['table']))]}"
        lines.append(f"| {name} | " + " | ".join(cell_of(row[each]) for each in sets) + " |")
    return lines


def cell_of(gained: object) -> str:
    """Text of a cell."""
    if not isinstance(gained, dict):
        raise TypeError("a row lacks a set")
    return f"{gained['mean']:+.2f} ({gained['least']:+.2f}, {100 * gained['share_better']:.0f} %)"


if __name__ == "__main__":
    main()
