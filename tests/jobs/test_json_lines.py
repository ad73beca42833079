"""Files of JSON that only grow."""

from __future__ import annotations

from sparsesr.jobs.json_lines import append_lines, read_lines


def test_lines_that_were_cut_short_or_are_no_objects_are_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    append_lines(path, [{"a": 1}, {"a": "\N{SNOWMAN}\n"}])
    with path.open("ab") as file:
        file.write(b'[1]\n\xff\n{"a": 3')
    append_lines(path, [{"a": 4}], is_synced=False)
    assert [entry["a"] for entry in read_lines(path)] == [1, "\N{SNOWMAN}\n", 4]
    assert list(read_lines(tmp_path / "absent")) == []
