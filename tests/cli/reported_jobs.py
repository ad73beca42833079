"""Folders and commands that users of image tools have reported trouble with, as one table.

A case is one line: its name, where it was reported, the files, the arguments, the exit status, the files that appear,
and words of what is printed. To add one, add a line.
"""

from __future__ import annotations

from dataclasses import dataclass

APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(50)


@dataclass(frozen=True)
class Case:
    """``files``: names of images, or name=kind with the kinds ``apple``, ``rubbish``, ``result`` and ``empty``."""

    name: str
    source: str
    files: str
    arguments: str
    status: int
    appear: str
    words: str = ""


_UPSCAYL, _REQUIRED = "upscayl #", "requirement"
_LEFT_OUT, _NO_IMAGES, _NO_MATCH = "earlier result", "no images in this folder", "no file matches"

CASES = [
    Case("same-stem", _REQUIRED, "d/a.png d/a.jpg", "d -f jpg", 0, "d/a_png_x2.jpg d/a_jpg_x2.jpg"),
    Case("unwritable-formats", _REQUIRED, "d/b.gif d/b.bmp", "d", 0, "d/b_gif_x2.png d/b_bmp_x2.png"),
    Case("dots", _REQUIRED, "IMG.2020 IMG.2021", "IMG.2020 IMG.2021", 0, "IMG.2020_x2.png IMG.2021_x2.png"),
    Case("case-only", _REQUIRED, "d/A.png d/a.jpg", "d -f png", 0, "d/A_png_x2.png d/a_jpg_x2.png"),
    Case("same-name", _REQUIRED, "c/a.png d/a.png b.png", "c d b.png -o o", 3, "o/b_x2.png", "another input"),
    Case("empty-folder", _REQUIRED, "a.png e/=empty", "e a.png", 3, "a_x2.png", _NO_IMAGES),
    Case("no-match", _REQUIRED, "a.png", "x*.png a.png", 3, "a_x2.png", _NO_MATCH),
    Case("companions", _UPSCAYL + "1474", "d/a.png d/._a.png=apple", "d", 0, "d/a_x2.png"),
    Case("hidden-image", _UPSCAYL + "1199", "d/._b.png", "d", 0, "d/._b_x2.png"),
    Case("companion-named", _REQUIRED, "a.png ._a.png=apple", "._a.png a.png", 0, "a_x2.png", "left out"),
    Case("companion-alone", _REQUIRED, "._a.png=apple", "._a.png", 3, "", "companion file of the system"),
    Case("thumbs-db", _REQUIRED, "d/a.png d/Thumbs.db=rubbish", "d/*", 0, "d/a_x2.png", "Thumbs.db"),
    Case("thumbnails", _REQUIRED, "d/a.png d/@eaDir/t.jpg d/.h/t.jpg", "d -r", 0, "d/a_x2.png"),
    Case(
        "bad-file",
        _UPSCAYL + "204",
        "d/a.png d/b.png=rubbish d/c.png",
        "d",
        3,
        "d/a_x2.png d/c_x2.png",
        "b.png",
    ),
    Case("one-file", _REQUIRED, "a.png b.png", "a.png b.png -o both.png", 2, "", "cannot become one file"),
    Case("results", _UPSCAYL + "1473", "d/a.png d/a_x2.png=result", "d --overwrite", 0, "", _LEFT_OUT),
    Case("other-scale", _REQUIRED, "d/a.png d/a_x3.jpg=result", "d", 0, "d/a_x2.png", _LEFT_OUT),
    Case("half-scale", _REQUIRED, "d/a.png d/a_x1.5.png=result", "d", 0, "d/a_x2.png", _LEFT_OUT),
    Case("result-of-jpg", _REQUIRED, "d/a.jpg d/a_x2.png=result", "d", 0, "d/a_x2.jpg", _LEFT_OUT),
    Case("result-apart", _REQUIRED, "d/a.png d/a_png_x2.jpg=result", "d", 0, "d/a_x2.png", _LEFT_OUT),
    Case("shell-pattern", _REQUIRED, "a.png a_x2.png=result", "a.png a_x2.png --overwrite", 0, "", _LEFT_OUT),
    Case("result-alone", _REQUIRED, "a_x2.png", "a_x2.png", 0, "a_x2_x2.png"),
    Case("newline", _REQUIRED, "d/a\nb.png d/a\nb_x2.png=result", "d --overwrite", 0, "", _LEFT_OUT),
    Case("inside", _REQUIRED, "d/a.png d/o/a_x3.png=result", "d -r -o d/o", 0, "d/o/a_x2.png"),
    Case("elsewhere", _REQUIRED, "d/a.png d/o/a_x2.png=result", "d -r", 0, "d/a_x2.png", _LEFT_OUT),
    Case(
        "done",
        "waifu2x-chainer #18",
        "d/a.png d/b.png d/a_x2.png=result",
        "d --skip-existing",
        0,
        "d/b_x2.png",
    ),
    Case(
        "half-written",
        "waifu2x-chainer #18",
        "a.png a_x2.png=empty",
        "a.png --skip-existing",
        3,
        "",
        "a_x2.png: exists, but is empty; pass --overwrite or another -o",
    ),
    Case("half-written-too", _REQUIRED, "a.png a_x2.png=empty", "a.png", 3, "", "exists, but is empty"),
    Case("folder-for-result", _REQUIRED, "a.png a_x2.png/", "a.png --skip-existing", 3, "", "is a folder"),
    Case("exists", _UPSCAYL + "585", "a.png a_x2.png=result", "a.png", 3, "", "--skip-existing"),
    Case("missing-folder", _REQUIRED, "a.png", "none/b.png a.png", 3, "a_x2.png", "none/b.png: no such file"),
    Case("web-address", _REQUIRED, "a.png", "https://x.org/b.png a.png", 3, "a_x2.png", "download it"),
    Case(
        "data-address", _REQUIRED, "a.png", "data:image/png;base64,iVBO a.png", 3, "a_x2.png", "is an address"
    ),
    Case(
        "odd-names", "dangerzone #768", "[1].png -a.png a\nb.png", ".", 0, "[1]_x2.png -a_x2.png a\nb_x2.png"
    ),
]
