"""What the default model for JPEG files gains on lossy WebP files, written into docs/models.md.

    python benchmarks/webp_limit.py --data FOLDER [--data FOLDER2 ...] [--scale 4] [--threads 2]

LR images are made as for ``sparsesr eval`` and saved by libwebp at several qualities. ``counts as`` is the quality of a
JPEG with equal steps (:mod:`sparsesr.image.webp_quality`), by which the model is chosen.
"""

from __future__ import annotations

import record
from jpeg_limit import PAGE, cell_of, gains, options
from model_quality import replace

from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.vips import image_over
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import find_sets, load_pair
from sparsesr.modelfile.catalogue import default_model_for

QUALITIES = (50, 75, 80, 85, 90)
BEGIN, END = "<!-- measured by benchmarks/webp_limit.py, x{} -->", "<!-- end of WebP -->"


def main() -> None:
    """Measure all qualities on all sets and rewrite the table."""
    chosen = options(__doc__ or "")
    names = [default_model_for(chosen.scale, quality).name for quality in (None, 1)]
    others, ours = (open_method(name, chosen.threads) for name in names)
    rows: list[dict[str, object]] = [{"quality": quality} for quality in QUALITIES]
    for folder in chosen.data:
        (images,) = find_sets(folder, chosen.scale)
        pairs = [load_pair(image, chosen.scale) for image in images.images]
        for row, quality in zip(rows, QUALITIES, strict=True):
            files = [decode(image_over(to_eight_bit(pair.lr)).webpsave_buffer(Q=quality)) for pair in pairs]
            row.setdefault("counts as", sorted({file.jpeg_quality for file in files if file.jpeg_quality}))
            decoded = ((to_eight_bit(file.rgb), pair.hr) for file, pair in zip(files, pairs, strict=True))
            row[images.name] = gains(decoded, others, ours)
            print(row, flush=True)
    command = "benchmarks/webp_limit.py" + " --data FOLDER" * len(chosen.data) + f" --scale {chosen.scale}"
    record.write(
        f"webp_limit_x{chosen.scale}", {**record.circumstances(command), "models": names, "rows": rows}
    )
    replace(PAGE, table_of(rows), BEGIN.format(chosen.scale), END)


def table_of(rows: list[dict[str, object]]) -> list[str]:
    """Lines of the table: a row for each quality."""
    sets = [key for key, value in rows[0].items() if isinstance(value, dict)]
    lines = ["| quality | counts as | " + " | ".join(sets) + " |", "|---" * (2 + len(sets)) + "|"]
    for row in rows:
        found = row["counts as"]
        if not isinstance(found, list):
            raise TypeError("a row lacks what its files count as")
        counts = str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
        cells = " | ".join(cell_of(row[each]) for each in sets)
        lines.append(f"| {row['quality']} | {counts} | {cells} |")
    return lines


if __name__ == "__main__":
    main()
