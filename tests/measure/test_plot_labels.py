"""Names of dots in plots keep clear of one another."""

from itertools import combinations

from sparsesr.measure.plot_labels import Box, place_labels

AREA = Box(0, 0, 400, 300)


def box_of(label, width_px=60.0):
    left = label.x - {"start": 0, "middle": width_px / 2, "end": width_px}[label.anchor]
    return Box(left, label.y - 9, left + width_px, label.y + 2)


def dot(x, y):
    return Box(x - 5, y - 5, x + 5, y + 5)


def test_a_lone_name_stands_right_of_its_dot_without_a_line():
    (label,) = place_labels([("name", 100, 100)], [dot(100, 100)], AREA)
    assert (label.anchor, label.leader) == ("start", None)
    assert label.x > 105 and abs(label.y - 104) < 3


def test_a_name_at_the_right_edge_stands_left_of_its_dot():
    (label,) = place_labels([("a long name", 390, 100)], [dot(390, 100)], AREA)
    assert label.anchor == "end" and label.x < 385


def test_crowded_names_cover_neither_dots_nor_one_another():
    centres = [(200 + 9 * index, 150 + 5 * (index % 3)) for index in range(6)]
    dots = [dot(x, y) for x, y in centres]
    labels = place_labels([(f"network {n}", x, y) for n, (x, y) in enumerate(centres)], dots, AREA)
    boxes = [box_of(label, 5.9 * 9) for label in labels]
    assert not any(one.overlap(other) for one, other in combinations(boxes, 2))
    assert not any(box.overlap(taken) for box in boxes for taken in dots)
    assert any(label.leader for label in labels)
